"""When a long-running verb should stop: on SIGINT, on SIGTERM, or when the program that started it is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def stop_event(*, watch_stdin: bool = False) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set when it is time to stop; a second signal is left to its default, which kills."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    stdin = sys.stdin.fileno() if watch_stdin else -1

    def on_stdin() -> None:
        if not os.read(stdin, 1):
            stop.set()
            loop.remove_reader(stdin)  # its end can be read again and again, and nothing else would run

    if watch_stdin:
        loop.add_reader(stdin, on_stdin)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if watch_stdin:
            loop.remove_reader(stdin)
