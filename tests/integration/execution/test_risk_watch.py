"""The watch over switches outlives what goes wrong with one of them, and lets it hold up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from execution_world import BY, World
from faulty_venue import Faults, FaultyVenues
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.ports.risk import EventFilter
from marketsentry.ports.venue import Venue
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.flatten import FlattenParts
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch
from marketsentry.services.risk_watch import RiskWatch


class _Troubled(FaultyVenues):
    """Meets trouble where one venue is opened."""

    def __init__(self, world: World, venue: str, trouble: Callable[[], Awaitable[object]]) -> None:
        super().__init__(world.registry, Faults())
        self._venue, self._trouble = venue, trouble

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        if venue == self._venue:
            await self._trouble()
        return await super().open(adapter, venue, fee_bps=fee_bps)


async def _hold(world: World, strategy: str, venue: str) -> None:
    decision_id = await world.entered("10", strategy=strategy)
    (order,) = await admit(RunRequest(decision_id, venue=venue), world.admit, by=BY)
    await Executor(world.drive_parts()).settle([order], within_s=30)


async def _held(world: World) -> set[str]:
    async with world.database.connection() as connection:
        cursor = await connection.execute("SELECT strategy_id FROM positions WHERE qty <> 0")
        return {row[0] for row in await cursor.fetchall()}


async def _watched(world: World, trouble: Callable[[], Awaitable[object]]) -> list[str]:
    """Flatten `s1`, whose venue is in trouble, and `s2`; returns the codes of events when `s2` is flat."""
    await _hold(world, "s1", "bitget")
    await _hold(world, "s2", "coinbase")
    for scope in ("s1", "s2"):
        await trigger_switch(
            ManualTrigger("liquid", scope, mode=Mode.FLATTEN),
            by=BY,
            transactions=world.database.transactions,
        )
    admit_parts = replace(world.admit, venues=_Troubled(world, "bitget", trouble))
    parts = FlattenParts(admit_parts, Executor(world.drive_parts()), world.entropy, world.clock.sleep)
    watch, stop = RiskWatch(parts), asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(30):
        while await _held(world) != {"s1"}:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # passes go on
    assert not running.done()
    stop.set()
    await running
    async with world.database.transactions() as stores:
        found = await stores.risk.page_events(EventFilter(), before_id=None, limit=99)
    return [one.code for one in found]


async def test_a_venue_that_does_not_answer_holds_up_no_other_scope(world: World) -> None:
    codes = await _watched(world, asyncio.Event().wait)
    assert "flattened:liquid:s2" in codes


async def test_a_bug_with_one_scope_is_told_and_ends_nothing(world: World) -> None:
    async def wrong() -> None:
        raise ValueError("invalid literal for int()")

    codes = await _watched(world, wrong)
    assert {"risk_watch_failed", "flattened:liquid:s2"} <= set(codes)


async def test_a_flatten_ends_with_the_switch_that_asked_for_it(world: World) -> None:
    await _hold(world, "s1", "coinbase")
    asked, answers = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        asked.set()
        await answers.wait()

    record = world.database.transactions
    await trigger_switch(ManualTrigger("liquid", "s1", mode=Mode.FLATTEN), by=BY, transactions=record)
    admit_parts = replace(world.admit, venues=_Troubled(world, "coinbase", slowly))
    parts = FlattenParts(admit_parts, Executor(world.drive_parts()), world.entropy, world.clock.sleep)
    stop = asyncio.Event()
    running = asyncio.create_task(RiskWatch(parts).run(stop))
    async with asyncio.timeout(30):
        await asked.wait()
    await reset_switch("liquid", "s1", reason="go on", by=BY, transactions=record)
    await asyncio.sleep(1.0)  # a pass or more
    answers.set()
    await asyncio.sleep(0.5)
    assert await _held(world) == {"s1"}
    stop.set()
    await running
