"""A fee is valued in the currency of the account."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketsentry.core.orders.fees import fee_in_quote
from marketsentry.core.orders.order import Fill
from marketsentry.exceptions import InputError

RATES = {"USD": Decimal(1), "BNB": Decimal(600)}


def _fill(fee: str, currency: str) -> Fill:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Fill("t1", Decimal("0.5"), Decimal(20_000), Decimal(fee), currency, at)


@pytest.mark.parametrize(
    ("fee", "currency", "worth"),
    [
        ("2.5", "USD", "2.5"),
        ("0.001", "BTC", "20"),
        ("0.01", "BNB", "6"),
        ("-1", "USD", "-1"),
        ("0", "XYZ", "0"),
    ],
)
def test_a_fee_counts_in_quote_currency(fee: str, currency: str, worth: str) -> None:
    assert fee_in_quote(_fill(fee, currency), base="BTC", rates=RATES) == Decimal(worth)


def test_a_fee_without_a_rate_is_not_taken_for_zero() -> None:
    with pytest.raises(InputError, match="was in XYZ"):
        fee_in_quote(_fill("1", "XYZ"), base="BTC", rates=RATES)
