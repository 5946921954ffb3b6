"""Run what takes microseconds where it is called, once whatever it imports and compiles is there."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_ready: set[Callable[..., object]] = set()


async def quick(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function: in a thread until it has run once, so that compiling stops nobody, and then in place.

    Parameters
    ----------
    work
        A module's function that takes less than handing it to a thread does.
    *args
        What it takes.
    **kwargs
        What it takes by name.

    Returns
    -------
    R
        What it returns.
    """
    if work in _ready:
        return work(*args, **kwargs)
    found = await asyncio.to_thread(work, *args, **kwargs)
    _ready.add(work)
    return found
