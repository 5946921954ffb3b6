"""Orders that wait for their turn are taken with the one whose turn it is, and let go of when nobody drives them."""

import asyncio

from execution_world import World
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.core.orders.order import OrderStatus
from marketsentry.services.executor import Executor

N_ORDERS = 24


async def _leases(world: World) -> int:
    async with world.database.connection() as connection:
        query = "SELECT count(*) FROM orders_sim WHERE lease_owner IS NOT NULL"
        row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def _statuses(world: World, ids: list[int]) -> set[OrderStatus]:
    async with world.database.transactions() as stores:
        return {(await stores.orders.get(one)).status for one in ids}


async def test_many_orders_are_taken_by_few_statements(world: World) -> None:
    ids = [one.id for one in await world.admitted(*["0.1"] * N_ORDERS)]
    with sent_statements() as sent:
        await Executor(world.drive_parts()).settle(ids, within_s=60)
    assert await _statuses(world, ids) == {OrderStatus.FILLED}
    assert sum("SKIP LOCKED" in one for one in sent) <= N_ORDERS / 4
    assert await _leases(world) == 0


async def test_what_was_taken_early_is_let_go_of_at_the_end(world: World) -> None:
    ids = [one.id for one in await world.admitted(*["0.1"] * N_ORDERS)]
    first = Executor(world.drive_parts())
    first.start(ids)
    async with asyncio.timeout(30):
        while not await _leases(world):
            await asyncio.sleep(0)
    await first.close()
    assert await _leases(world) == 0
    await Executor(world.drive_parts()).settle(ids, within_s=120)
    assert await _statuses(world, ids) == {OrderStatus.FILLED}


async def test_two_executors_share_orders_and_drive_each_once(world: World) -> None:
    ids = [one.id for one in await world.admitted(*["0.1"] * N_ORDERS)]
    both = [Executor(world.drive_parts()) for _ in range(2)]
    await asyncio.gather(*(one.settle(ids, within_s=120) for one in both))
    async with world.database.transactions() as stores:
        orders = [await stores.orders.get(one) for one in ids]
        fills = [await stores.orders.fills(order_id=one) for one in ids]
    assert {one.status for one in orders} == {OrderStatus.FILLED}
    assert [sum(fill.qty for fill in of_order) for of_order in fills] == [one.quantity for one in orders]
