"""One run: clients, an operator and processes that die, over the real services, the real record and a venue that fails.

First comes a while in which everything may fail. Then faults end, a fresh process starts as after any crash, at once or
much later, and what is still open has to come to its end by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from marketsentry.core.orders.order import Side, TimeInForce
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.exceptions import DependencyError, LockedError, MarketSentryError
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.decisions import Idempotency
from marketsentry.services.execution import (
    Entered,
    EnteredOrder,
    EnterRequest,
    RunResult,
    enter_orders,
    run_decision,
)
from marketsentry.services.execution_request import ACCOUNT, RunRequest
from marketsentry.services.ledger import pay
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch
from simulation.chance import Chance, Rates
from simulation.exchange import QUOTE
from simulation.loop import START
from simulation.network import ADAPTER, VENUE
from simulation.process import Process, tracked_task
from simulation.record import Record
from simulation.world import BY, CASH, STRATEGIES, TRACK, Blocked, DiedError, Running, World

N_CLIENTS = 3
N_DECISIONS = 3  # of each client
CHAOS_S = 60.0
CALM_S = 900.0
_CLOCKS_OFF_S = (-90.0, -3.0, 0.0, 20.0, 90.0, 3600.0)
_NIGHTS_S = (0.0, 0.0, 150.0, 10_800.0)  # so long nobody runs before the last process comes


async def play(world: World) -> None:
    """Run the whole story."""
    await _pay_in(world)
    world.loop.set_task_factory(tracked_task)
    structlog.configure(processors=[world.log], cache_logger_on_first_use=False)
    clients = [asyncio.create_task(_client(world, n)) for n in range(N_CLIENTS)]
    actors = [
        *clients,
        *(asyncio.create_task(_keeper(world, n)) for n in range(1 + (world.seed % 2))),
        asyncio.create_task(_operator(world)),
        asyncio.create_task(_outages(world)),
        asyncio.create_task(_clocks(world)),
    ]
    await asyncio.wait(clients, timeout=CHAOS_S)
    await _end(actors)
    world.chance.is_calm = True
    world.record_is_away = world.venue_is_away = False
    world.clock.off_s = world.record_clock.off_s = 0.0
    world.rates = replace(world.rates, slow=0.0)
    for one in world.running:
        one.process.die("the end of the faults")
    for one in world.running:
        await one.process.buried()
    world.note("faults end")
    for span in world.blocked:
        span.after = span.after if span.after is not None else world.admitted(span.scope)
    await asyncio.sleep(world.chance.of("night").choice(_NIGHTS_S))
    last = world.start_process(is_mortal=False)
    await world.within(last, _reset_all(last))
    await _until_over(world, last)
    last.process.die("the end")
    await last.process.buried()


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _pay_in(world: World) -> None:
    record = Record(world.desk, Process("setup", world), Chance(0, is_calm=True), Rates(0, 0, 0, 0, 0))
    async with record() as stores:
        account = await stores.accounts.open(adapter=ADAPTER, venue=VENUE, name=ACCOUNT, currency=QUOTE)
        for strategy in STRATEGIES:
            ledger = SubLedger(account.id, strategy, TRACK)
            await pay(stores, ledger, CASH, reference="first", at=START - timedelta(seconds=1))


async def _until_over(world: World, last: Running) -> None:
    """Wait until nothing is open, or long enough; the invariants say which."""
    for _ in range(round(CALM_S)):
        row = world.desk.monitor.execute(
            "SELECT count(*) FROM orders_sim WHERE status IN ('executing', 'unknown')"
        ).fetchone()
        if row == (0,):
            return
        await asyncio.sleep(1.0)


async def _keeper(world: World, number: int) -> None:
    """Keep one process up: start it again some time after it died."""
    draw = world.chance.of(f"keeper-{number}")
    while True:
        running = world.start_process()
        await running.process.died.wait()
        world.counts["crashes"] += 1
        await asyncio.sleep(draw.choice((0.1, 0.1, 1.0, 5.0, 40.0)))


async def _client(world: World, number: int) -> None:
    """Enter and run decisions, again under the same key as long as no answer came."""
    draw = world.chance.of(f"client-{number}")
    await asyncio.sleep(draw.uniform(0, 5))
    for n in range(N_DECISIONS):
        request = _wanted(world, number, n)
        assert request.idempotency is not None
        world.asked[request.idempotency.key] = len(request.orders)
        entered = await _insist(world, number, partial(_enter, request))
        if entered is not None:
            world.counts["decisions"] += 1
            run = _run_of(world, number, entered.decision_id)
            await _insist(world, number, partial(_execute, run))
        await asyncio.sleep(draw.choice((0.0, 0.5, 2.0, 5.0)))


def _wanted(world: World, number: int, n: int) -> EnterRequest:
    draw = world.chance.of(f"client-{number}")
    orders = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        target = draw.choice(("BTC", "ETH"))
        bid, ask = world.exchange.quote(target)
        has_price = draw.random() < 0.8
        orders.append(
            EnteredOrder(
                target,
                draw.choice((Side.BUY, Side.BUY, Side.BUY, Side.SELL)),
                Decimal(draw.randrange(1, 50_000)) / 10_000,
                track=TRACK,
                est_price=(bid + ask) / 2 if has_price else None,
                strategy_id=draw.choice(STRATEGIES),
            )
        )
    return EnterRequest(
        tuple(orders),
        adapter=ADAPTER,
        venue=VENUE,
        idempotency=Idempotency(f"client-{number}-{n}", f"hash-{number}-{n}"),
    )


def _run_of(world: World, number: int, decision_id: str) -> RunRequest:
    draw = world.chance.of(f"client-{number}")
    return RunRequest(
        decision_id,
        adapter=ADAPTER,
        venue=VENUE,
        time_in_force=draw.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)),
        limit_timeout_s=draw.choice((Decimal(0), Decimal("0.5"), Decimal(2), Decimal(2), Decimal(5))),
        max_retries=draw.randrange(3),
        style=draw.choice((PlanStyle.LIMIT_FIRST, PlanStyle.LIMIT_FIRST, PlanStyle.MARKET)),
    )


async def _insist(world: World, number: int, ask: Callable[[Running], Awaitable[Any]]) -> Any:
    """Ask a living process until one answers; None where the answer is no."""
    draw = world.chance.of(f"client-{number}")
    for _ in range(20):
        alive = [one for one in world.running if one.process.is_alive]
        if alive:
            running = draw.choice(alive)
            patience_s = draw.choice((0.05, 3.0, 100.0, 100.0, 100.0))
            try:
                async with asyncio.timeout(patience_s):
                    return await world.within(running, ask(running))
            except LockedError as locked:
                world.note(f"client-{number}: {locked}")
                world.counts["refused by risk"] += 1
                if draw.random() < 0.7:
                    return None
            except (DependencyError, DiedError, TimeoutError) as error:
                world.note(f"client-{number}: {type(error).__name__} {error}")
            except MarketSentryError as error:
                world.surprises.append(f"client-{number}: {type(error).__name__} {error}")
                return None
        await asyncio.sleep(draw.choice((0.0, 0.2, 2.0)))
    return None


async def _operator(world: World) -> None:
    """Pull a switch, wait, arm it again."""
    draw = world.chance.of("operator")
    while True:
        await asyncio.sleep(draw.uniform(1, 20))
        scope, mode = draw.choice((GLOBAL, *STRATEGIES)), draw.choice(tuple(Mode))
        span = await _pulled(world, scope, mode)
        if span is None:
            continue
        await asyncio.sleep(draw.choice((0.2, 1.0, 4.0)))
        span.after = world.admitted(scope)
        world.note(f"operator: resets {scope}")
        await _again(
            world,
            partial(_reset, scope),
        )


async def _pulled(world: World, scope: str, mode: Mode) -> Blocked | None:
    async def pull(one: Running) -> Blocked:
        wanted = ManualTrigger(TRACK, scope, "stop", mode=mode)
        found = await trigger_switch(wanted, by=BY, transactions=one.transactions)
        assert found.triggered
        span = Blocked(scope, world.admitted(scope))
        world.blocked.append(span)
        world.note(f"operator: {scope} is blocked, {mode}")
        world.counts["triggers"] += 1
        return span

    span: Blocked | None = await _again(world, pull)
    return span


async def _again(world: World, ask: Callable[[Running], Awaitable[Any]]) -> Any:
    draw = world.chance.of("operator")
    for _ in range(30):
        alive = [one for one in world.running if one.process.is_alive]
        if alive:
            running = draw.choice(alive)
            try:
                return await world.within(running, ask(running))
            except (DependencyError, DiedError) as error:
                world.note(f"operator: {type(error).__name__} {error}")
        await asyncio.sleep(0.5)
    return None


async def _enter(request: EnterRequest, one: Running) -> Entered:
    return await enter_orders(request, one.parts)


async def _execute(request: RunRequest, one: Running) -> RunResult:
    return await run_decision(request, one.parts, by=BY, wait_s=20.0)


async def _reset(scope: str, one: Running) -> None:
    await reset_switch(TRACK, scope, reason="go on", by=BY, transactions=one.transactions)


async def _reset_all(last: Running) -> None:
    for scope in (GLOBAL, *STRATEGIES):
        await _reset(scope, last)


async def _outages(world: World) -> None:
    """Take the record or the venue away for a while."""
    draw = world.chance.of("outages")
    if draw.random() < 0.5:
        return
    while True:
        await asyncio.sleep(draw.uniform(2, 30))
        what = draw.choice(("record", "venue"))
        world.note(f"{what} goes away")
        setattr(world, f"{what}_is_away", True)
        await asyncio.sleep(draw.choice((0.2, 3.0, 12.0)))
        setattr(world, f"{what}_is_away", False)
        world.note(f"{what} is back")
        world.counts[f"outages of the {what}"] += 1


async def _clocks(world: World) -> None:
    """Set the clock of the machine forth and back, and mostly that of the record with it: it is the same machine."""
    draw = world.chance.of("clocks")
    if draw.random() < 0.6:
        return
    is_one = draw.random() < 0.7
    while True:
        await asyncio.sleep(draw.uniform(1, 20))
        world.clock.off_s = draw.choice(_CLOCKS_OFF_S)
        if is_one:
            world.record_clock.off_s = world.clock.off_s
        world.note(f"the clock is off by {world.clock.off_s:g} s")
        world.counts["clocks set"] += 1
