"""Take an order to execute it: one that nobody holds, or that was admitted into our hands (ADR 0256)."""

import asyncio

from marketsentry.core.orders.plan import plan_of
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.together import together
from marketsentry.services.execution_claim import Claimed, Claims, DriveParts
from marketsentry.services.execution_drive import Driver


async def begin(
    order: StoredOrder | int, parts: DriveParts, *, owner: str, claims: Claims | None = None
) -> Driver | None:
    """Take an open order that nobody else holds, to run it; None where there is nothing to take.

    One that was admitted into the hands of `owner` is given by its row, and only looked at. With `claims`, orders that
    wait for their turn are taken with it.
    """
    if isinstance(order, StoredOrder):
        if order.lease_owner == owner and (driver := await _begin_held(order, parts, owner)) is not None:
            return driver
        order = order.id
    claimed = await (claims or Claims(parts, owner)).take(order)
    return None if claimed is None else Driver(claimed, parts, owner)


async def _begin_held(stored: StoredOrder, parts: DriveParts, owner: str) -> Driver | None:
    """Look at an order that is held for us since its row was written; None where that is over."""
    started = asyncio.get_running_loop().time()
    venue = parts.venues.in_record(stored.adapter, stored.venue, fee_bps=plan_of(stored.plan or {}).fee_bps)
    async with parts.transactions() as stores:
        logs, switches, offer = await together(
            stores.orders.events([stored.id]),
            stores.risk.all_switches(),
            _no_offer() if venue is None else venue.offer(stores, stored.target),
        )
    log = [one.event for one in logs[stored.id]]
    assert stored.lease_until is not None
    left_s = (stored.lease_until - switches.now).total_seconds()
    if len(log) != stored.version or left_s <= 0:
        return None
    driver = Driver(Claimed(stored, log, switches, started + left_s), parts, owner)
    if offer is not None:
        driver.plan_leg(offer)
    return driver


async def _no_offer() -> None:
    return None
