"""PostgreSQL dies with the commit that claimed an order and did not wait for the disk."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psutil
import psycopg
import pytest

from execution_world import World, open_world
from marketsentry.adapters.embedded import EmbeddedEngines, Engines
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import OrderStatus
from marketsentry.exceptions import ConflictError
from marketsentry.services.execution_begin import begin
from marketsentry.services.execution_claim import DriveRules
from programs import eventually

_WAL_WRITER = "SELECT pid, wait_event FROM pg_stat_activity WHERE backend_type = 'walwriter'"
_IS_ON_DISK = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()"


class Mortal:
    """A PostgreSQL that dies with what only its memory holds."""

    def __init__(self, engines: EmbeddedEngines) -> None:
        self.url, self._engines = engines.urls.database_url, engines
        self._wal_writer = 0

    def stop_writing(self) -> None:
        """Let nothing reach the disk but what a commit waits for."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
            assert eventually(lambda: self._stops_at_rest(connection))

    def _stops_at_rest(self, connection: psycopg.Connection) -> bool:
        """Stop the WAL writer; one that was writing goes on: it holds a lock that every commit waits for."""
        row = connection.execute(_WAL_WRITER).fetchone()
        assert row is not None
        process = psutil.Process(row[0])
        process.suspend()
        assert eventually(lambda: process.status() == psutil.STATUS_STOPPED)
        if connection.execute(_WAL_WRITER).fetchone() == (process.pid, "WalWriterMain"):
            self._wal_writer = process.pid
            return True
        process.resume()
        return False

    def die(self) -> None:
        """End at once, with something that is not on the disk, and start again."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute(_IS_ON_DISK).fetchone() == (False,)
        for pid in (self._engines.pids["postgres"] or 0, self._wal_writer):
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: bool(self._engines.revive()))


@pytest.fixture
def mortal(tmp_path: Path, engines: Engines) -> Iterator[Mortal]:
    """An engine of this test alone."""
    with EmbeddedEngines(tmp_path / "engines", redis_url=engines.redis_url) as own:
        migrate.upgrade(own.urls.database_url)
        yield Mortal(own)


async def _seen(world: World, order_id: int) -> tuple[int, str | None, int]:
    """Tell the version of an order, who holds it, and how many orders the venue knows."""
    async with world.database.transactions() as stores:
        row = await stores.orders.get(order_id)
        at_venue = [*await stores.paper.with_fills("coinbase"), *await stores.paper.open("coinbase")]
    return row.version, row.lease_owner, len(at_venue)


async def test_an_order_whose_claim_was_lost_is_claimed_again_and_filled_once(mortal: Mortal) -> None:
    seen: list[tuple[int, str | None, int]] = []

    async def die_once(_: float) -> None:
        if not seen:
            seen.append(await _seen(world, stored.id))
            await asyncio.to_thread(mortal.die)
            seen.append(await _seen(world, stored.id))

    async with Database(mortal.url) as database:
        world = await open_world(database, sleep=die_once)
        (stored,) = await world.admitted("10")
        admitted = await _seen(world, stored.id)
        mortal.stop_writing()
        patient = replace(world.drive_parts(keeps_record=True), rules=DriveRules(call_s=25.0))
        first = await begin(stored, patient, owner="first")
        assert first is not None
        with pytest.raises(ConflictError):  # it goes on from a claim that is gone
            await first.run()
        taken, lost = seen
        assert taken == (admitted[0], "first", 0)
        assert lost == admitted == await _seen(world, stored.id)

        second = await begin(stored, world.drive_parts(keeps_record=True), owner="second")  # nobody holds it
        assert second is not None
        order = await second.run()
        assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal(10))
        async with database.transactions() as stores:
            booked = await stores.orders.fills(order_id=stored.id)
            at_venue = await stores.paper.with_fills("coinbase")
        assert {one.client_order_id for one in at_venue} <= {leg.client_order_id for leg in order.legs}
        assert sum(one.qty for one in booked) == sum(one.filled_qty for one in at_venue) == 10
