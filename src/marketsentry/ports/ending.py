"""End tasks for sure, also those that missed that they were cancelled."""

import asyncio
from collections.abc import Iterable
from typing import Any

# `asyncio.wait_for` of Python 3.11 drops a cancellation that arrives as what it waits for gets ready; libraries we
# wait through use it. What tidies up after a cancellation has this long before it is taken for one that was dropped.
_AGAIN_S = 10.0


async def end(tasks: Iterable["asyncio.Task[Any]"], *, again_s: float = _AGAIN_S) -> None:
    """Cancel tasks and wait until all of them are over; what they raise is dropped.

    Parameters
    ----------
    tasks
        What is to end; some may be over.
    again_s
        Seconds after which those are cancelled again that go on.
    """
    given = list(tasks)
    left = {task for task in given if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    for task in given:
        if not task.cancelled():
            task.exception()  # read, so that nobody is warned of it
