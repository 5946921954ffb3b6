"""Begin reads of one transaction together: the record answers them by one round trip, in the order given.

They run inside the task of the caller, each up to where it waits: a task for each of them would cost more than most
statements do.
"""

import asyncio
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


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
async def together(
    a: Coroutine[Any, Any, A],
    b: Coroutine[Any, Any, B],
    c: Coroutine[Any, Any, C],
    d: Coroutine[Any, Any, D],
    e: Coroutine[Any, Any, E],
    f: Coroutine[Any, Any, F],
    /,
) -> tuple[A, B, C, D, E, F]: ...


@overload
async def together(*work: Coroutine[Any, Any, A]) -> tuple[A, ...]: ...


async def together(*work: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """Run statements of one transaction without waiting for one before sending the next.

    Parameters
    ----------
    *work
        Calls of the stores of one transaction. Each must send its only statement before it first waits for an answer;
        what one finds must not be what another needs. None of them may ask for its task, nor set a time limit.

    Returns
    -------
    tuple
        Their results, in order.

    Raises
    ------
    Exception
        That of the first that failed, once all have ended: nothing of them runs on in a transaction that is over.
    """
    return await _Together(work)


class _Together:
    """Steps coroutines in turn; what the first of them waits for is what the task waits for."""

    def __init__(self, work: Sequence[Coroutine[Any, Any, Any]]) -> None:
        self._work = work
        self._found: list[Any] = [None] * len(work)
        self._failed: dict[int, BaseException] = {}
        self._waits: dict[int, asyncio.Future[Any] | None] = {}  # by place; None is one turn of the loop

    def __await__(self) -> Generator[Any, None, tuple[Any, ...]]:
        for place in range(len(self._work)):
            self._step(place)
        stopped: BaseException | None = None
        while self._waits:
            try:
                yield next(iter(self._waits.values()))
            except BaseException as error:  # noqa: BLE001 - thrown in from outside, and raised again below
                stopped = error
                for place in list(self._waits):
                    self._step(place, asyncio.CancelledError())
            else:
                for place, future in list(self._waits.items()):
                    if future is None or future.done():
                        self._step(place)
        if stopped is not None:
            raise stopped
        if self._failed:
            raise self._failed[min(self._failed)]
        return tuple(self._found)

    def _step(self, place: int, error: BaseException | None = None) -> None:
        """Run a coroutine to where it waits next, or to its end."""
        one = self._work[place]
        try:
            waits = one.send(None) if error is None else one.throw(error)
        except StopIteration as ended:
            self._found[place] = ended.value
        except BaseException as failed:  # noqa: BLE001 - told once all have ended
            self._failed[place] = failed
        else:
            self._waits[place] = waits
            return
        self._waits.pop(place, None)
