"""Let statements follow others of a transaction: the record does them while what the others answered is worked on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from marketsentry.ports import Stores

A = TypeVar("A")


@asynccontextmanager
async def behind(
    stores: Stores, work: Callable[[Stores], Coroutine[Any, Any, A]]
) -> AsyncIterator[asyncio.Task[A]]:
    """Begin calls whose statements leave behind those that the block begins with.

    Parameters
    ----------
    stores
        The transaction.
    work
        Calls of it. They run beside the block from where it first waits, so they must not need what it finds.

    Yields
    ------
    Task
        Of the calls; await it in the block where what they find is needed. Nothing of them runs on after the block.
    """

    async def following() -> A:
        await stores.sent()
        return await work(stores)

    task = asyncio.create_task(following())
    try:
        yield task
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
