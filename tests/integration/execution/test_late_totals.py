"""A venue whose totals are behind its fills: nothing is sent for a rest that is none."""

from dataclasses import replace
from decimal import Decimal

import pytest

from execution_world import BY, World
from faulty_venue import Faults, FaultyVenue, FaultyVenues
from marketsentry.core.orders.order import OrderStatus
from marketsentry.ports.venue import LegRef, LegRequest, LegStatus, LegView, Venue
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.holdings_check import check_accounts


class LateVenue(FaultyVenue):
    """Says of an order, for so many looks, that it is over with a share of what was filled; its fills are all there."""

    def __init__(self, inner: Venue, faults: Faults, share: Decimal, n_late: int) -> None:
        super().__init__(inner, faults)
        self.share, self.n_late = share, n_late

    async def submit(self, request: LegRequest) -> LegView:
        return self._late(await super().submit(request))

    async def order(self, leg: LegRef) -> LegView | None:
        shown = await super().order(leg)
        return None if shown is None else self._late(shown)

    def _late(self, shown: LegView) -> LegView:
        self.n_late -= 1
        if self.n_late < 0:
            return replace(shown, fills=())
        told = shown.filled_qty * self.share
        return replace(shown, status=LegStatus.CANCELED, venue_status="CANCELLED", filled_qty=told, fills=())


class LateVenues(FaultyVenues):
    """Opens every venue as a late one."""

    late: LateVenue | None = None
    share, n_late = Decimal(0), 1

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        self.late = self.late or LateVenue(
            await self._inner.open(adapter, venue, fee_bps=fee_bps), self._faults, self.share, self.n_late
        )
        return self.late


@pytest.mark.parametrize("n_late", [1, 3, 4, 6])
@pytest.mark.parametrize("share", ["0", "0.5"])
async def test_a_leg_ends_with_its_fills_and_not_with_a_total(world: World, share: str, n_late: int) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    faults, plain = Faults(), world.drive_parts()
    venues = LateVenues(world.registry, faults)
    venues.share, venues.n_late = Decimal(share), n_late
    executor = Executor(DriveParts(plain.transactions, venues, plain.clock, plain.sleep, plain.rules))
    await executor.settle([order.id], within_s=60)
    async with world.database.transactions() as stores:
        ended = await stores.orders.get(order.id)
    assert (ended.status, ended.filled_qty) == (OrderStatus.FILLED, 10)
    assert faults.submitted == [f"ms-{order.id}-l", f"ms-{order.id}-m1"]  # nobody takes the first
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert check.agrees
