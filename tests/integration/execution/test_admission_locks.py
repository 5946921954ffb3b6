"""What an admission holds and for how long: a trigger waits for a write at most, and a close for no trigger (D9)."""

import asyncio
from collections.abc import Sequence

import pytest

from execution_world import BY, World
from marketsentry.core.orders.order import OrderStatus, Side
from marketsentry.exceptions import LockedError
from marketsentry.ports.orders import OrderFilter, StoredOrder
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch

N_DECISIONS = 24
N_BEFORE = 4  # admissions before the switch is pulled
_PULLED = ManualTrigger("liquid", "s1", "test")


async def _admit(world: World, decision_id: str) -> Sequence[StoredOrder]:
    try:
        return await admit(RunRequest(decision_id), world.admit, by=BY)
    except LockedError:
        return ()


async def _until_waiting(world: World, query: str) -> None:
    """Poll until a session waits as `query` says."""
    async with asyncio.timeout(20):
        while True:
            async with world.database.connection() as connection:
                row = await (await connection.execute(query)).fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(0.01)


async def _n_admitted(world: World) -> int:
    async with world.database.transactions() as stores:
        found = await stores.orders.page(
            OrderFilter(statuses=(OrderStatus.EXECUTING,)), before_id=None, limit=N_DECISIONS
        )
    return len(found)


async def test_a_trigger_does_not_wait_for_an_admission_that_is_still_judged(world: World) -> None:
    (order,) = await world.admitted("1")
    decision_id = await world.entered("1")
    async with world.database.transactions() as stores:
        assert order.account_id is not None
        await stores.accounts.lock(order.account_id)
        running = asyncio.create_task(admit(RunRequest(decision_id), world.admit, by=BY))
        await _until_waiting(world, "SELECT count(*) FROM pg_locks WHERE NOT granted")
        pulled = await trigger_switch(_PULLED, by=BY, transactions=world.database.transactions)
        assert pulled.triggered
        assert not running.done()
    with pytest.raises(LockedError, match="kill_switch_triggered:liquid:s1"):
        await running
    assert await _n_admitted(world) == 1


async def test_a_close_is_admitted_while_a_switch_is_being_pulled(world: World) -> None:
    (order,) = await world.admitted("2")
    await Executor(world.drive_parts()).settle([order], within_s=60)
    closing, opening = await world.entered("1", side=Side.SELL), await world.entered("1")
    async with world.database.transactions() as stores:
        await stores.risk.lock_switch_for_change("liquid")
        await stores.risk.read_switches(["liquid"], ["s1"])
        (closed,) = await admit(RunRequest(closing), world.admit, by=BY)
        assert closed.is_reduce_only
        waiting = asyncio.create_task(admit(RunRequest(opening), world.admit, by=BY))
        await _until_waiting(
            world, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
        assert not waiting.done()
    assert len(await waiting) == 1


async def test_nothing_is_admitted_after_a_trigger_has_returned(world: World) -> None:
    decisions = [await world.entered("0.1") for _ in range(N_DECISIONS)]
    left = N_BEFORE
    enough = asyncio.Event()

    async def attempt(decision_id: str) -> int:
        nonlocal left
        found = await _admit(world, decision_id)
        left -= len(found)
        if left <= 0:
            enough.set()
        return len(found)

    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(attempt(one)) for one in decisions]
        await enough.wait()
        await trigger_switch(_PULLED, by=BY, transactions=world.database.transactions)
        at_return = await _n_admitted(world)
    assert await _n_admitted(world) == at_return == sum(one.result() for one in attempts)
    assert N_BEFORE <= at_return < N_DECISIONS, "the trigger came while admissions were under way"
    await reset_switch("liquid", "s1", reason="done", by=BY, transactions=world.database.transactions)
    refused = next(one for one, task in zip(decisions, attempts, strict=True) if not task.result())
    assert len(await _admit(world, refused)) == 1
