"""Tasks that are told to end, also those that do not hear it at first."""

import asyncio

from marketsentry.ports.ending import end


async def test_tasks_are_over_afterwards() -> None:
    async def fails() -> None:
        raise ValueError("its own business")

    waiting, failing = asyncio.create_task(asyncio.sleep(60)), asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end([waiting, failing])
    assert waiting.cancelled()
    assert failing.done()
    await end([])


async def test_a_cancellation_that_was_dropped_is_said_again() -> None:
    dropped = 0

    async def deaf() -> None:
        nonlocal dropped
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                dropped += 1
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await end([task], again_s=0.01)
    assert (dropped, task.cancelled()) == (2, True)


async def test_what_tidies_up_is_let_do_so() -> None:
    tidied = False

    async def tidy() -> None:
        nonlocal tidied
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            tidied = True

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await end([task])
    assert tidied


async def test_a_cancellation_that_meets_an_answer_ends_the_task_all_the_same() -> None:
    """`asyncio.wait_for` drops it before Python 3.12: the task goes on until it is told again."""
    heard = asyncio.Event()

    async def waits() -> None:
        await asyncio.wait_for(heard.wait(), 60)
        await asyncio.sleep(60)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    heard.set()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end([task], again_s=0.01)
    assert task.cancelled()
