"""Connections whose transactions wait for the server only where something is read.

What is written travels with the next read or with the commit, and reads that are begun together are answered by one
round trip: on loopback a round trip costs more than most statements of a decision. A statement that fails is therefore
told at the next read or at the commit of its transaction, which rolls back as a whole either way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncPipeline
from psycopg.abc import RV, PQGen


class _Ahead(AsyncPipeline):
    """The driver's pipeline, which keeps what it is given until an answer is asked for and sends all of it at once.

    The driver itself writes each statement to the socket as it comes, which wakes the server each time. These are
    inner parts of it: `pyproject.toml` holds the driver to the minor versions that have them.
    """

    def _communicate_gen(self) -> PQGen[None]:
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        while self.command_queue:
            self.command_queue.popleft()()
        yield from super()._fetch_gen(flush=True)


class PipelinedConnection(AsyncConnection[Any]):
    """A connection that sends ahead inside `sent_ahead`; outside it is like any other."""

    _sending_ahead: AsyncExitStack | None = None

    @asynccontextmanager
    async def sent_ahead(self) -> AsyncIterator[None]:
        """Open a transaction: it commits when the block ends well and rolls back when an exception leaves it."""
        await self.set_autocommit(True)  # the driver's own BEGIN would wait for its answer
        try:
            async with AsyncExitStack() as stack:
                self._pipeline = _Ahead(self)
                await stack.enter_async_context(self.pipeline())
                self._sending_ahead = stack
                await self.execute("BEGIN")
                yield
                await self.execute("COMMIT")
        except psycopg.OperationalError:
            await self.close()  # nobody knows what is still on its way
            raise
        finally:
            self._sending_ahead = None
            if not self.closed:
                await self.rollback()  # sends nothing once the transaction is over
                await self.set_autocommit(False)

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as the driver does; behind a statement that was only kept, what was begun with it takes its turn."""
        found = await super().wait(gen, interval, timeout)
        if self._pipeline is not None and self._pipeline.command_queue:
            await asyncio.sleep(0)  # the lock is held: who waits for it comes before an answer is asked for
        return found

    async def wait_each(self) -> None:
        """Have all that was sent answered, and wait for every later statement of the transaction."""
        if self._sending_ahead is not None:
            await self._sending_ahead.aclose()
            self._sending_ahead = None


async def wait_each(connection: AsyncConnection[Any]) -> None:
    """Let a transaction wait for each statement from now on: before a COPY, and where rows changed are counted."""
    if isinstance(connection, PipelinedConnection):
        await connection.wait_each()
