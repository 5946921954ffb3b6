"""Evidence of the venue leads to the same order however it comes (K-20)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.apply import apply_all
from marketsentry.core.orders.events import LegAbsent, LegClosed, LegFilled, LegUnseen, LegWorking
from marketsentry.core.orders.order import Fill, LegState, Order, OrderStatus
from marketsentry.core.orders.reconcile import Evidence, reconcile
from marketsentry.exceptions import ConflictError
from order_steps import admitted, after, at, filled, limit

GRACE = timedelta(seconds=60)
LEG = "ms-7-l"


def _fill(trade_id: str, qty: str, seconds: float = 0) -> Fill:
    return filled(LEG, trade_id, qty, seconds=seconds).fill


def _see(
    order: Order, evidence: Evidence | None, fills: tuple[Fill, ...] = (), *, seconds: float = 1
) -> Order:
    return apply_all(order, reconcile(order, LEG, evidence, fills, now=at(seconds), grace=GRACE))


SENT = after(admitted(), limit())
UNKNOWN = after(SENT, LegUnseen(at(0), LEG, "timeout"))
OPEN = Evidence("v1", False, Decimal(0), "OPEN")


def test_a_leg_that_the_venue_has_works() -> None:
    seen = _see(UNKNOWN, OPEN)
    assert (seen.status, seen.legs[0].state) == (OrderStatus.EXECUTING, LegState.WORKING)


def test_fills_seen_without_the_order_count() -> None:
    seen = _see(UNKNOWN, None, (_fill("t1", "0.4"),))
    assert (seen.filled_qty, seen.legs[0].state) == (Decimal("0.4"), LegState.WORKING)


def test_a_leg_is_absent_only_after_the_grace() -> None:
    assert _see(UNKNOWN, None, seconds=59) is UNKNOWN
    absent = _see(UNKNOWN, None, seconds=60)
    assert absent.legs[0].state is LegState.ABSENT
    assert isinstance(reconcile(SENT, LEG, None, (), now=at(1), grace=GRACE)[0], LegUnseen)
    assert isinstance(reconcile(SENT, LEG, None, (), now=at(60), grace=GRACE)[0], LegAbsent)


@pytest.mark.parametrize(
    "known", [after(SENT, LegWorking(at(0), LEG, "v1")), after(SENT, filled(LEG, "t1", "0.4"))]
)
def test_what_the_venue_had_is_not_lost_by_its_silence(known: Order) -> None:
    assert _see(known, None, seconds=1e6) is known


def test_a_leg_closes_with_the_total_of_the_venue_and_waits_for_its_fills() -> None:
    closed = _see(UNKNOWN, Evidence("v1", True, Decimal("0.5"), "CANCELLED"), (_fill("t1", "0.2"),))
    assert closed.open_leg is not None
    settled = _see(closed, None, (_fill("t2", "0.3"),))
    assert settled.open_leg is None


def test_a_view_older_than_the_fills_closes_nothing() -> None:
    order = _see(UNKNOWN, Evidence("v1", True, Decimal("0.2"), "CANCELLED"), (_fill("t1", "0.5"),))
    assert order.legs[0].closed_qty is None
    assert order.filled_qty == Decimal("0.5")


def test_a_trade_told_with_other_numbers_is_a_conflict() -> None:
    order = _see(UNKNOWN, OPEN, (_fill("t1", "0.5"),))
    with pytest.raises(ConflictError, match="fill t1 was"):
        _see(order, OPEN, (_fill("t1", "0.6"),))


def test_a_leg_that_the_order_does_not_have_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="has no leg ms-8-l"):
        reconcile(SENT, "ms-8-l", OPEN, (), now=at(0), grace=GRACE)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[Evidence | None, tuple[Fill, ...]]], Decimal]:
    """Looks at one leg while it fills, shuffled and repeated, with the last one among them."""
    parts = draw(st.lists(st.integers(1, 20), max_size=5))
    fills = [_fill(f"t{n}", str(Decimal(part) / 100), n) for n, part in enumerate(parts)]
    total = sum((fill.qty for fill in fills), Decimal(0))
    looks: list[tuple[Evidence | None, tuple[Fill, ...]]] = []
    for n in range(len(fills) + 1):
        known = tuple(fills[:n])
        looks.append((Evidence("v1", False, sum((f.qty for f in known), Decimal(0)), "OPEN"), known))
        looks.append((None, known))
    looks.append((Evidence("v1", True, total, "CANCELLED"), tuple(draw(st.permutations(fills)))))
    told = draw(st.lists(st.sampled_from(looks), max_size=12))
    return draw(st.permutations([*told, looks[-1]])), total


@given(histories())
def test_the_order_of_evidence_does_not_matter(
    told: tuple[list[tuple[Evidence | None, tuple[Fill, ...]]], Decimal],
) -> None:
    looks, total = told
    order = UNKNOWN
    for evidence, fills in looks:
        before = order
        order = _see(order, evidence, fills)
        assert order.filled_qty >= before.filled_qty
        assert _see(order, evidence, fills) is order  # seen twice is seen once
    leg = order.legs[0]
    assert (leg.state, leg.closed_qty, leg.is_settled) == (LegState.CLOSED, total, True)
    assert order.filled_qty == total
    straight = _see(UNKNOWN, *next(look for look in looks if look[0] is not None and look[0].is_over))
    assert set(leg.fills) == set(straight.legs[0].fills)
    same = replace(leg, fills=straight.legs[0].fills)
    assert same == straight.legs[0]


def test_events_can_be_applied_in_the_order_given() -> None:
    events = reconcile(
        SENT,
        LEG,
        Evidence("v1", True, Decimal(1), "FILLED"),
        (_fill("t2", "0.5", 2), _fill("t1", "0.5", 1), _fill("t1", "0.5", 1)),
        now=at(3),
        grace=GRACE,
    )
    assert [type(event) for event in events] == [LegWorking, LegFilled, LegFilled, LegClosed]
    assert [e.fill.trade_id for e in events if isinstance(e, LegFilled)] == ["t1", "t2"]
