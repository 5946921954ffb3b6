"""A role stops when the program that started it is gone, and does nothing else of it."""

import asyncio
import io
import os
import sys

import pytest

from marketsentry.cli.stopping import stop_event


async def test_the_end_of_stdin_stops_and_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with io.FileIO(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        async with stop_event(watch_stdin=True) as stop:
            os.write(writing, b"x")
            await asyncio.sleep(0)
            assert not stop.is_set()
            os.close(writing)
            async with asyncio.timeout(10):
                await stop.wait()
            assert not asyncio.get_running_loop().remove_reader(reading)
