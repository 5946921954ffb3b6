"""Flatten ends with proof: the venue says flat, or the alert stays up."""

import asyncio
import contextlib
from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import BY, World
from faulty_venue import CrashError, Faults
from marketsentry.core.orders.order import LegKind, OrderStatus, Side, TimeInForce
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.ports.risk import EventFilter, Severity, StoredRiskEvent
from marketsentry.ports.venue import LegRequest
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.flat_proof import Scope, What
from marketsentry.services.flatten import FlattenParts, FlattenRules, flatten
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch
from marketsentry.services.risk_watch import RiskWatch
from recorded_prices import add_prices

WHOLE = Scope("liquid")
UNPROVED, FLAT = "flatten_unproved:liquid:global", "flattened:liquid:global"


def parts_of(world: World) -> FlattenParts:
    return FlattenParts(world.admit, Executor(world.drive_parts()), world.entropy, world.clock.sleep)


async def trade(world: World, qty: str, *, strategy: str = "s1", side: Side = Side.BUY, **run: object) -> int:
    """Execute one order to its end, or to where it works."""
    decision_id = await world.entered(qty, strategy=strategy, side=side)
    (order,) = await admit(RunRequest(decision_id, **run), world.admit, by=BY)  # type: ignore[arg-type]
    if run.get("time_in_force") is not TimeInForce.GTC:
        await Executor(world.drive_parts()).settle([order.id], within_s=120)
    return order.id


async def held(world: World) -> dict[str, Decimal]:
    async with world.database.connection() as connection:
        cursor = await connection.execute("SELECT strategy_id, qty FROM positions WHERE qty <> 0")
        return {row[0]: Decimal(row[1]) for row in await cursor.fetchall()}


async def events(world: World, code: str) -> list[StoredRiskEvent]:
    async with world.database.transactions() as stores:
        return list(await stores.risk.page_events(EventFilter(code=code), before_id=None, limit=50))


async def pull(world: World, *, strategy: str = "global", mode: Mode = Mode.FLATTEN) -> None:
    wanted = ManualTrigger("liquid", strategy, "test", None, mode)
    await trigger_switch(wanted, by=BY, transactions=world.database.transactions)


async def make_prices_old(world: World) -> None:
    world.clock.at += timedelta(hours=3)


async def make_prices_new(world: World) -> None:
    await add_prices(world.database, "BTC", 100.0, until=world.clock.at - timedelta(seconds=1), n=2)


async def test_every_ledger_is_closed_and_the_venue_says_so(world: World) -> None:
    await trade(world, "10")
    await trade(world, "5", strategy="s2")
    assert await held(world) == {"s1": 10, "s2": 5}
    await pull(world)
    report = await flatten(WHOLE, parts_of(world))
    assert (report.proof.is_flat, report.proof.remaining, report.attempts) == (True, (), 1)
    assert {(one.strategy_id, one.target, one.qty) for one in report.closed} == {
        ("s1", "BTC", 10),
        ("s2", "BTC", 5),
    }
    assert await held(world) == {}
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))
    assert {one.asset: one.total for one in await venue.balances()}["BTC"] == 0
    (told,) = await events(world, FLAT)
    assert (told.severity, told.payload["flat"], len(told.payload["orders"])) == (Severity.INFO, True, 2)
    assert await events(world, UNPROVED) == []
    async with world.database.transactions() as stores:
        decision = await stores.decisions.get(report.orders[0].decision_id)
    assert (decision.source, decision.is_approved) == ("flatten", True)
    assert all(one.is_reduce_only for one in report.orders)


async def test_a_strategy_is_closed_alone(world: World) -> None:
    await trade(world, "10")
    await trade(world, "5", strategy="s2")
    await pull(world, strategy="s1")
    report = await flatten(Scope("liquid", "s1"), parts_of(world))
    assert report.proof.is_flat
    assert await held(world) == {"s2": 5}


async def test_a_position_larger_than_the_market_is_closed_bit_by_bit(world: World) -> None:
    for _ in range(2):
        await trade(world, "900")
    await pull(world)
    report = await flatten(WHOLE, parts_of(world), rules=FlattenRules(max_retries=0))
    assert (report.proof.is_flat, await held(world)) == (True, {})
    assert report.attempts == 2
    unproved = await events(world, UNPROVED)
    assert len(unproved) == report.attempts - 1
    assert {one.severity for one in unproved} == {Severity.CRITICAL}
    figures = [Decimal(one.payload["remaining"][0]["qty"]) for one in reversed(unproved)]
    assert figures == sorted(figures, reverse=True)


async def test_without_a_market_it_reports_and_the_next_pass_goes_on(world: World) -> None:
    await trade(world, "10")
    await pull(world)
    await make_prices_old(world)
    watch = RiskWatch(parts_of(world))
    (report,) = await watch.once()
    assert (report.proof.is_flat, report.attempts, await held(world)) == (False, 1, {"s1": 10})
    (left,) = report.proof.remaining
    assert (left.what, left.name, left.qty, left.reason) == (What.POSITION, "BTC", 10, "no_market_data")
    (alert,) = await events(world, UNPROVED)
    assert (alert.severity, alert.payload["remaining"][0]["qty"]) == (Severity.CRITICAL, "10")
    assert await watch.once() == []  # it pauses
    await make_prices_new(world)
    world.clock.at += timedelta(seconds=3)
    (again,) = await watch.once()
    assert (again.proof.is_flat, await held(world)) == (True, {})
    assert again.seconds > 0
    assert await watch.once() == []  # it is proved
    assert await RiskWatch(parts_of(world)).once() == []  # and another process knows


async def test_what_works_at_the_venue_is_taken_back_first(world: World) -> None:
    await trade(world, "10")
    waits = {"time_in_force": TimeInForce.GTC, "limit_timeout_s": Decimal(30)}
    opening = await trade(world, "3000", **waits)  # more than the market gives at once
    exit_ = await trade(world, "4", side=Side.SELL, **waits)
    await pull(world)
    report = await flatten(WHOLE, parts_of(world))
    assert (report.proof.is_flat, await held(world)) == (True, {})
    async with world.database.transactions() as stores:
        assert await stores.paper.open("coinbase") == []
        assert (await stores.orders.get(opening)).status.is_final
        assert (await stores.orders.get(exit_)).status.is_final


async def test_what_only_the_venue_holds_is_no_proof(world: World) -> None:
    await trade(world, "10")
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))
    stray = LegRequest("ms-1-m1", "BTC", Side.BUY, LegKind.MARKET, Decimal(1), Decimal(101), TimeInForce.IOC)
    await venue.submit(stray)
    report = await flatten(WHOLE, parts_of(world))
    assert await held(world) == {}
    (left,) = report.proof.remaining
    assert (left.what, left.name, left.qty) == (What.DIFFERENCE, "BTC", 1)
    assert len(await events(world, UNPROVED)) == report.attempts == 7  # the venue was asked again, then told
    assert await events(world, FLAT) == []


async def test_an_order_that_nobody_knows_is_no_proof(world: World) -> None:
    await trade(world, "10")
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))
    stray = LegRequest("ms-1-l", "BTC", Side.BUY, LegKind.LIMIT, Decimal(1), Decimal(50), TimeInForce.GTC)
    await venue.submit(stray)
    report = await flatten(WHOLE, parts_of(world))
    assert [one.what for one in report.proof.remaining] == [What.VENUE_ORDER]
    assert len(await venue.open_orders()) == 1  # it is told, never cancelled silently


@pytest.mark.parametrize("mode", list(Mode))
async def test_it_works_under_any_switch(world: World, mode: Mode) -> None:
    await trade(world, "10")
    await pull(world, mode=mode)
    assert (await flatten(WHOLE, parts_of(world))).proof.is_flat


async def test_many_at_once_close_once(world: World) -> None:
    await trade(world, "10")
    await pull(world)
    reports = await asyncio.gather(*(flatten(WHOLE, parts_of(world)) for _ in range(3)))
    assert all(one.proof.is_flat for one in reports)
    assert sum(one.qty for report in reports for one in report.closed) == 10
    assert await held(world) == {}


async def test_nothing_held_is_proved_too(world: World) -> None:
    report = await flatten(WHOLE, parts_of(world))
    assert (report.proof.is_flat, report.orders, report.closed) == (True, (), ())


async def test_the_watch_acts_on_flatten_alone_and_until_a_reset(world: World) -> None:
    await trade(world, "10")
    await pull(world, mode=Mode.REDUCE_ONLY)
    watch = RiskWatch(parts_of(world))
    assert await watch.once() == []
    await pull(world)
    await reset_switch("liquid", "global", reason="t", by=BY, transactions=world.database.transactions)
    assert await watch.once() == []
    assert await held(world) == {"s1": 10}


async def test_attempts_are_bounded(world: World) -> None:
    for _ in range(2):
        await trade(world, "900")
    report = await flatten(WHOLE, parts_of(world), rules=FlattenRules(max_attempts=1, max_retries=0))
    assert (report.proof.is_flat, report.attempts) == (False, 1)
    assert {one.status for one in report.orders} == {OrderStatus.PARTIALLY_FILLED}


async def test_a_crash_in_the_middle_is_taken_up(world: World) -> None:
    """Whoever closes dies at some step; the next one closes what is left, and nothing twice."""
    for at in (1, 4, 7, 10, 13):
        await trade(world, "10")
        dying = Executor(world.drive_parts(Faults(at)))
        parts = FlattenParts(world.admit, dying, world.entropy, world.clock.sleep)
        with contextlib.suppress(CrashError):
            await flatten(WHOLE, parts, rules=FlattenRules(settle_s=0.5, max_attempts=1))
        with contextlib.suppress(CrashError):  # the step may be one of those that give orders back
            await dying.close()
        await world.end_leases()
        living = FlattenParts(world.admit, Executor(world.drive_parts()), world.entropy)
        report = await flatten(WHOLE, living)
        assert report.proof.is_flat, report.document()
        assert await held(world) == {}
