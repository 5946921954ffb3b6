"""What the record and the venue do not agree on is told, never corrected; what was not answered is asked for again."""

import asyncio
from dataclasses import replace
from decimal import Decimal

from execution_world import BY, World
from faulty_venue import Faults
from marketsentry.core.orders.order import LegKind, OrderStatus, Side, TimeInForce
from marketsentry.ports.risk import Severity
from marketsentry.ports.venue import LegRequest, OutcomeUnknownError, Venue
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.holdings_check import STUCK_LOOKS, HoldingsWatch, check_accounts


async def _trade(world: World, qty: str = "10", **run: object) -> int:
    decision_id = await world.entered(qty)
    (order,) = await admit(RunRequest(decision_id, **run), world.admit, by=BY)  # type: ignore[arg-type]
    await Executor(world.drive_parts()).settle([order.id], within_s=120)
    return order.id


async def _venue(world: World) -> Venue:
    return await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))


async def _codes(world: World) -> list[tuple[str, Severity]]:
    async with world.database.connection() as connection:
        cursor = await connection.execute("SELECT code, severity FROM risk_events ORDER BY id")
        return [(row[0], Severity(row[1])) for row in await cursor.fetchall()]


async def test_an_account_that_agrees_says_nothing(world: World) -> None:
    """K-29."""
    await _trade(world)
    (check,) = await HoldingsWatch(world.admit, sleep=world.clock.sleep).once()
    assert (check.agrees, check.open_orders, check.differences) == (True, (), ())
    assert await _codes(world) == []


async def test_a_position_that_differs_is_told_and_its_end_too(world: World) -> None:
    await _trade(world)
    venue = await _venue(world)

    async def move(name: str, side: Side, bound: int) -> None:
        ioc = TimeInForce.IOC
        await venue.submit(LegRequest(name, "BTC", side, LegKind.MARKET, Decimal(3), Decimal(bound), ioc))

    await move("by-hand-1", Side.BUY, 101)
    watch = HoldingsWatch(world.admit, sleep=world.clock.sleep)
    (check,) = await watch.once()
    (off,) = check.differences
    assert (off.name, off.ledger_qty, off.venue_qty) == ("BTC", 10, 13)
    await watch.once()
    await move("by-hand-2", Side.SELL, 99)
    (check,) = await watch.once()
    assert check.agrees
    assert await _codes(world) == [
        ("venue_mismatch:paper:coinbase:BTC", Severity.CRITICAL),
        ("venue_matches:paper:coinbase", Severity.INFO),
    ]


async def test_what_is_on_its_way_is_not_compared(world: World) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    venue = await _venue(world)
    ioc = TimeInForce.IOC
    await venue.submit(LegRequest("x", "BTC", Side.BUY, LegKind.MARKET, Decimal(3), Decimal(101), ioc))
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert (check.open_orders, check.differences, check.agrees) == ((order.id,), (), True)


async def test_an_order_that_nothing_comes_of_is_told_once(world: World) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    watch = HoldingsWatch(world.admit, sleep=world.clock.sleep)
    for _ in range(STUCK_LOOKS - 1):
        await watch.once()
    assert await _codes(world) == []
    for _ in range(3):
        await watch.once()
    assert await _codes(world) == [(f"order_stuck:paper:coinbase:{order.id}", Severity.CRITICAL)]


class _Away(Faults):
    """Nothing is answered from some step on, until it is back."""

    is_back = False

    def step(self) -> None:
        self.n += 1
        if self.at is not None and self.n >= self.at and not self.is_back:
            raise self.error()


async def test_an_unknown_order_is_asked_for_again_and_never_sent_twice(world: World) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    away = _Away(2, error=lambda: OutcomeUnknownError("the connection broke"))
    plain, faulty = world.drive_parts(), world.drive_parts(away)
    parts = replace(plain, venues=faulty.venues)
    first = Executor(parts)
    await first.settle([order.id], within_s=120, skips_unknown=True)
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert (check.unknown_orders, check.agrees) == ((order.id,), False)
    away.is_back = True
    while not order.status.is_final:
        await first.settle([order.id], within_s=120)
        async with world.database.transactions() as stores:
            order = await stores.orders.get(order.id)
    await first.close()
    assert order.status in (OrderStatus.FILLED, OrderStatus.EXPIRED)  # by how long the venue was away
    assert away.submitted.count(f"ms-{order.id}-l") == 1
    (check,) = await check_accounts(world.admit, sleep=world.clock.sleep)
    assert check.agrees


async def test_an_unknown_order_outlives_its_executor(world: World) -> None:
    decision_id = await world.entered("10")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    away = _Away(2, error=lambda: OutcomeUnknownError("the connection broke"))
    plain, faulty = world.drive_parts(), world.drive_parts(away)
    first = Executor(replace(plain, venues=faulty.venues))
    await first.settle([order.id], within_s=120, skips_unknown=True)
    await first.close()
    await world.end_leases()
    second = Executor(plain)
    stop = asyncio.Event()
    running = asyncio.create_task(second.run(stop))
    while not order.status.is_final:
        await second.settle([order.id], within_s=120)
        async with world.database.transactions() as stores:
            order = await stores.orders.get(order.id)
    stop.set()
    await running
    assert order.status in (OrderStatus.FILLED, OrderStatus.EXPIRED)  # by how long the venue was away
    assert away.submitted == [f"ms-{order.id}-l"]
