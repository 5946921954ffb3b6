"""Statements that wait for the server only where something is read.

What is written travels with the next read or with the commit, and reads that are begun together are answered by one
round trip: on loopback a round trip costs more than most statements of a decision. A statement that fails is therefore
told at the next read or at the commit of its transaction, which rolls back as a whole either way.

A transaction begins with the first statement that leaves something behind. Reads before it are as good without one,
for each of them sees what is committed when it starts, and a transaction that only reads has no end to wait for.

Every statement is prepared when a connection first sends it, and planned once: tables in partitions by time cost more
to plan than to read. One that begins with `ANEW` is planned for its values. The driver is used below its cursors,
which cost more than PostgreSQL does for most of what is asked here: its binding of libpq, and its adaptation of values.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCopy, abc, pq
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.numeric import Int8Dumper

from marketsentry.adapters.postgres.arrays import ArrayDumper
from marketsentry.adapters.postgres.query_text import numbered, only_reads
from marketsentry.adapters.postgres.statements import ANEW, Given
from marketsentry.adapters.postgres.watched_socket import WatchedSocket

_FINE = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY})
_ONE_PLAN, _PLAN_ANEW = (
    b"SET plan_cache_mode = force_generic_plan",
    b"SET plan_cache_mode = force_custom_plan",
)
_STALE = psycopg.errors.FeatureNotSupported  # how a plan fails that the schema has left behind

_listeners: list[list[str]] = []


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """Collect the statements that this process sends in transactions, in their order: budgets count them.

    BEGIN, COMMIT and what prepares a statement are not among them.
    """
    sent: list[str] = []
    _listeners.append(sent)
    try:
        yield sent
    finally:
        _listeners.remove(sent)


class PipelinedConnection(AsyncConnection[Any]):
    """A connection that remembers which statements it has prepared."""

    def __init__(self, pgconn: PGconn, *args: Any, **kwargs: Any) -> None:
        super().__init__(pgconn, *args, **kwargs)
        self.prepared: dict[tuple[bytes, tuple[int, ...]], Prepared] = {}
        self.n_named = 0
        self.plans: bytes | None = None
        self._adapt: abc.Transformer | None = None
        # the driver would take the narrowest type for each number, and each makes another statement of the same text
        self.adapters.register_dumper(int, Int8Dumper)
        self.adapters.register_dumper(list, ArrayDumper)

    @property
    def adapt(self) -> abc.Transformer:
        """How values are written and read: made once, for it remembers what it has looked up for each type."""
        if self._adapt is None:
            self._adapt = Transformer(self)
        return self._adapt

    def statements(self) -> "PipelinedStatements":
        """Make the statements of a transaction that begins."""
        return PipelinedStatements(self)

    @asynccontextmanager
    async def sent_ahead(self) -> AsyncIterator["PipelinedStatements"]:
        """Open a transaction: it commits when the block ends well and rolls back when an exception leaves it."""
        ahead = self.statements()
        try:
            yield ahead
            await ahead.commit()
        except BaseException as error:
            await ahead.give_up(is_waited_for=isinstance(error, Exception))
            raise
        finally:
            ahead.leave()


@dataclass(slots=True)
class Prepared:
    """A statement that a connection has prepared; `columns` are known once it has been answered."""

    name: bytes
    columns: tuple[str, ...] | None = None


@dataclass(slots=True, eq=False)
class _Asked:
    """Something sent that has an answer. `write` sends it."""

    write: Callable[[], None]
    result: PGresult | None = None
    error: Exception | None = None
    is_answered: bool = False
    waiter: asyncio.Future[None] | None = None
    when_fine: Callable[[], None] | None = None
    when_stale: Callable[[], None] | None = None

    def answer(self) -> None:
        self.is_answered = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class PipelinedStatements:
    """`Statements` of one transaction on a connection that nobody else uses.

    Parameters
    ----------
    connection
        Outside a transaction; `PipelinedConnection.sent_ahead` opens and ends one.
    """

    def __init__(self, connection: PipelinedConnection) -> None:
        self._connection, self._server = connection, connection.pgconn
        self._adapt = connection.adapt
        self._loop = asyncio.get_running_loop()
        self._kept: list[_Asked] = []
        self._asked: deque[_Asked] = deque()
        self._error: Exception | None = None
        self._is_due = self._is_begun = self._is_lost = False
        self._socket = WatchedSocket()
        self._preparing: dict[tuple[bytes, tuple[int, ...]], Prepared] = {}

    async def rows(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[dict[str, Any]]:
        """Read rows by name of column."""
        asked, known = self._keep(query, given, is_binary=is_binary)
        result = await self._answer(asked)
        if (columns := known.columns) is None:
            columns = known.columns = _columns(result)
        self._adapt.set_pgresult(result)
        return self._adapt.load_rows(
            0, result.ntuples, lambda values: dict(zip(columns, values, strict=True))
        )

    async def tuples(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[tuple[Any, ...]]:
        """Read rows in the order of the columns."""
        result = await self._answer(self._keep(query, given, is_binary=is_binary)[0])
        self._adapt.set_pgresult(result)
        return self._adapt.load_rows(0, result.ntuples, tuple)

    async def row(self, query: str, given: Given | None = None) -> dict[str, Any] | None:
        """Read the first row."""
        found = await self.rows(query, given)
        return found[0] if found else None

    async def count(self, query: str, given: Given | None = None) -> int:
        """Tell how many rows a statement changed."""
        return (await self._answer(self._keep(query, given)[0])).command_tuples or 0

    async def send(self, query: str, given: Given | None = None) -> None:
        """Keep a statement until something is read, or the commit."""
        self._keep(query, given)

    @asynccontextmanager
    async def copy(self, query: str, given: Given | None = None) -> AsyncIterator[AsyncCopy]:
        """Begin a COPY once all that was sent is answered: there is none in a pipeline."""
        if not self._is_begun:
            self._begin()
        await self._settle()
        self._raise()
        self.leave()
        async with self._connection.cursor() as cursor, cursor.copy(query.encode(), given) as copy:
            yield copy

    async def commit(self) -> None:
        """End the transaction; raises what failed in it and was not told before, or was."""
        if self._is_begun and self._error is None:
            await self._end(b"COMMIT")
        else:
            await self._settle()
        self._raise()

    async def give_up(self, *, is_waited_for: bool) -> None:
        """Undo all; the connection is closed where it can't be told, or nobody waits: then the server undoes it."""
        self._kept.clear()
        self._connection.plans = None  # a setting is undone, too
        if not self._is_sent():
            return
        if self._is_lost or (self._asked and not is_waited_for):
            await self._close()
            return
        try:
            await self._end(b"ROLLBACK")
        except psycopg.Error:
            await self._close()
        except BaseException:
            await self._close()
            raise

    def leave(self) -> None:
        """Leave the pipeline with everything answered, or the connection closed."""
        self._socket.forget()
        if not self._connection.closed and self._server.pipeline_status:
            self._server.exit_pipeline_mode()

    def _is_sent(self) -> bool:
        """Whether the server has been told anything that is not over."""
        if self._asked or self._is_lost:
            return True
        return not self._connection.closed and self._server.transaction_status != pq.TransactionStatus.IDLE

    async def _close(self) -> None:
        self._socket.forget()
        await self._connection.close()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _begin(self) -> None:
        self._is_begun = True
        self._say(b"BEGIN")

    def _say(self, command: bytes) -> _Asked:
        """Keep a command without parameters."""
        asked = _Asked(lambda: self._server.send_query_params(command, None))
        self._kept.append(asked)
        return asked

    def _keep(self, query: str, given: Given | None, *, is_binary: bool = False) -> tuple[_Asked, Prepared]:
        """Keep a statement, and before it what prepares it."""
        self._raise()
        if not self._is_begun and not only_reads(query):
            self._begin()
        plans = _PLAN_ANEW if query.startswith(ANEW) else _ONE_PLAN
        if plans is not self._connection.plans:
            self._say(plans)
            self._connection.plans = plans
        values: Sequence[Buffer | None] | None
        types: tuple[int, ...] = ()
        if given is None:
            text, values, formats = query.encode(), None, None
        else:
            text, names = numbered(query)
            values = self._adapt.dump_sequence([given[name] for name in names], [PyFormat.AUTO] * len(names))
            types, formats = self._adapt.types or (), self._adapt.formats
        key = (text, types)
        known = self._connection.prepared.get(key) or self._preparing.get(key) or self._prepare(key)
        server, form = self._server, pq.Format.BINARY if is_binary else pq.Format.TEXT
        asked = _Asked(
            lambda: server.send_query_prepared(known.name, values, formats, form),
            when_stale=lambda: self._forget(key),
        )
        self._kept.append(asked)
        for sent in _listeners:
            sent.append(query)
        return asked, known

    def _prepare(self, key: tuple[bytes, tuple[int, ...]]) -> Prepared:
        connection = self._connection
        connection.n_named += 1
        made = self._preparing[key] = Prepared(b"s%d" % connection.n_named)
        self._kept.append(
            _Asked(
                lambda: self._server.send_prepare(made.name, key[0], key[1]),
                when_fine=lambda: connection.prepared.__setitem__(key, made),
            )
        )
        return made

    def _forget(self, key: tuple[bytes, tuple[int, ...]]) -> None:
        self._connection.prepared.pop(key, None)
        self._preparing.pop(key, None)

    async def _end(self, command: bytes) -> None:
        """Say how the transaction ends, and have everything answered."""
        asked = self._say(command)
        await self._settle()
        if asked.error is not None:
            raise asked.error

    async def _answer(self, asked: _Asked) -> PGresult:
        """Wait for one answer; others that are begun before the loop comes round are sent with it."""
        if not asked.is_answered:
            asked.waiter = self._loop.create_future()
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon(self._flush_kept)
            await asked.waiter
        if asked.error is not None:
            raise asked.error
        assert asked.result is not None
        return asked.result

    async def _settle(self) -> None:
        """Send what is kept and wait until nothing is under way."""
        if self._kept:
            self._flush()
        if self._asked:
            last = self._asked[-1]
            last.waiter = self._loop.create_future()
            await last.waiter

    def _flush_kept(self) -> None:
        """Send what was kept before the loop came round, where nothing else has sent it."""
        self._is_due = False
        if self._kept:
            self._flush()

    def _flush(self) -> None:
        """Send what was kept as one message, with the mark that ends it."""
        message, self._kept = [*self._kept, _Asked(self._server.pipeline_sync)], []
        self._asked.extend(message)
        self._transmit(message)

    def _transmit(self, message: Sequence[_Asked]) -> None:
        try:
            if not self._server.pipeline_status:
                self._server.enter_pipeline_mode()
            self._socket.watch(self._server.socket, self._read)
            for asked in message:
                asked.write()
            self._push()
        except Exception as error:  # noqa: BLE001 - who waits must hear of it
            self._lose(error)

    def _push(self) -> None:
        """Write to the socket; what does not fit goes when it has room."""
        self._socket.write_later(self._push_more if self._server.flush() else None)

    def _push_more(self) -> None:
        try:
            self._push()
        except Exception as error:  # noqa: BLE001 - who waits must hear of it
            self._lose(error)

    def _read(self) -> None:
        """Hand what has come to those who asked, in order."""
        server, asked = self._server, self._asked
        try:
            server.consume_input()
            while asked and not server.is_busy():
                result = server.get_result()
                if result is None:
                    self._take(asked.popleft())
                elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                    asked.popleft().answer()
                else:
                    asked[0].result = result
        except Exception as error:  # noqa: BLE001 - who waits must hear of it
            self._lose(error)

    def _take(self, asked: _Asked) -> None:
        """See how a statement ended: the first error of a transaction is that of every later statement, too."""
        assert asked.result is not None
        if asked.result.status in _FINE:
            if asked.when_fine is not None:
                asked.when_fine()
        else:
            if self._error is None:
                self._error = error_from_result(asked.result, encoding="utf-8")
                if isinstance(self._error, _STALE) and asked.when_stale is not None:
                    asked.when_stale()
            asked.error = self._error
        asked.answer()

    def _lose(self, error: Exception) -> None:
        """The connection is gone, or of no use: nobody knows what became of what was sent."""
        self._error, self._is_lost = self._error or error, True
        self._socket.forget()
        while self._asked:
            asked = self._asked.popleft()
            asked.error = self._error
            asked.answer()


def _columns(result: PGresult) -> tuple[str, ...]:
    names = (result.fname(n) for n in range(result.nfields))
    return tuple("" if name is None else name.decode() for name in names)
