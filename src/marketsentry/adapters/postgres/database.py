"""A pool of connections, transactions on it, and the translation of PostgreSQL's errors."""

import asyncio
import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection, errors
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from marketsentry.adapters.postgres.pipelined import PipelinedConnection
from marketsentry.adapters.postgres.stores import PostgresStores
from marketsentry.exceptions import ConflictError, DependencyError
from marketsentry.ports import Stores

_CONNECT_LIMIT_S = 10.0
_STOPPING_LIMIT_S = 2.0


class Database:
    """One PostgreSQL database; opened explicitly, never by an import.

    Parameters
    ----------
    url
        Where it is.
    min_connections
        Connections that are kept open.
    max_connections
        Connections at most.
    statement_timeout_s
        PostgreSQL ends any statement that takes longer.
    is_durable
        Whether a commit waits for the disk. Without it the last half second is lost when PostgreSQL dies.
    """

    def __init__(
        self,
        url: str,
        *,
        min_connections: int = 1,
        max_connections: int = 8,
        statement_timeout_s: float = 120.0,
        is_durable: bool = True,
    ) -> None:
        milliseconds = max(1, round(statement_timeout_s * 1000))
        commits = "" if is_durable else " -c synchronous_commit=off"
        self._pool = AsyncConnectionPool(
            url,
            connection_class=PipelinedConnection,
            min_size=min_connections,
            max_size=max_connections,
            open=False,
            timeout=_CONNECT_LIMIT_S,
            kwargs={
                "options": f"-c statement_timeout={milliseconds} -c timezone=UTC{commits}",
                "connect_timeout": int(_CONNECT_LIMIT_S),
                "application_name": "marketsentry",
            },
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect.

        Raises
        ------
        DependencyError
            If no connection comes about within 10 seconds.
        """
        with translated_errors():
            await self._pool.open(wait=True, timeout=_CONNECT_LIMIT_S)

    @property
    def n_in_use(self) -> int:
        """How many connections somebody works with now."""
        stats = self._pool.get_stats()
        return stats.get("pool_size", 0) - stats.get("pool_available", 0)

    def hasten(self) -> None:
        """From now on wait little for a connection: who stops has no time for a server that is away."""
        self._pool.timeout = _STOPPING_LIMIT_S

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Open a transaction on a bare connection: for probes and benchmarks; services take `transactions`.

        Yields
        ------
        AsyncConnection
            In a transaction that commits when the block ends well.

        Raises
        ------
        ConflictError
            If a constraint of the schema forbids a write.
        DependencyError
            If PostgreSQL is away, too slow, or has another schema.
        """
        with translated_errors():
            connection = await self._living_connection()
            try:
                async with connection:  # commits or rolls back; the pool's connections stay open
                    yield connection
            finally:
                await self._pool.putconn(connection)

    @asynccontextmanager
    async def transactions(self) -> AsyncIterator[Stores]:
        """Open a transaction: it commits when the block ends well and rolls back when an exception leaves it.

        A write that fails is told by the next read or at the end; see `PipelinedConnection`.

        Yields
        ------
        Stores
            The repositories bound to it.

        Raises
        ------
        ConflictError
            If a constraint of the schema forbids a write.
        DependencyError
            If PostgreSQL is away, too slow, or has another schema.
        """
        with translated_errors():
            connection = await self._living_connection()
            try:
                async with connection.sent_ahead() as statements:
                    yield PostgresStores(statements)
            finally:
                await self._pool.putconn(connection)

    async def _living_connection(self) -> PipelinedConnection:
        """Take a connection; those that died with the server are thrown away at once, not one by one with pauses."""
        while True:
            connection = await self._waited_for()
            if await _is_alive(connection):
                return connection
            await self._pool.putconn(connection)  # closed by now, so the pool replaces it

    async def _waited_for(self) -> PipelinedConnection:
        """Wait for a connection; who is cancelled at the moment it comes gives it back and ends.

        The pool waits by `asyncio.wait_for`, which before Python 3.12 drops a cancellation that meets its answer.
        """
        task = asyncio.current_task()
        assert task is not None
        n_before = task.cancelling()
        connection = await self._pool.getconn()
        if task.cancelling() > n_before:
            await self._pool.putconn(connection)
            raise asyncio.CancelledError
        return connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what PostgreSQL and its driver raise into our error tree; a mistake in our SQL stays a bug."""
    try:
        yield
    except errors.QueryCanceled as exc:
        raise DependencyError(
            f"PostgreSQL ended a statement: {_one_line(exc)}; see MS_STATEMENT_TIMEOUT_S"
        ) from exc
    except (errors.UndefinedTable, errors.UndefinedColumn) as exc:
        raise DependencyError(
            f"the database has another schema than this program ({_one_line(exc)}): run `ms db upgrade`"
        ) from exc
    except errors.IntegrityError as exc:
        raise ConflictError(f"the record forbids it: {_one_line(exc)}") from exc
    except (PoolTimeout, PoolClosed, TooManyRequests) as exc:
        raise DependencyError(f"no connection to PostgreSQL: {_one_line(exc)}") from exc
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise DependencyError(f"PostgreSQL failed: {_one_line(exc)}") from exc


async def _is_alive(connection: AsyncConnection[Any]) -> bool:
    """Tell without a round trip: a connection that the server closed has something to read while it is idle."""
    if not select.select((connection.fileno(),), (), (), 0)[0]:
        return True
    try:
        await AsyncConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    return True


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
