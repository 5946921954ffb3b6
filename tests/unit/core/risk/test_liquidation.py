import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.risk.liquidation import liquidation_price
from marketsentry.exceptions import InputError

WALLET = 1_535_443.01


def test_the_worked_example_of_a_venue():
    """Binance's published example: two longs in one cross margin account, brackets of 2.5 % and 10 %."""
    btc = {"qty": 109.488, "entry_price": 32_481.98, "maintenance_frac": 0.025, "deduction_quote": 16_300.0}
    eth = {"qty": 3_683.979, "entry_price": 1_456.84, "maintenance_frac": 0.1, "deduction_quote": 135_365.0}
    found_btc = liquidation_price(**btc, margin_quote=WALLET - 356_512.508 - 448_192.89)
    found_eth = liquidation_price(**eth, margin_quote=WALLET - 71_200.81144 - 56_354.57)
    assert found_btc == pytest.approx(26_316.89, abs=0.005)
    assert found_eth == pytest.approx(1_153.26, abs=0.005)


def naive_liquidation_price(qty, entry, margin, maintenance, deduction):
    """Walk from the entry into the loss until equity meets maintenance, by halving the last step."""

    def free(price):
        return margin + qty * (price - entry) - (abs(qty) * price * maintenance - deduction)

    low, high = (0.0, entry) if qty > 0 else (entry, entry * 1e6)
    for _ in range(300):
        middle = (low + high) / 2
        if (free(middle) < 0) == (qty > 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


@settings(deadline=None)
@given(
    side=st.sampled_from([-1, 1]),
    size=st.floats(1e-3, 1e4),
    entry=st.floats(1e-2, 1e5),
    leverage=st.floats(1.5, 50.0),
    maintenance=st.floats(0.0, 0.015),
    bracket=st.floats(0.0, 0.1),
)
def test_it_is_where_equity_meets_maintenance(side, size, entry, leverage, maintenance, bracket):
    margin, deduction = size * entry / leverage, bracket * maintenance * size * entry
    price = liquidation_price(
        side * size, entry, margin_quote=margin, maintenance_frac=maintenance, deduction_quote=deduction
    )
    assert price == pytest.approx(
        naive_liquidation_price(side * size, entry, margin, maintenance, deduction), rel=1e-9
    )
    assert (price < entry) == (side > 0)


def test_a_long_without_leverage_has_none():
    assert liquidation_price(2.0, 100.0, margin_quote=200.0, maintenance_frac=0.01) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"qty": 0.0}, "qty must be finite and not 0, was 0"),
        ({"qty": math.nan}, "qty must be finite"),
        ({"entry_price": 0.0}, "entry_price must be > 0 and finite, was 0"),
        ({"margin_quote": math.nan}, "margin_quote must be finite, was nan"),
        ({"maintenance_frac": 1.0}, "maintenance_frac must be >= 0 and < 1, was 1"),
        ({"deduction_quote": -1.0}, "deduction_quote must be >= 0 and finite, was -1"),
    ],
)
def test_what_cannot_be_computed_is_refused(change, words):
    values = {"qty": 1.0, "entry_price": 100.0, "margin_quote": 10.0, "maintenance_frac": 0.01, **change}
    with pytest.raises(InputError, match=words):
        liquidation_price(**values)
