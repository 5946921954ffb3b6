"""A payment for a net position is shared without a rest, and by nothing but who held what."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marketsentry.core.account.funding import share_funding
from marketsentry.exceptions import InputError

QUANTITIES = st.decimals("-1000", "1000", places=4)
AMOUNTS = st.decimals("-5000", "5000", places=8)


@given(AMOUNTS, st.lists(QUANTITIES, min_size=1, max_size=6))
def test_the_parts_add_up_and_each_is_its_share_of_the_net(amount: Decimal, held: list[Decimal]) -> None:
    net = sum(held)
    assume(abs(net) >= Decimal("0.01"))
    parts = share_funding(amount, held)
    assert sum(parts) == amount
    for part, qty in zip(parts, held, strict=True):
        assert abs(part - amount * qty / net) <= len(held) * Decimal("1E-8")


@given(AMOUNTS, st.lists(QUANTITIES, min_size=2, max_size=5))
def test_the_order_of_the_holders_does_not_matter(amount: Decimal, held: list[Decimal]) -> None:
    assume(sum(held) and len({abs(one) for one in held}) == len(held))
    there, back = share_funding(amount, held), share_funding(amount, held[::-1])
    assert there == back[::-1]


def test_who_holds_against_the_net_gets_what_the_others_pay() -> None:
    assert share_funding(Decimal("-1.5"), [Decimal(3), Decimal(-1), Decimal(0)]) == [
        Decimal("-2.25"),
        Decimal("0.75"),
        Decimal(0),
    ]


def test_what_rounding_leaves_goes_to_the_largest() -> None:
    parts = share_funding(Decimal("0.00000001"), [Decimal(1), Decimal(1), Decimal("1.1")])
    assert parts == [Decimal(0), Decimal(0), Decimal("1E-8")]
    fine = share_funding(Decimal("-1E-12"), [Decimal(1), Decimal(3)])
    assert sum(fine) == Decimal("-1E-12")


@pytest.mark.parametrize("amount", ["1", "NaN", "Infinity"])
def test_nobody_pays_for_nothing_and_no_figure_is_not_shared(amount: str) -> None:
    held = [Decimal(2), Decimal(-2)] if amount == "1" else [Decimal(1)]
    with pytest.raises(InputError, match="needs a net position"):
        share_funding(Decimal(amount), held)
