"""Whatever events come, an order keeps its invariants."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.orders.apply import apply
from marketsentry.core.orders.events import (
    Admitted,
    Blocked,
    CancelSending,
    Event,
    Finished,
    LegAbsent,
    LegClosed,
    LegRefused,
    LegSending,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.order import LegKind, Order, OrderStatus, Side, TimeInForce
from marketsentry.exceptions import ConflictError
from order_steps import at, filled

LEGS = st.sampled_from(["ms-7-l", "ms-7-m1"])
QTYS = st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal(1), Decimal(2)])
NOW = at(0)
EVENTS = st.one_of(
    st.builds(Admitted, at=st.just(NOW), qty=QTYS),
    st.builds(Blocked, at=st.just(NOW), code=st.just("no")),
    st.builds(
        LegSending,
        at=st.just(NOW),
        client_order_id=LEGS,
        kind=st.sampled_from(LegKind),
        qty=QTYS,
        limit_price=st.just(Decimal(100)),
        time_in_force=st.just(TimeInForce.IOC),
    ),
    st.builds(
        LegWorking, at=st.just(NOW), client_order_id=LEGS, venue_order_id=st.sampled_from(["v1", "v2"])
    ),
    st.builds(LegRefused, at=st.just(NOW), client_order_id=LEGS, code=st.just("no")),
    st.builds(LegUnseen, at=st.just(NOW), client_order_id=LEGS, reason=st.just("timeout")),
    st.builds(LegAbsent, at=st.just(NOW), client_order_id=LEGS),
    st.builds(CancelSending, at=st.just(NOW), client_order_id=LEGS),
    st.builds(filled, LEGS, st.sampled_from(["t1", "t2", "t3"]), st.sampled_from(["0.25", "0.5", "1"])),
    st.builds(
        LegClosed,
        at=st.just(NOW),
        client_order_id=LEGS,
        filled_qty=st.sampled_from([Decimal(0), Decimal("0.25"), Decimal(1)]),
        venue_status=st.just("CANCELLED"),
    ),
    st.builds(
        Finished,
        at=st.just(NOW),
        if_unfilled=st.sampled_from([OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.FILLED]),
    ),
)


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=25))
def test_no_events_break_an_order(events: list[Event]) -> None:
    order = Order(7, Side.BUY, Decimal(1), Decimal(100), OrderStatus.SUBMITTED)
    for event in events:
        try:
            after = apply(order, event)
        except ConflictError:
            continue
        _check(order, after)
        order = after


def _check(before: Order, after: Order) -> None:
    if after is not before:
        assert after.version == before.version + 1
    assert not before.status.is_final or after.status is before.status
    assert after.filled_qty >= before.filled_qty
    assert after.filled_qty <= after.qty
    for leg in after.legs:
        assert leg.filled_qty <= leg.qty
        assert len({fill.trade_id for fill in leg.fills}) == len(leg.fills)
    assert sum(not leg.is_settled for leg in after.legs) <= 1
    if after.status.is_final:
        assert after.open_leg is None
        assert (after.status is OrderStatus.FILLED) == (after.filled_qty == after.qty)
        assert (after.status is OrderStatus.PARTIALLY_FILLED) == (0 < after.filled_qty < after.qty)
