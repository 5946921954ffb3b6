"""Begin reads of one transaction together: the record answers them by one round trip, in the order given."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


@overload
async def together(a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...


@overload
async def together(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C], /
) -> tuple[A, B, C]: ...


@overload
async def together(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    /,
) -> tuple[A, B, C, D]: ...


@overload
async def together(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    e: Coroutine[Any, Any, E],
    /,
) -> tuple[A, B, C, D, E]: ...


@overload
async def together(*work: Coroutine[Any, Any, A]) -> tuple[A, ...]: ...


async def together(*work: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """Run statements of one transaction without waiting for one before sending the next.

    Parameters
    ----------
    *work
        Calls of the stores of one transaction. Each must send its only statement before it first waits for an answer;
        what one finds must not be what another needs.

    Returns
    -------
    tuple
        Their results, in order.

    Raises
    ------
    Exception
        That of the first that failed, once all have ended: nothing of them runs on in a transaction that is over.
    """
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return tuple(found)
