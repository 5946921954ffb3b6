"""What the evidence of a venue says about a leg, as events (design, section 6).

Evidence may come late, twice and in any order; the same evidence leads to the same order. Exposure that is known is
never taken away without proof: an answer `no such order` counts only for a leg of which nothing was ever seen, and
only `grace` after it was sent, for until then the request may still be on its way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.orders.events import Event, LegAbsent, LegClosed, LegFilled, LegUnseen, LegWorking
from marketsentry.core.orders.order import ZERO, Fill, Leg, LegState, Order
from marketsentry.exceptions import ConflictError

_UNSEEN = frozenset({LegState.SENDING, LegState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Evidence:
    """A leg as the venue shows it. `filled_qty` is its own total; `is_over` says that it will not grow."""

    venue_order_id: str
    is_over: bool
    filled_qty: Decimal
    venue_status: str


def reconcile(
    order: Order,
    client_order_id: str,
    evidence: Evidence | None,
    fills: Iterable[Fill],
    *,
    now: datetime,
    grace: timedelta,
) -> Sequence[Event]:
    """Turn evidence about one leg into the events that are new.

    Parameters
    ----------
    order
        The order as it is.
    client_order_id
        The leg that the venue was asked for.
    evidence
        Its answer; None where it says that it has no such order.
    fills
        Fills of the leg, all or some of them; any order, any number of times.
    now
        When the answer was seen.
    grace
        How long a leg may be on its way.

    Returns
    -------
    sequence of Event
        In an order in which they can be applied; empty when nothing is new.

    Raises
    ------
    ConflictError
        If the order has no such leg, or the venue tells more fills than it took: somebody has to look at that.
    """
    leg = order.leg(client_order_id)
    if leg is None:
        raise ConflictError(f"order {order.id} has no leg {client_order_id}")
    new_fills = _new(leg, fills)
    if evidence is None and not new_fills:
        return _missing(leg, now, grace)
    events: list[Event] = []
    if evidence is not None and leg.venue_order_id is None:
        events.append(LegWorking(now, client_order_id, evidence.venue_order_id))
    events += [LegFilled(now, client_order_id, fill) for fill in new_fills]
    known_qty = leg.filled_qty + sum((fill.qty for fill in new_fills), ZERO)
    if evidence is not None and evidence.is_over and leg.closed_qty is None:
        if known_qty > evidence.filled_qty:
            return events  # the view is older than the fills: ask again
        events.append(LegClosed(now, client_order_id, evidence.filled_qty, evidence.venue_status))
    return events


def _missing(leg: Leg, now: datetime, grace: timedelta) -> Sequence[Event]:
    if leg.state not in _UNSEEN or leg.fills or leg.venue_order_id is not None:
        return ()
    if now - leg.sent_at >= grace:
        return (LegAbsent(now, leg.client_order_id),)
    if leg.state is LegState.SENDING:
        return (LegUnseen(now, leg.client_order_id, "no_answer"),)
    return ()


def _new(leg: Leg, fills: Iterable[Fill]) -> Sequence[Fill]:
    """Fills that are not known, oldest first, each once; a known trade with other numbers is left to `apply`."""
    known = {fill.trade_id: fill for fill in leg.fills}
    told: dict[str, Fill] = {}
    for fill in fills:
        before = known.get(fill.trade_id)
        if before is None or (before.qty, before.price) != (fill.qty, fill.price):
            told.setdefault(fill.trade_id, fill)
    return sorted(told.values(), key=lambda fill: (fill.at, fill.trade_id))
