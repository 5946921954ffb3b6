"""Connections whose transactions wait for the server only where something is read.

What is written travels with the next read or with the commit, and reads that are begun together are answered by one
round trip: on loopback a round trip costs more than most statements of a decision. A statement that fails is therefore
told at the next read or at the commit of its transaction, which rolls back as a whole either way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncPipeline
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus


class _Ahead(AsyncPipeline):
    """The driver's pipeline, which keeps what it is given until an answer is asked for and sends all of it at once.

    The driver itself writes each statement to the socket as it comes, which wakes the server each time. These are
    inner parts of it: `pyproject.toml` holds the driver to the minor versions that have them.
    """

    def say(self, command: bytes) -> None:
        """Send a command that has no answer but its success."""
        self.command_queue.append(partial(self.pgconn.send_query_params, command, None))
        self.result_queue.append(None)

    def _communicate_gen(self) -> PQGen[None]:
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        while self.command_queue:
            self.command_queue.popleft()()
        yield from super()._fetch_gen(flush=True)


class PipelinedConnection(AsyncConnection[Any]):
    """A connection that sends ahead inside `sent_ahead`; outside it is like any other."""

    @asynccontextmanager
    async def sent_ahead(self) -> AsyncIterator[None]:
        """Open a transaction: it commits when the block ends well and rolls back when an exception leaves it."""
        self._autocommit = True  # the driver's own BEGIN would wait for its answer
        try:
            self._pipeline = ahead = _Ahead(self)
            await ahead.__aenter__()
            ahead.say(b"BEGIN")
            try:
                yield
                if ahead.level:
                    ahead.say(b"COMMIT")
                else:  # a store has left it
                    await self.execute("COMMIT")
            except BaseException as error:
                await self._answer(error)
                raise
            await self._answer(None)
        except psycopg.OperationalError:
            await self.close()  # nobody knows what is still on its way
            raise
        finally:
            self._pipeline, self._autocommit = None, False
            await self._undo()

    async def _undo(self) -> None:
        """Roll back what did not commit; a connection that cannot is closed, and the server does it."""
        status = self.pgconn.transaction_status
        if self.closed or status == TransactionStatus.IDLE:
            return
        try:
            if status == TransactionStatus.ACTIVE:  # left in the middle of a statement
                await self.close()
            else:
                await self.rollback()
        except psycopg.Error:
            await self.close()

    async def _answer(self, error: BaseException | None) -> None:
        """Have all that was sent answered and wait for each statement from now on."""
        ahead, kind = self._pipeline, None if error is None else type(error)
        if ahead is not None:
            try:
                await ahead.__aexit__(kind, error, None)
            finally:
                self._pipeline = None

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as the driver does; behind a statement that was only kept, what was begun with it takes its turn."""
        found = await super().wait(gen, interval, timeout)
        if self._pipeline is not None and self._pipeline.command_queue:
            await asyncio.sleep(0)  # the lock is held: who waits for it comes before an answer is asked for
        return found

    async def wait_each(self) -> None:
        """Have all that was sent answered, and wait for every later statement of the transaction."""
        await self._answer(None)


async def wait_each(connection: AsyncConnection[Any]) -> None:
    """Let a transaction wait for each statement from now on: before a COPY, and where rows changed are counted."""
    if isinstance(connection, PipelinedConnection):
        await connection.wait_each()
