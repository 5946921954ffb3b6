"""Coroutines that run together inside one task: turns, results, failures and cancellation."""

import asyncio
from typing import Any

import pytest

from marketsentry.ports.together import together

Futures = list[asyncio.Future[Any]]


def futures(n: int) -> Futures:
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(n)]


async def answered(told: list[str], name: str, *waits: asyncio.Future[Any]) -> str:
    """Tell each step: at its beginning and after each answer."""
    told.append(f"{name}0")
    for n, wait in enumerate(waits, 1):
        await wait
        told.append(f"{name}{n}")
    return name


async def failing(wait: asyncio.Future[Any], error: Exception) -> None:
    await wait
    raise error


async def test_all_begin_before_any_waits_and_results_keep_their_order() -> None:
    a, b = futures(2)
    told: list[str] = []
    running = asyncio.create_task(together(answered(told, "a", a), answered(told, "b", b)))
    await asyncio.sleep(0)
    assert told == ["a0", "b0"]
    b.set_result(None)
    a.set_result(None)
    assert await running == ("a", "b")


async def test_what_is_answered_at_once_goes_on_at_once() -> None:
    a, b, more_a, more_b = futures(4)
    told: list[str] = []
    running = asyncio.create_task(
        together(answered(told, "a", a, more_a), together(answered(told, "b", b, more_b)))
    )
    await asyncio.sleep(0)
    a.set_result(None)
    b.set_result(None)
    await asyncio.sleep(0)
    assert told == ["a0", "b0", "a1", "b1"]
    more_a.set_result(None)
    more_b.set_result(None)
    assert await running == ("a", ("b",))


async def test_what_never_waits_is_done_at_once() -> None:
    told: list[str] = []
    assert await together(answered(told, "a"), answered(told, "b")) == ("a", "b")
    assert await together() == ()


async def test_a_turn_of_the_loop_is_a_wait_too() -> None:
    async def turn(n: int) -> int:
        await asyncio.sleep(0)
        return n

    (wait,) = futures(1)
    asyncio.get_running_loop().call_later(0.01, wait.set_result, None)
    assert await together(turn(1), asyncio.wait_for(wait, None), turn(2)) == (1, None, 2)


async def test_the_first_failure_by_place_is_told_once_all_have_ended() -> None:
    a, b, c = futures(3)
    told: list[str] = []
    running = asyncio.create_task(
        together(answered(told, "a", a), failing(b, KeyError("b")), failing(c, ValueError("c")))
    )
    await asyncio.sleep(0)
    for one in (c, b, a):
        one.set_result(None)
    with pytest.raises(KeyError, match="b"):
        await running
    assert told == ["a0", "a1"]


async def test_a_cancellation_ends_all_of_them() -> None:
    a, b = futures(2)
    ended: list[str] = []

    async def tidied(name: str, wait: asyncio.Future[Any]) -> None:
        try:
            await wait
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    running = asyncio.create_task(together(tidied("a", a), tidied("b", b)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ended) == ["a", "b"]
    assert running.cancelled()


async def test_it_is_awaited_within_a_time_limit() -> None:
    (never,) = futures(1)
    told: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await together(answered(told, "a"), answered(told, "b", never))
    assert told == ["a0", "b0"]
