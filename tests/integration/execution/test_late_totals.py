"""A venue that is behind itself, in its totals or in what it has at all: nothing is sent for a rest that is none."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import BY, World
from faulty_venue import Faults, FaultyVenue, FaultyVenues
from marketsentry.core.orders.order import OrderStatus
from marketsentry.ports.venue import LegRef, LegRequest, LegStatus, LegView, OutcomeUnknownError, Venue
from marketsentry.services.execution_admit import admit
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
    executor = Executor(replace(plain, venues=venues))
    await executor.settle([order.id], within_s=60)
    async with world.database.transactions() as stores:
        ended = await stores.orders.get(order.id)
    assert (ended.status, ended.filled_qty) == (OrderStatus.FILLED, 10)
    assert faults.submitted == [f"ms-{order.id}-l", f"ms-{order.id}-m1"]  # nobody takes the first
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert check.agrees


class AwayVenue(FaultyVenue):
    """Takes the second leg without an answer, is away for so long, and then has no such order the first time."""

    def __init__(self, inner: Venue, faults: Faults, world: World) -> None:
        super().__init__(inner, faults)
        self._world, self._back_at, self._has_looked = world, world.clock.at, False

    async def submit(self, request: LegRequest) -> LegView:
        shown = await super().submit(request)
        if request.client_order_id.endswith("-m1"):
            self._back_at = self._world.clock.at + timedelta(minutes=5)
            raise OutcomeUnknownError("the connection broke")
        return shown

    async def order(self, leg: LegRef) -> LegView | None:
        if self._world.clock.at < self._back_at:
            raise OutcomeUnknownError("the venue is away")
        if leg.client_order_id.endswith("-m1") and not self._has_looked:
            self._has_looked = True
            return None
        return await super().order(leg)


class AwayVenues(FaultyVenues):
    """Opens every venue as one that goes away."""

    opened: AwayVenue | None = None
    world: World

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        inner = await self._inner.open(adapter, venue, fee_bps=fee_bps)
        self.opened = self.opened or AwayVenue(inner, self._faults, self.world)
        return self.opened


async def test_one_no_after_an_outage_is_no_proof(world: World) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    faults, plain = Faults(), world.drive_parts(lease_s=30.0)
    venues = AwayVenues(world.registry, faults)
    venues.world = world
    executor = Executor(replace(plain, venues=venues))
    while not order.status.is_final:
        await executor.settle([order.id], within_s=60)
        async with world.database.transactions() as stores:
            order = await stores.orders.get(order.id)
    assert (order.status, order.filled_qty) == (OrderStatus.FILLED, 10)
    assert faults.submitted == [f"ms-{order.id}-l", f"ms-{order.id}-m1"]
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert check.agrees
