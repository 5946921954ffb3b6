"""Listening to streams without waiting longer than it takes."""

import asyncio
import contextlib

import pytest


async def settled(condition, within_s=10.0):
    """Poll until a condition holds, and return what made it hold."""
    async with asyncio.timeout(within_s):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


@pytest.fixture(name="settled")
def settled_fixture():
    """Poll until a condition holds."""
    return settled


@pytest.fixture
async def listening():
    """Keep on watching a stream of the client; the list that comes back grows with each thing seen."""
    tasks = []

    def listen(watch):
        seen = []

        async def follow():
            while True:
                seen.append(await watch())

        tasks.append(asyncio.create_task(follow()))
        return seen

    yield listen
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
