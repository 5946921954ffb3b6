"""`apply(order, event) -> order`: the one rule book of what may follow what.

Evidence of the venue is taken in any order and as often as it comes: a fill after the leg was closed, an
acknowledgement after the fill, the same message twice. What we do ourselves has one place: a leg is sent only when the
one before it is settled, and an order is finished only when all are. What is not allowed raises `ConflictError`, and
the log stays as it is.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from marketsentry.core.orders.events import (
    Admitted,
    Blocked,
    CancelSending,
    Event,
    Finished,
    LegAbsent,
    LegClosed,
    LegFilled,
    LegRefused,
    LegSending,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.order import Leg, LegState, Order, OrderStatus
from marketsentry.exceptions import ConflictError

_UNFILLED = frozenset({OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


def apply(order: Order, event: Event) -> Order:
    """Move an order by one event.

    Parameters
    ----------
    order
        The order as it is.
    event
        What happened.

    Returns
    -------
    Order
        The order after it. The very same object when the event says nothing new, so that a caller can tell whether
        there is something to write down.

    Raises
    ------
    ConflictError
        If the event cannot follow: of an unknown leg, of a final order, a fill beyond the leg, a proof of absence of a
        leg that the venue is known to have had.
    """
    rule: Callable[[Order, Any], Order] = _RULES[type(event)]
    return rule(order, event)


def apply_all(order: Order, events: Iterable[Event]) -> Order:
    """Move an order by its events, oldest first."""
    for event in events:
        order = apply(order, event)
    return order


def _next(
    order: Order,
    *,
    legs: tuple[Leg, ...] | None = None,
    status: OrderStatus | None = None,
    qty: Decimal | None = None,
    reject_reason: str | None = None,
) -> Order:
    """Give the next version of an order: None leaves a field as it is, and the legs tell the status of an open one."""
    legs = order.legs if legs is None else legs
    status = order.status if status is None else status
    if status.is_open:
        unknown = any(leg.state is LegState.UNKNOWN for leg in legs)
        status = OrderStatus.UNKNOWN if unknown else OrderStatus.EXECUTING
    return Order(
        order.id,
        order.side,
        order.qty if qty is None else qty,
        order.price,
        status,
        legs,
        order.version + 1,
        order.reject_reason if reject_reason is None else reject_reason,
        order.is_reduce_only,
    )


def _admit(order: Order, event: Admitted) -> Order:
    if not order.status.is_waiting:
        raise _conflict(order, "be admitted")
    if not 0 < event.qty <= order.qty:
        raise ConflictError(
            f"order {order.id} must be admitted with > 0 and at most {order.qty}, was {event.qty}"
        )
    return _next(order, status=OrderStatus.EXECUTING, qty=event.qty)


def _block(order: Order, event: Blocked) -> Order:
    if not order.status.is_waiting:
        raise _conflict(order, "be blocked")
    return _next(order, status=OrderStatus.BLOCKED, reject_reason=event.code)


def _send(order: Order, event: LegSending) -> Order:
    if not order.status.is_open:
        raise _conflict(order, "send a leg")
    if order.open_leg is not None:
        raise ConflictError(
            f"order {order.id} must settle leg {order.open_leg.client_order_id} before it sends another"
        )
    if order.leg(event.client_order_id) is not None:
        raise ConflictError(f"order {order.id} has sent leg {event.client_order_id} before")
    if not 0 < event.qty <= order.remaining_qty:
        raise ConflictError(
            f"leg {event.client_order_id} must ask for > 0 and at most {order.remaining_qty}, was {event.qty}"
        )
    leg = Leg(
        event.client_order_id, event.kind, event.qty, event.limit_price, event.time_in_force, sent_at=event.at
    )
    return _next(order, legs=(*order.legs, leg))


def _work(order: Order, event: LegWorking) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.venue_order_id not in (None, event.venue_order_id):
        raise ConflictError(
            f"leg {leg.client_order_id} is order {leg.venue_order_id} at the venue, not {event.venue_order_id}"
        )
    if leg.state in (LegState.REFUSED, LegState.ABSENT):
        raise _leg_conflict(leg, "work at the venue")
    state = LegState.WORKING if leg.state in (LegState.SENDING, LegState.UNKNOWN) else leg.state
    return _put(order, leg, leg.moved(state, venue_order_id=event.venue_order_id))


def _refuse(order: Order, event: LegRefused) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.state is LegState.REFUSED:
        return order
    if leg.venue_order_id is not None or leg.fills or leg.state.is_over:
        raise _leg_conflict(leg, "be refused")
    return _put(order, leg, leg.moved(LegState.REFUSED, reason=event.code))


def _miss(order: Order, event: LegUnseen) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.state is not LegState.SENDING:
        return order  # something else has told more about it meanwhile
    return _put(order, leg, leg.moved(LegState.UNKNOWN, reason=event.reason))


def _prove_absent(order: Order, event: LegAbsent) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.state is LegState.ABSENT:
        return order
    if leg.venue_order_id is not None or leg.fills or leg.state.is_over:
        raise _leg_conflict(leg, "be absent")
    return _put(order, leg, leg.moved(LegState.ABSENT))


def _cancel(order: Order, event: CancelSending) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.state.is_over or leg.state is LegState.CANCEL_PENDING:
        return order
    if leg.state is LegState.SENDING:
        raise _leg_conflict(leg, "be cancelled before its answer")
    if leg.state is LegState.UNKNOWN:
        return order  # asked for all the same; only the venue can say where it stands
    return _put(order, leg, leg.moved(LegState.CANCEL_PENDING))


def _fill(order: Order, event: LegFilled) -> Order:
    leg = _leg_of(order, event.client_order_id)
    known = next((fill for fill in leg.fills if fill.trade_id == event.fill.trade_id), None)
    if known is not None:
        if (known.qty, known.price) != (event.fill.qty, event.fill.price):
            raise ConflictError(
                f"fill {known.trade_id} was {known.qty} at {known.price}, not {event.fill.qty} at {event.fill.price}"
            )
        return order
    if leg.state in (LegState.REFUSED, LegState.ABSENT):
        raise _leg_conflict(leg, "be filled")
    limit = leg.qty if leg.closed_qty is None else leg.closed_qty
    if leg.filled_qty + event.fill.qty > limit:
        raise ConflictError(
            f"fills of leg {leg.client_order_id} must add up to at most {limit}, "
            f"were {leg.filled_qty + event.fill.qty}"
        )
    state = LegState.WORKING if leg.state in (LegState.SENDING, LegState.UNKNOWN) else leg.state
    return _put(order, leg, leg.moved(state, fills=(*leg.fills, event.fill)))


def _close(order: Order, event: LegClosed) -> Order:
    leg = _leg_of(order, event.client_order_id)
    if leg.state is LegState.CLOSED and leg.closed_qty == event.filled_qty:
        return order
    if leg.state.is_over:
        raise _leg_conflict(leg, f"be closed with {event.filled_qty} filled")
    if not leg.filled_qty <= event.filled_qty <= leg.qty:
        raise ConflictError(
            f"leg {leg.client_order_id} must close with {leg.filled_qty} to {leg.qty} filled, "
            f"was {event.filled_qty}"
        )
    closed = leg.moved(LegState.CLOSED, closed_qty=event.filled_qty, venue_status=event.venue_status)
    return _put(order, leg, closed)


def _finish(order: Order, event: Finished) -> Order:
    if not order.status.is_open:
        raise _conflict(order, "finish")
    if order.open_leg is not None:
        raise ConflictError(
            f"order {order.id} must settle leg {order.open_leg.client_order_id} before it finishes"
        )
    if event.if_unfilled not in _UNFILLED:
        raise ConflictError(
            f"an unfilled order must finish as one of {sorted(_UNFILLED)}, was {event.if_unfilled}"
        )
    filled: Decimal = order.filled_qty
    if filled == order.qty:
        return _next(order, status=OrderStatus.FILLED)
    status = OrderStatus.PARTIALLY_FILLED if filled else event.if_unfilled
    return _next(order, status=status, reject_reason=event.reason)


def _leg_of(order: Order, client_order_id: str) -> Leg:
    leg = order.leg(client_order_id)
    if leg is None:
        raise ConflictError(f"order {order.id} has no leg {client_order_id}")
    return leg


def _put(order: Order, leg: Leg, after: Leg) -> Order:
    if after == leg:
        return order
    return _next(order, legs=tuple([after if one is leg else one for one in order.legs]))


def _conflict(order: Order, what: str) -> ConflictError:
    return ConflictError(f"order {order.id} is {order.status} and cannot {what}")


def _leg_conflict(leg: Leg, what: str) -> ConflictError:
    return ConflictError(
        f"leg {leg.client_order_id} is {leg.state} with {leg.filled_qty} filled and cannot {what}"
    )


_RULES: dict[type, Callable[[Order, Any], Order]] = {
    Admitted: _admit,
    Blocked: _block,
    LegSending: _send,
    LegWorking: _work,
    LegRefused: _refuse,
    LegUnseen: _miss,
    LegAbsent: _prove_absent,
    CancelSending: _cancel,
    LegFilled: _fill,
    LegClosed: _close,
    Finished: _finish,
}
