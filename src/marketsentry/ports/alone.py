"""Run one statement in a transaction of its own: the commit travels with it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from marketsentry.ports import Stores

A = TypeVar("A")


async def alone(
    opened: AbstractAsyncContextManager[Stores], work: Callable[[Stores], Coroutine[Any, Any, A]]
) -> A:
    """Run a statement and commit, by one round trip.

    Parameters
    ----------
    opened
        The transaction; nothing else happens in it.
    work
        One call of a store that sends its only statement before it first waits. What it answers cannot undo it any
        more: a statement whose answer says that it changed nothing must have changed nothing.

    Returns
    -------
    object
        What `work` returned, once it is committed.

    Raises
    ------
    Exception
        That of the commit, or else of `work`.
    """
    running: asyncio.Task[A] | None = None
    try:
        async with opened as stores:
            running = asyncio.create_task(work(stores))
            await asyncio.sleep(0)  # it has sent its statement when this returns
    except BaseException:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        raise
    return await running
