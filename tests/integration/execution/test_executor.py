"""Orders stay true through crashes and lost answers (K-18, K-20, K-21, K-24)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from execution_world import BY, World
from faulty_venue import CrashError, Faults
from marketsentry.core.orders.order import Order, OrderStatus, Side, TimeInForce
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.exceptions import ConflictError, LockedError
from marketsentry.ports.venue import LegRequest, OutcomeUnknownError
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_begin import begin
from marketsentry.services.execution_claim import Claimed, DriveParts, claim
from marketsentry.services.execution_drive import drive
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch


async def _claim(world: World, order_id: int, owner: str) -> Claimed:
    return (await claim([order_id], world.drive_parts(), owner=owner))[order_id]


async def _resume(world: World, order_id: int, parts: DriveParts, owner: str) -> Order:
    async with world.database.transactions() as stores:
        stored = await stores.orders.get(order_id)
        if stored.status.is_final:
            return (await stores.orders.orders([stored]))[order_id]
    driver = await begin(stored, parts, owner=owner)
    assert driver is not None
    return await driver.run()


async def _check_truth(world: World, order: Order, strategy: str = "s1") -> None:
    """The order is over, and the venue, the log and the ledger tell the same."""
    assert order.status.is_final
    async with world.database.transactions() as stores:
        row = await stores.orders.get(order.id)
        assert (row.status, row.filled_qty, row.version) == (order.status, order.filled_qty, order.version)
        assert row.metadata["execution"]["filled_qty"] == pytest.approx(float(order.filled_qty))
        booked = await stores.orders.fills(order_id=order.id)
        assert {one.venue_trade_id for one in booked} == {fill.trade_id for fill in order.fills}
        venue = [
            one
            for one in await stores.paper.with_fills("coinbase")
            if one.client_order_id.startswith(f"ms-{order.id}-")
        ]
        assert {one.client_order_id for one in venue} <= {leg.client_order_id for leg in order.legs}
        assert sum((one.filled_qty for one in venue), Decimal(0)) == order.filled_qty
        assert await stores.paper.open("coinbase") == []


async def _held(world: World) -> Decimal:
    async with world.database.connection() as connection:
        cursor = await connection.execute("SELECT coalesce(sum(qty), 0) FROM positions")
        row = await cursor.fetchone()
        assert row is not None
        return Decimal(row[0])


@pytest.mark.parametrize("keeps_record", [False, True])
async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    world: World, *, keeps_record: bool
) -> None:
    run = {"time_in_force": TimeInForce.GTC, "limit_timeout_s": Decimal("0.1")}
    expected, at, crashed = Decimal(0), 0, True
    while crashed:
        at += 1
        faults = Faults(at)
        world.held_by(f"first-{at}")
        (stored,) = await world.admitted("1200", **run)
        parts = world.drive_parts(faults, keeps_record=keeps_record)
        try:
            order = await _resume(world, stored.id, parts, f"first-{at}")
        except CrashError:
            await world.end_leases()
            parts = world.drive_parts(keeps_record=keeps_record)
            order = await _resume(world, stored.id, parts, f"second-{at}")
        else:
            crashed = False
        await _check_truth(world, order)
        expected += order.filled_qty
        assert len(faults.submitted) == len(set(faults.submitted))
    assert at > 20  # every step of record and venue was tried
    assert await _held(world) == expected


async def _fail_each_step(
    world: World,
    error: Callable[[], Exception],
    execute: Callable[[Faults, int, str], Awaitable[Order]],
) -> None:
    """Execute orders, each of which meets an error at one step of the venue later than the one before."""
    for at in range(1, 40):
        faults = Faults(at, error=error)
        world.held_by(f"owner-{at}")
        (stored,) = await world.admitted("10")
        order = await execute(faults, stored.id, f"owner-{at}")
        await _check_truth(world, order)
        assert order.filled_qty == 10
        if faults.n < at:
            return
    pytest.fail("an order never takes so many steps")


async def test_an_answer_that_is_lost_is_asked_for(world: World) -> None:
    async def execute(faults: Faults, order_id: int, owner: str) -> Order:
        parts = replace(world.drive_parts(), venues=world.drive_parts(faults).venues)
        return await _resume(world, order_id, parts, owner)

    await _fail_each_step(world, lambda: OutcomeUnknownError("timeout"), execute)


async def test_a_call_of_the_record_that_takes_too_long_is_settled_by_the_record(world: World) -> None:
    async def execute(faults: Faults, order_id: int, owner: str) -> Order:
        plain = world.drive_parts(keeps_record=True)
        slow = replace(plain, venues=world.drive_parts(faults, keeps_record=True).venues)
        try:
            return await _resume(world, order_id, slow, owner)
        except (TimeoutError, ConflictError):
            await world.end_leases()
            return await _resume(world, order_id, plain, f"later-{owner}")

    await _fail_each_step(world, TimeoutError, execute)


@pytest.mark.parametrize("keeps_record", [False, True])
async def test_two_executors_never_send_the_same_leg(world: World, *, keeps_record: bool) -> None:
    orders = await world.admitted(*["10"] * 12)
    ids = [one.id for one in orders]
    faults = [Faults(), Faults(), Faults()]
    executors = [Executor(world.drive_parts(one, keeps_record=keeps_record)) for one in faults]
    await asyncio.gather(*(one.settle(orders, within_s=60) for one in executors))
    sent = [leg for one in faults for leg in one.submitted]
    assert sorted(sent) == sorted(set(sent))
    async with world.database.transactions() as stores:
        rows = [await stores.orders.get(one) for one in ids]
    assert {row.status for row in rows} == {OrderStatus.FILLED}
    assert await _held(world) == 120


async def test_an_order_that_is_held_is_not_driven_by_another(world: World) -> None:
    (stored,) = await world.admitted("10")
    held = await _claim(world, stored.id, "a")
    await world.end_leases()
    taken = await _claim(world, stored.id, "b")
    with pytest.raises(ConflictError, match="another executor holds it"):
        await drive(held, world.drive_parts(), owner="a")
    assert (await drive(taken, world.drive_parts(), owner="b")).status is OrderStatus.FILLED


async def test_where_the_lease_has_passed_on_the_venue_in_the_record_has_no_order(world: World) -> None:
    world.held_by("a")
    (stored,) = await world.admitted("10")
    parts = world.drive_parts(keeps_record=True)
    driver = await begin(stored, parts, owner="a")
    assert driver is not None
    assert driver.due is not None  # nothing of it is written before its answer
    await world.end_leases()
    with pytest.raises(ConflictError, match="another executor holds it"):
        await driver.run()
    async with world.database.transactions() as stores:
        assert await stores.paper.lock(driver.due.client_order_id) is None
    order = await _resume(world, stored.id, parts, "b")
    await _check_truth(world, order)
    assert order.filled_qty == 10


async def test_a_row_that_is_behind_the_log_is_looked_at_first(world: World) -> None:
    world.held_by("a")
    (stored,) = await world.admitted("10")
    parts = world.drive_parts(keeps_record=True)
    assert await begin(stored, parts, owner="b") is None  # held for another
    driver = await begin(replace(stored, version=0), parts, owner="a")
    assert driver is not None
    assert driver.due is None
    order = await driver.run()
    await _check_truth(world, order)
    assert await begin(stored, parts, owner="b") is None  # over, whatever the row says


async def test_a_switch_holds_back_the_leg_of_an_order_that_was_admitted_before(world: World) -> None:
    world.held_by("a")
    (stored,) = await world.admitted("10")
    await trigger_switch(ManualTrigger("liquid"), by=BY, transactions=world.database.transactions)
    faults = Faults()
    order = await _resume(world, stored.id, world.drive_parts(faults, keeps_record=True), "a")
    await _check_truth(world, order)
    assert (order.status, order.legs, faults.submitted) == (OrderStatus.CANCELED, (), [])


async def test_a_leg_that_the_venue_in_the_record_knows_is_the_same_order(world: World) -> None:
    world.held_by("a")
    (stored,) = await world.admitted("10", style=PlanStyle.MARKET)
    driver = await begin(stored, world.drive_parts(keeps_record=True), owner="a")
    assert driver is not None
    leg = driver.due
    assert leg is not None
    venue = await world.registry.open("paper", "coinbase", fee_bps=driver.plan.fee_bps)
    known = await venue.submit(
        LegRequest(
            leg.client_order_id, "BTC", Side.BUY, leg.kind, leg.qty, leg.limit_price, leg.time_in_force
        )
    )
    order = await driver.run()
    await _check_truth(world, order)
    assert order.fills == known.fills != ()


async def test_whoever_stops_waiting_stops_nothing(world: World) -> None:
    (stored,) = await world.admitted("10")
    executor = Executor(world.drive_parts())
    caller = asyncio.create_task(executor.settle([stored.id], within_s=30))
    await asyncio.wait({caller}, timeout=0.001)
    caller.cancel()
    await asyncio.wait({caller})
    await executor.settle([stored.id], within_s=30)
    async with world.database.transactions() as stores:
        assert (await stores.orders.get(stored.id)).status is OrderStatus.FILLED


async def test_an_order_that_is_held_and_was_never_begun_is_found_by_its_executor(world: World) -> None:
    executor = Executor(world.drive_parts())
    world.held_by(executor.owner)
    (stored,) = await world.admitted("10")
    assert await Executor(world.drive_parts()).claim_open() == [stored.id]  # and finds it held
    assert await executor.claim_open() == [stored.id]
    await executor.settle([stored], within_s=30)
    async with world.database.transactions() as stores:
        assert (await stores.orders.get(stored.id)).status is OrderStatus.FILLED
    await executor.close()


async def test_a_start_drives_what_is_open(world: World) -> None:
    orders = await world.admitted("10", "10")
    executor = Executor(world.drive_parts())
    assert sorted(await executor.claim_open()) == sorted(one.id for one in orders)
    await executor.settle([one.id for one in orders], within_s=30)
    assert await executor.claim_open() == []
    await executor.close()


async def test_nothing_is_admitted_after_a_trigger_has_returned(world: World) -> None:
    decisions = [await world.entered(*["0.01"] * 50) for _ in range(40)]
    started = asyncio.Event()

    async def run(decision_id: str) -> bool:
        try:
            admitted = await admit(RunRequest(decision_id), world.admit, by=BY)
        except LockedError as locked:
            assert str(locked) == "kill_switch_triggered:liquid:global"  # noqa: PT017
            return False
        started.set()
        assert len(admitted) == 50
        return True

    async def pull() -> int:
        await started.wait()
        await trigger_switch(ManualTrigger("liquid"), by=BY, transactions=world.database.transactions)
        async with world.database.transactions() as stores:
            return len(await stores.orders.open())

    slots = asyncio.Semaphore(4)  # a connection is left for whoever pulls

    async def limited(decision_id: str) -> bool:
        async with slots:
            return await run(decision_id)

    *passed, n_open = await asyncio.gather(*(limited(one) for one in decisions), pull())
    async with world.database.transactions() as stores:
        after = await stores.orders.open()
    assert len(after) == n_open == 50 * sum(passed)
    assert 0 < sum(passed) < len(decisions)


async def test_a_switch_cancels_an_opening_that_works(world: World) -> None:
    run = {"time_in_force": TimeInForce.GTC, "limit_timeout_s": Decimal(30)}
    (stored,) = await world.admitted("5000", **run)  # more than the market gives at once
    await trigger_switch(ManualTrigger("liquid"), by=BY, transactions=world.database.transactions)
    order = await _resume(world, stored.id, world.drive_parts(), "a")
    await _check_truth(world, order)
    assert (order.status, order.reject_reason) == (
        OrderStatus.CANCELED,
        "kill_switch_triggered:liquid:global",
    )


async def test_a_large_order_takes_what_the_market_gives_within_its_bound(world: World) -> None:
    (stored,) = await world.admitted("2500", max_retries=0)
    order = await _resume(world, stored.id, world.drive_parts(), "a")
    await _check_truth(world, order)
    assert (order.status, order.reject_reason) == (OrderStatus.PARTIALLY_FILLED, "residual_unfilled")
    assert 0 < order.filled_qty <= 1000  # a tenth of what trades in a bar
    assert order.average_price is not None
    assert order.average_price <= Decimal("100.08")


async def test_fill_or_kill_fills_whole_or_not_at_all(world: World) -> None:
    (small,) = await world.admitted("0.5", time_in_force=TimeInForce.FOK)
    order = await _resume(world, small.id, world.drive_parts(), "a")
    assert (order.status, order.reject_reason) == (OrderStatus.REJECTED, "fok_unfillable")
    assert order.fills == ()
