"""The real record on virtual time: PostgreSQL whose clock is the loop's, with transactions that overlap and fail.

A statement blocks the loop until PostgreSQL has done it, unless it waits for a lock that another transaction holds:
then its task waits for the end of that transaction, and the others go on. So the locks are PostgreSQL's own, and the
schedule is still that of the seed.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.conninfo import make_conninfo
from psycopg.waiting import Ready, Wait

from marketsentry.adapters.postgres.database import translated_errors
from marketsentry.adapters.postgres.statements import StatementsInTurn
from marketsentry.adapters.postgres.stores import PostgresStores
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Clock, Stores
from simulation.chance import Chance, Rates
from simulation.process import Process

# Found before those of the catalogue, so that leases and switches live on the clock of the simulation.
CLOCK = """
CREATE SCHEMA sim;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('sim.now')::timestamptz $$;
CREATE FUNCTION sim.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('sim.now')::timestamptz $$;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('sim.now')::timestamptz $$;
"""
_OPTIONS = "-c search_path=sim,public,pg_catalog -c timezone=UTC -c synchronous_commit=off"
_PATIENCE_S = 0.002
_TOLD_EVERY = timedelta(milliseconds=5)
_BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"


class _Connection(AsyncConnection[Any]):
    """A connection that blocks the loop for a statement, and its task alone for a lock."""

    desk: "Desk"
    before: Callable[[], Awaitable[None]] | None = None
    _told: datetime | None = None
    _freed: asyncio.Future[None] | None = None

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run one statement to its end; see `AsyncConnection.wait`."""
        if self.before is not None:
            await self.before()
        self._tell_time()
        try:
            wanted = next(gen)
            while True:
                ready = self._poll(wanted) or self._until_quiet(wanted)
                if not ready:
                    await self._for_lock(gen, wanted)
                    continue
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
        finally:
            self.desk.free_others()

    def _tell_time(self) -> None:
        now = self.desk.clock.now()
        is_old = self._told is None or now - self._told >= _TOLD_EVERY
        if is_old and self.pgconn.transaction_status != pq.TransactionStatus.INERROR:
            self.pgconn.exec_(f"SET sim.now = '{now.isoformat()}'".encode())
            self._told = now

    def forget_time(self) -> None:
        """A rollback undoes what was told."""
        self._told = None

    def _poll(self, wanted: int, patience_s: float = _PATIENCE_S) -> int:
        wants_read, wants_write = wanted & Wait.R, wanted & Wait.W
        fd = self.pgconn.socket
        reads, writes, _ = select.select(
            [fd] if wants_read else [], [fd] if wants_write else [], [], patience_s
        )
        return (Ready.R if reads else 0) | (Ready.W if writes else 0)

    def _until_quiet(self, wanted: int) -> int:
        """Wait for real until there is an answer, or PostgreSQL says that it waits for another transaction."""
        while not self.desk.is_blocked(self.pgconn.backend_pid):
            if ready := self._poll(wanted):
                return ready
        return 0

    async def _for_lock(self, gen: Any, wanted: int) -> None:
        self._freed = asyncio.get_running_loop().create_future()
        self.desk.blocked[self] = wanted
        try:
            await self._freed
        except asyncio.CancelledError:
            self.pgconn.get_cancel().cancel()
            try:
                while True:
                    wanted = gen.send(self._poll(wanted, 1.0))
            except (StopIteration, psycopg.errors.QueryCanceled):
                pass
            raise
        finally:
            self.desk.blocked.pop(self, None)

    def free(self, wanted: int) -> None:
        """Let the task go on if its lock was given."""
        if self._freed is not None and not self._freed.done() and self._until_quiet(wanted):
            self._freed.set_result(None)


class Desk:
    """The connections of one run, and one beside them that sees everything."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self.blocked: dict[_Connection, int] = {}
        self.url = make_conninfo(url, options=_OPTIONS)
        self.monitor = psycopg.connect(self.url, autocommit=True)
        self._free: list[_Connection] = []
        self._all: list[_Connection] = []

    def take(self) -> _Connection:
        """A connection that nobody uses."""
        if self._free:
            return self._free.pop()
        raw = pq.PGconn.connect(self.url.encode())
        if raw.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(raw.get_error_message())
        raw.nonblocking = 1
        made = _Connection(raw)
        made.desk = self
        self._all.append(made)
        return made

    def put(self, connection: _Connection) -> None:
        """Give one back."""
        self._free.append(connection)

    def is_blocked(self, pid: int) -> bool:
        """Whether a backend waits for a lock."""
        row = self.monitor.execute(_BLOCKED, (pid,)).fetchone()
        return bool(row and row[0])

    def free_others(self) -> None:
        """After a statement: let those go on whose lock it gave free, and wait until the rest has come to rest."""
        for connection, wanted in list(self.blocked.items()):
            connection.free(wanted)

    async def close(self) -> None:
        """Close all."""
        for connection in self._all:
            await connection.close()
        self.monitor.close()


class Record:
    """`Transactions` of one process: each statement is a step of it, each commit may fail with or without effect."""

    def __init__(self, desk: Desk, process: Process, chance: Chance, rates: Rates) -> None:
        self._desk, self._process, self._chance, self._rates = desk, process, chance, rates

    def __call__(self) -> Any:
        """Open a transaction."""
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Stores]:
        with translated_errors():
            await self._stall()
            await self._pause("begin")
            self._refuse_while_away()
            connection = self._desk.take()
            connection.before = self._statement
            try:
                try:
                    yield PostgresStores(StatementsInTurn(connection))
                    connection.before = None
                    await self._commit(connection)
                finally:
                    connection.before = None
                    if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                        await connection.rollback()
                        connection.forget_time()
            finally:
                self._desk.put(connection)

    async def _statement(self) -> None:
        await self._pause("statement")
        self._refuse_while_away()
        if self._chance.happens("record: connection lost", self._rates.statement):
            raise psycopg.OperationalError("the connection was lost")

    async def _commit(self, connection: _Connection) -> None:
        await self._pause("before commit")
        self._refuse_while_away()
        if self._chance.happens("record: commit refused", self._rates.commit / 2):
            raise psycopg.OperationalError("the server closed the connection before the commit")
        await connection.commit()
        if self._chance.happens("record: commit unseen", self._rates.commit / 2):
            raise DependencyError("PostgreSQL failed: the connection was lost during the commit")
        await self._pause("after commit")
        await self._stall()

    async def _stall(self) -> None:
        """Stand still, as a machine does that is suspended: leases end, and others take over."""
        if self._chance.happens("process: stalled", self._rates.stall):
            await asyncio.sleep(self._chance.of("stall").choice((12.0, 35.0, 50.0)))
            self._process.step("woke up")

    def _refuse_while_away(self) -> None:
        if self._process.world.record_is_away:
            self._chance.faults["record: away"] += 1
            raise psycopg.OperationalError("connection refused")

    async def _pause(self, what: str) -> None:
        self._process.step(what)
        draw = self._chance.of("pace")
        if draw.random() < self._rates.slow:
            await asyncio.sleep(draw.choice((0.0, 0.0005, 0.005, 0.05, 0.3)))
            self._process.step(what)
