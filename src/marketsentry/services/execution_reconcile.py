"""Hold the record against the venues: orders there that we do not know, and trades that we did not book.

Orders of ours that are open are asked for by whoever drives them. What is found here nobody drives: an order that
somebody else handed in, or one of ours that was taken for absent. Nothing is corrected: it is told, and kept as a
critical event, once for each order or trade.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from marketsentry.exceptions import DependencyError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.accounts import Account
from marketsentry.ports.execution import Venues
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.ports.venue import LegRef, LegView, Venue
from marketsentry.services.tell_once import tell_once

UNKNOWN_ORDER = "unknown_venue_order"
UNBOOKED_FILL = "unbooked_venue_fill"
WINDOW = timedelta(hours=24)
_WHOLE_EVERY = timedelta(hours=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a venue has and the record has not; `name` is the venue's order or trade."""

    code: str
    adapter: str
    venue: str
    symbol: str
    name: str
    client_order_id: str | None
    qty: Decimal

    @property
    def event_code(self) -> str:
        """Code of the event, which names the order or trade."""
        return f"{self.code}:{self.venue}:{self.name}"


@dataclass(frozen=True, slots=True)
class ReconcileParts:
    """What reconciling needs. `wholly_at` is when all fills of an account were read, by its id; it is kept up."""

    transactions: Transactions
    venues: Venues
    clock: Clock
    wholly_at: dict[int, datetime] = field(default_factory=dict)


async def reconcile_all(parts: ReconcileParts) -> Sequence[Difference]:
    """Compare every account that can be reached with the record.

    Parameters
    ----------
    parts
        Record, venues and time.

    Returns
    -------
    sequence of Difference
        All that differs now, whether it was told before or not. A venue that cannot be asked is left out.
    """
    async with parts.transactions() as stores:
        accounts = await stores.accounts.list()
    found: list[Difference] = []
    for account in accounts:
        try:
            venue = await parts.venues.open(account.adapter, account.venue, fee_bps=Decimal(0))
            found += await _compare(account, venue, parts)
        except DependencyError as error:
            log.warning("account_not_reconciled", venue=account.venue, reason=str(error))
    now = parts.clock.now()
    await tell_once([_event(one, now) for one in found], transactions=parts.transactions)
    return found


async def _compare(account: Account, venue: Venue, parts: ReconcileParts) -> list[Difference]:
    now = parts.clock.now()
    open_orders = await venue.open_orders()
    since, is_whole = _window(parts.wholly_at.get(account.id), now)
    fills = await venue.fills_since(since)
    ids = [one.client_order_id for one in open_orders]
    ids += [told.client_order_id for told in fills if told.client_order_id is not None]
    async with parts.transactions() as stores:
        known = await stores.orders.known_legs(ids)
        # first who is open, then what is booked: an order that ends in between has booked its fills by the second look
        open_here = {one.id for one in await stores.orders.open(account_id=account.id)}
        booked = await stores.orders.known_trades(account.id, [one.fill.trade_id for one in fills])
    found = [
        Difference(
            *(UNKNOWN_ORDER, account.adapter, account.venue, one.symbol),
            *(one.venue_order_id, one.client_order_id, one.qty),
        )
        for one in open_orders
        if one.client_order_id not in known
        or (known[one.client_order_id] not in open_here and await _still_works(one, venue, now))
    ]
    for told in fills:
        drives_on = known.get(told.client_order_id or "") in open_here
        if told.fill.trade_id not in booked and not drives_on:
            found.append(
                Difference(
                    *(UNBOOKED_FILL, account.adapter, account.venue, told.symbol),
                    *(told.fill.trade_id, told.client_order_id, told.fill.qty),
                )
            )
    if is_whole:
        parts.wholly_at[account.id] = now
    return found


def _window(last: datetime | None, now: datetime) -> tuple[datetime, bool]:
    """Tell since when fills are read, and whether that is all of them: a day, and what an outage has kept from us.

    All of them are read once an hour; the looks between begin before the last of those.
    """
    if last is not None and timedelta(0) <= now - last < _WHOLE_EVERY:
        return last - _WHOLE_EVERY, False
    return (now - WINDOW if last is None else min(now - WINDOW, last - _WHOLE_EVERY)), True


async def _still_works(shown: LegView, venue: Venue, now: datetime) -> bool:
    """Ask again for an order of ours that is over here: it may have ended since it was listed."""
    again = await venue.order(LegRef(shown.symbol, shown.client_order_id, shown.venue_order_id, now))
    return again is not None and not again.status.is_over


def _event(one: Difference, at: datetime) -> RiskEvent:
    return RiskEvent(
        Severity.CRITICAL,
        one.event_code,
        f"{one.venue} has {one.qty} {one.symbol} that the record does not have",
        payload={
            "adapter": one.adapter,
            "symbol": one.symbol,
            "client_order_id": one.client_order_id,
            "qty": str(one.qty),
            "seen_at": at.isoformat(),
        },
    )
