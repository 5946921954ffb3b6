"""Let the commit of a transaction travel with its last statement."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from marketsentry.ports.ending import end

A = TypeVar("A")
T = TypeVar("T")


async def ending_with(
    opened: AbstractAsyncContextManager[T],
    work: Callable[[T], Coroutine[Any, Any, Coroutine[Any, Any, A]]],
) -> A:
    """Run a transaction and commit it with its last statement, by one round trip.

    Parameters
    ----------
    opened
        The transaction, as whoever opened it has it.
    work
        All of the transaction but its last call of a store, which it returns without having awaited it. That call
        must send its only statement before it first waits. What it answers cannot undo the transaction any more.

    Returns
    -------
    object
        What the last call returned, once it is committed.

    Raises
    ------
    Exception
        That of `work`, of the commit, or else of the last call.
    """
    running: asyncio.Task[A] | None = None
    try:
        async with opened as stores:
            running = asyncio.create_task(await work(stores))
            await asyncio.sleep(0)  # it has sent its statement when this returns
    except BaseException:
        if running is not None:
            await end([running])
        raise
    return await running
