"""Times that meet: leases, pauses, slow answers, and a process that is back after days (K-18, K-20, K-24)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import BY, World
from faulty_venue import Faults, FaultyVenue, FaultyVenues
from marketsentry.core.orders.events import LegSending
from marketsentry.core.orders.order import OrderStatus, Side, TimeInForce
from marketsentry.core.orders.plan import OPENS_WITHIN
from marketsentry.exceptions import InputError
from marketsentry.ports import Stores
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import EventFilter
from marketsentry.ports.urgency import Urgency, urgency_here
from marketsentry.ports.venue import LegRef, LegRequest, LegView, OutcomeUnknownError, Quote, Venue
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import MAX_AT_ONCE, Executor
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch


class _Slow(FaultyVenue):
    """Loses the answers to orders while `loses`, and says nothing of those orders until it `speaks`."""

    def __init__(self, inner: Venue, faults: Faults, of: "_SlowVenues") -> None:
        super().__init__(inner, faults)
        self._of = of

    async def submit(self, request: LegRequest) -> LegView:
        self._of.urgencies[request.side].add(urgency_here())
        view = await super().submit(request)
        if self._of.loses:
            self._of.lost.add(request.client_order_id)
            raise OutcomeUnknownError("the connection broke")
        return view

    async def order(self, leg: LegRef) -> LegView | None:
        view = await super().order(leg)
        if view is not None:
            self._of.urgencies[view.side].add(urgency_here())
        if leg.client_order_id in self._of.lost:
            await self._of.speaks.wait()
        return view

    async def quote(self, symbol: str) -> Quote:
        await self._of.before_quote()
        return await super().quote(symbol)

    async def open_orders(self) -> Sequence[LegView]:
        await self._of.before_list()
        return await super().open_orders()


class _SlowVenues(FaultyVenues):
    """Opens such venues."""

    def __init__(self, world: World) -> None:
        super().__init__(world.registry, Faults())
        self.loses = False
        self.lost: set[str] = set()
        self.urgencies: dict[Side, set[Urgency]] = {side: set() for side in Side}
        self.speaks = asyncio.Event()
        self.before_quote: Callable[[], Awaitable[object]] = _nothing
        self.before_list: Callable[[], Awaitable[object]] = _nothing

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        return _Slow(await self._inner.open(adapter, venue, fee_bps=fee_bps), self._faults, self)


async def _nothing() -> None:
    pass


def _parts(world: World, venues: _SlowVenues) -> DriveParts:
    return replace(world.drive_parts(), venues=venues)


async def _row(world: World, order_id: int) -> StoredOrder:
    async with world.database.transactions() as stores:
        return await stores.orders.get(order_id)


async def _over(world: World, order_id: int, *, within_s: float = 30.0) -> StoredOrder:
    async with asyncio.timeout(within_s):
        while not (row := await _row(world, order_id)).status.is_final:
            await asyncio.sleep(0.05)
        return row


async def test_a_lease_that_ran_out_and_that_nobody_took_is_held_on(world: World) -> None:
    """Whoever waited too long for its turn goes on where it was: beginning anew it would never prove an absence."""
    (stored,) = await world.admitted("10")
    lost = Faults(1, error=lambda: OutcomeUnknownError("the question was lost"))
    plain = world.drive_parts(lease_s=1.5)

    async def too_long(seconds: float) -> None:
        await asyncio.sleep(1.6)
        await world.clock.sleep(80 * seconds)

    executor = Executor(replace(plain, venues=FaultyVenues(world.registry, lost), sleep=too_long))
    await executor.settle([stored.id], within_s=30)
    row = await _row(world, stored.id)
    assert (row.status, row.filled_qty) == (OrderStatus.FILLED, 10)
    await executor.close()


async def test_orders_that_nobody_can_tell_of_hold_back_no_other(world: World) -> None:
    venues = _SlowVenues(world)
    executor = Executor(_parts(world, venues))
    venues.loses = True
    lost = await world.admitted(*["1"] * (MAX_AT_ONCE + 4))
    await executor.settle(lost, within_s=30, skips_unknown=True)
    venues.loses = False
    (stored,) = await world.admitted("10")
    await executor.settle([stored], within_s=3.0)  # less than a call of the venue may take
    assert (await _row(world, stored.id)).status is OrderStatus.FILLED
    venues.speaks.set()
    executor.look_around()
    for one in lost:
        assert (await _over(world, one.id)).filled_qty == 1
    await executor.close()


async def test_openings_that_are_being_sent_hold_back_no_exit(world: World) -> None:
    (held,) = await world.admitted("10")
    await Executor(world.drive_parts()).settle([held], within_s=30)
    venues, never = _SlowVenues(world), asyncio.Event()
    executor = Executor(_parts(world, venues))
    venues.before_quote = never.wait
    openings = await world.admitted(*["1"] * (2 * MAX_AT_ONCE))
    executor.start(openings)
    await asyncio.sleep(0.5)
    venues.before_quote = _nothing
    decision_id = await world.entered("10", side=Side.SELL)
    (exit_,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    assert exit_.is_reduce_only
    await executor.settle([exit_], within_s=3.0)
    assert (await _row(world, exit_.id)).status is OrderStatus.FILLED
    await executor.close()


async def test_a_venue_that_lists_nothing_holds_back_no_claim(world: World) -> None:
    venues = _SlowVenues(world)
    venues.before_list = asyncio.Event().wait
    executor, stop = Executor(_parts(world, venues)), asyncio.Event()
    running = asyncio.create_task(executor.run(stop))
    (first,) = await world.admitted("10")
    await _over(world, first.id)
    (second,) = await world.admitted("10")
    await _over(world, second.id)
    running.cancel()
    await asyncio.wait({running})
    await executor.close()


async def test_a_bug_in_reconciling_is_told_and_ends_nothing(world: World) -> None:
    async def wrong() -> None:
        raise InputError("qty of fill t-1 must be finite and > 0, was 0")

    venues = _SlowVenues(world)
    venues.before_list = wrong
    executor, stop = Executor(_parts(world, venues)), asyncio.Event()
    (first,) = await world.admitted("10")
    running = asyncio.create_task(executor.run(stop))
    await _over(world, first.id)
    async with asyncio.timeout(30):
        while not await _events(world, "reconcile_failed"):
            await asyncio.sleep(0.05)
    (second,) = await world.admitted("10")
    await _over(world, second.id)
    assert not running.done()
    stop.set()
    await running
    await executor.close()


async def _events(world: World, code: str) -> list[str]:
    async with world.database.transactions() as stores:
        found = await stores.risk.page_events(EventFilter(code=code), before_id=None, limit=9)
    return [str(one.severity) for one in found]


@pytest.mark.parametrize("keeps_record", [False, True])
async def test_an_opening_of_long_ago_is_not_sent(world: World, *, keeps_record: bool) -> None:
    """A process that is back after days must not trade on what was decided then."""
    (opening,) = await world.admitted("10")
    world.clock.at += OPENS_WITHIN + timedelta(seconds=1)
    faults = Faults()
    executor = Executor(world.drive_parts(faults, keeps_record=keeps_record))
    assert await executor.claim_open() == [opening.id]
    row = await _over(world, opening.id)
    assert (row.status, row.reject_reason, faults.submitted) == (OrderStatus.EXPIRED, "expired", [])
    await executor.close()


async def test_an_opening_of_long_ago_that_waits_at_the_venue_is_taken_back(world: World) -> None:
    (opening,) = await world.admitted(
        "3000", time_in_force=TimeInForce.GTC, limit_timeout_s=Decimal(30)
    )  # more than the market gives at once
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(5))
    first = Executor(replace(world.drive_parts(), sleep=asyncio.sleep))
    first.start([opening])
    async with asyncio.timeout(30):
        while not await venue.open_orders():
            await asyncio.sleep(0.05)
    await first.close()
    world.clock.at += timedelta(days=3)
    second = Executor(world.drive_parts())
    await second.claim_open()
    row = await _over(world, opening.id)
    assert row.status in (OrderStatus.EXPIRED, OrderStatus.PARTIALLY_FILLED)
    assert await venue.open_orders() == []
    await second.close()


async def test_an_exit_of_long_ago_still_closes(world: World) -> None:
    (held,) = await world.admitted("10")
    await Executor(world.drive_parts()).settle([held], within_s=30)
    decision_id = await world.entered("10", side=Side.SELL)
    (exit_,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    world.clock.at += OPENS_WITHIN + timedelta(seconds=1)
    executor = Executor(world.drive_parts())
    await executor.claim_open()
    assert (await _over(world, exit_.id)).status is OrderStatus.FILLED
    await executor.close()


async def test_a_switch_that_is_pulled_while_a_quote_is_waited_for_holds_the_leg_back(world: World) -> None:
    venues = _SlowVenues(world)

    async def slowly() -> None:
        await trigger_switch(ManualTrigger("liquid"), by=BY, transactions=world.database.transactions)
        await asyncio.sleep(1.0)

    venues.before_quote = slowly
    (stored,) = await world.admitted("10")
    executor = Executor(_parts(world, venues))
    await executor.settle([stored], within_s=30)
    row = await _over(world, stored.id)
    assert (row.status, row.reject_reason) == (OrderStatus.CANCELED, "kill_switch_triggered:liquid:global")
    await executor.close()


async def test_what_only_closes_is_asked_for_as_an_exit(world: World) -> None:
    venues = _SlowVenues(world)
    executor = Executor(_parts(world, venues))
    for side in Side:
        decision_id = await world.entered("10", side=side)
        executor.start(await admit(RunRequest(decision_id), world.admit, by=BY))
        async with world.database.transactions() as stores:
            (stored,) = await stores.orders.of_decision(decision_id)
        await _over(world, stored.id)
    assert venues.urgencies == {Side.BUY: {Urgency.OTHER}, Side.SELL: {Urgency.EXIT}}
    await executor.close()


async def test_a_leg_that_the_venue_never_had_is_absent_though_the_clock_was_set_back(world: World) -> None:
    (stored,) = await world.admitted("10")
    lost = Faults(1, error=lambda: OutcomeUnknownError("the question was lost"))
    n_rests, rested_s = 0, 0.0

    async def set_back_once(seconds: float) -> None:
        nonlocal n_rests, rested_s
        n_rests += 1
        rested_s += seconds
        world.clock.at += timedelta(hours=-1 if n_rests == 1 else 0, seconds=seconds)

    plain = replace(world.drive_parts(), steady=lambda: rested_s)
    executor = Executor(replace(plain, venues=FaultyVenues(world.registry, lost), sleep=set_back_once))
    await executor.settle([stored.id], within_s=30)
    row = await _row(world, stored.id)
    assert (row.status, row.filled_qty) == (OrderStatus.FILLED, 10)
    assert n_rests < 20
    await executor.close()


async def test_a_machine_that_slept_before_it_sent_a_leg_does_not_send_it(world: World) -> None:
    """Its timers slept too, so that its lease seems to hold; others may have taken the order and sent it since."""
    (stored,) = await world.admitted("10")
    faults, asleep = Faults(), timedelta(hours=1)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stores]:
        nonlocal asleep
        async with world.database.transactions() as stores:
            yield stores
            log = (await stores.orders.events([stored.id]))[stored.id]
        if isinstance(log[-1].event, LegSending):
            world.clock.at += asleep
            asleep = timedelta(0)

    executor = Executor(replace(world.drive_parts(faults), transactions=opened))
    await executor.settle([stored.id], within_s=5)
    assert faults.submitted == []
    await executor.claim_open()
    row = await _over(world, stored.id)
    assert (row.status, faults.submitted) == (OrderStatus.EXPIRED, [])
    await executor.close()
