"""How a store speaks to PostgreSQL: a statement with named parameters, and what is wanted of its answer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from psycopg import AsyncConnection, AsyncCopy
from psycopg.rows import dict_row, tuple_row

Given = Mapping[str, Any]

ANEW = "-- planned anew for the values of each call\n"
"""Begins a statement whose conditions depend on which values are given: one plan for all of them would be poor."""


class Statements(Protocol):
    """The statements of one open transaction that somebody else ends.

    Parameters are written `%(name)s` and a percent sign `%%`; a statement that is given none is taken as it stands.
    """

    async def rows(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[dict[str, Any]]:
        """Read rows by name of column; `is_binary` reads each value as the server holds it."""
        ...

    async def tuples(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[tuple[Any, ...]]:
        """Read rows in the order of the columns; `is_binary` as in `rows`."""
        ...

    async def row(self, query: str, given: Given | None = None) -> dict[str, Any] | None:
        """Read the first row, None where there is none."""
        ...

    async def count(self, query: str, given: Given | None = None) -> int:
        """Tell how many rows a statement changed."""
        ...

    async def send(self, query: str, given: Given | None = None) -> None:
        """Run a statement whose answer is its success: it may be told by a later one, or by the commit."""
        ...

    def copy(self, query: str, given: Given | None = None) -> AbstractAsyncContextManager[AsyncCopy]:
        """Begin a COPY."""
        ...


class StatementsInTurn:
    """Statements that are each waited for, on a connection as the driver has it."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def rows(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[dict[str, Any]]:
        """Read rows by name of column."""
        async with self._connection.cursor(row_factory=dict_row, binary=is_binary) as cursor:
            await cursor.execute(query.encode(), given)
            return await cursor.fetchall()

    async def tuples(
        self, query: str, given: Given | None = None, *, is_binary: bool = False
    ) -> list[tuple[Any, ...]]:
        """Read rows in the order of the columns."""
        async with self._connection.cursor(row_factory=tuple_row, binary=is_binary) as cursor:
            await cursor.execute(query.encode(), given)
            return await cursor.fetchall()

    async def row(self, query: str, given: Given | None = None) -> dict[str, Any] | None:
        """Read the first row."""
        found = await self.rows(query, given)
        return found[0] if found else None

    async def count(self, query: str, given: Given | None = None) -> int:
        """Tell how many rows a statement changed."""
        return (await self._connection.execute(query.encode(), given)).rowcount

    async def send(self, query: str, given: Given | None = None) -> None:
        """Run a statement."""
        await self._connection.execute(query.encode(), given)

    @asynccontextmanager
    async def copy(self, query: str, given: Given | None = None) -> AsyncIterator[AsyncCopy]:
        """Begin a COPY."""
        async with self._connection.cursor() as cursor, cursor.copy(query.encode(), given) as copy:
            yield copy
