"""Whatever differs between a venue and the record is counted, under the right name."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from marketsentry.core.orders.events import Finished, LegClosed, LegWorking
from marketsentry.core.orders.order import Leg, OrderStatus
from marketsentry.core.orders.truth import (
    BookedTrade,
    Comparison,
    Recorded,
    TrueOrder,
    TrueTrade,
    Truth,
    compare_truth,
)
from order_steps import admitted, after, at, filled, limit

LEG, ONE, FEE = "ms-7-l", Decimal(1), Decimal("0.05")
OVER = after(
    admitted(),
    limit(),
    LegWorking(at(0), LEG, "v1"),
    filled(LEG, "wire-1", "1"),
    LegClosed(at(1), LEG, ONE, "FILLED"),
    Finished(at(1), OrderStatus.CANCELED),
)
BEFORE = {"USD": Decimal(1_000), "BTC": Decimal(2)}
TRADE = TrueTrade("v1", ONE, Decimal(100), FEE)
BOOKED = BookedTrade("wire-1", LEG, ONE, Decimal(100), FEE)
TRUTH = Truth(
    (TrueOrder("v1", LEG, ONE, is_open=False),), (TRADE,), {"USD": Decimal("899.95"), "BTC": Decimal(3)}
)
RECORDED = Recorded((OVER,), (BOOKED,), {"USD": Decimal("-100.05"), "BTC": ONE})


def judged(truth: Truth = TRUTH, recorded: Recorded = RECORDED) -> tuple[int, int, int, int]:
    """Lost, duplicated, unknown, and how many differences are named."""
    found = compare_truth(BEFORE, truth, recorded)
    return found.lost, found.duplicated, found.unknown_left, len(found.differences)


def also(order_id: str, client_order_id: str) -> Truth:
    """The truth with one more order at the venue, that did nothing."""
    return replace(TRUTH, orders=(*TRUTH.orders, TrueOrder(order_id, client_order_id, Decimal(0), False)))


def with_leg(change: Callable[[Leg], Leg]) -> Recorded:
    return replace(RECORDED, orders=(replace(OVER, legs=(change(OVER.legs[0]),)),))


def test_a_record_that_knows_all_of_it_is_equal() -> None:
    assert compare_truth(BEFORE, TRUTH, RECORDED) == Comparison(0, 0, 0, ())
    assert compare_truth(BEFORE, TRUTH, RECORDED).is_equal


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (also("v2", "somebody-else"), (1, 0, 0, 1)),
        (also("v2", LEG), (0, 1, 0, 1)),
        (also("v2", "ms-7-again"), (0, 1, 0, 1)),
        (also("v2", "ms-71-l"), (1, 0, 0, 1)),
        (replace(TRUTH, trades=(TRADE, TRADE)), (1, 0, 0, 1)),
        (replace(TRUTH, trades=()), (0, 1, 0, 1)),
        (replace(TRUTH, trades=(replace(TRADE, fee=Decimal("0.06")),)), (1, 1, 0, 2)),
        (replace(TRUTH, totals={**TRUTH.totals, "USD": Decimal("899.94")}), (0, 0, 0, 1)),
        (replace(TRUTH, totals={"USD": Decimal("899.95")}), (0, 0, 0, 1)),
        (replace(TRUTH, orders=()), (1, 1, 0, 3)),
        (replace(TRUTH, orders=(replace(TRUTH.orders[0], is_open=True),)), (0, 0, 1, 1)),
        (replace(TRUTH, orders=(replace(TRUTH.orders[0], filled=Decimal("0.5")),)), (0, 0, 0, 1)),
    ],
)
def test_what_the_venue_has_otherwise_is_counted(truth: Truth, expected: tuple[int, int, int, int]) -> None:
    assert judged(truth) == expected


def test_what_the_record_has_otherwise_is_counted() -> None:
    never_there = with_leg(lambda leg: replace(leg, venue_order_id=None))
    assert judged(recorded=never_there) == (1, 0, 0, 1)
    twice = replace(RECORDED, trades=(BOOKED, BOOKED))
    assert judged(recorded=twice) == (0, 1, 0, 2)
    unknown = replace(RECORDED, orders=(replace(OVER, status=OrderStatus.UNKNOWN),))
    assert judged(recorded=unknown) == (0, 0, 1, 1)
    too_much = replace(RECORDED, orders=(replace(OVER, qty=Decimal("0.9")),))
    assert judged(recorded=too_much) == (0, 0, 0, 1)


def test_a_trade_goes_by_its_numbers_whatever_the_wire_calls_it() -> None:
    renamed = replace(RECORDED, trades=(replace(BOOKED, trade_id="another"),))
    assert judged(recorded=renamed) == (0, 0, 0, 0)
