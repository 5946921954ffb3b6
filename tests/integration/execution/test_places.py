"""Orders that nobody can tell of do not hold back others (ADR 0218)."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from execution_world import World
from faulty_venue import Faults, FaultyVenue, FaultyVenues
from marketsentry.core.orders.order import OrderStatus
from marketsentry.ports.venue import LegRef, LegRequest, LegView, OutcomeUnknownError, Venue
from marketsentry.services.executor import MAX_AT_ONCE, Executor

SILENT = Decimal("0.5")


class SilentVenue(FaultyVenue):
    """Answers nothing of orders of one size."""

    def __init__(self, inner: Venue, faults: Faults) -> None:
        super().__init__(inner, faults)
        self._silent = set[str]()

    async def submit(self, request: LegRequest) -> LegView:
        view = await super().submit(request)
        if request.qty == SILENT:
            self._silent.add(request.client_order_id)
            raise OutcomeUnknownError("no answer")
        return view

    async def order(self, leg: LegRef) -> LegView | None:
        if leg.client_order_id in self._silent:
            raise OutcomeUnknownError("no answer")
        return await super().order(leg)


class SilentVenues(FaultyVenues):
    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        return SilentVenue(await self._inner.open(adapter, venue, fee_bps=fee_bps), self._faults)


async def _wait_for_ever(seconds: float) -> None:
    await asyncio.Event().wait()


async def test_unknown_orders_leave_their_places_to_others(world: World) -> None:
    orders = await world.admitted(*[str(SILENT)] * (MAX_AT_ONCE + 1), "1")
    parts = replace(world.drive_parts(), venues=SilentVenues(world.registry, Faults()), sleep=_wait_for_ever)
    executor = Executor(parts)
    *silent, last = (one.id for one in orders)
    executor.start(silent)
    await executor.settle([last], within_s=60.0)
    async with world.database.transactions() as stores:
        assert (await stores.orders.get(last)).status is OrderStatus.FILLED
        unknown = [await stores.orders.get(one) for one in silent[:MAX_AT_ONCE]]
    assert {one.status for one in unknown} == {OrderStatus.UNKNOWN}
    await executor.close()
