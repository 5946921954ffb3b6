"""A data directory held open on a loop of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from marketsentry.bootstrap import System, open_system
from marketsentry.exceptions import ConflictError
from marketsentry.research.loop import LoopThread
from marketsentry.settings import Settings

T = TypeVar("T")


class OpenedHome:
    """Opens the system of some settings; one task of the loop holds it until `close`."""

    def __init__(self, settings: Settings) -> None:
        self._thread = LoopThread()
        self._stop = asyncio.Event()
        try:
            self._system = self._thread.run(self._open(settings))
        except BaseException:
            self._thread.close()
            raise
        self._is_open = True

    @property
    def system(self) -> System:
        """The running parts; raises `ConflictError` once closed."""
        if not self._is_open:
            raise ConflictError("the session is closed")
        return self._system

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return self._thread.run(coroutine)

    def close(self) -> None:
        """Stop the engines; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._thread.run(self._close())
        finally:
            self._thread.close()

    async def _open(self, settings: Settings) -> System:
        opened: asyncio.Future[System] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with open_system(settings) as system:
                opened.set_result(system)
                await self._stop.wait()

        self._holder = asyncio.create_task(hold())
        waited: set[asyncio.Future[Any]] = {self._holder, opened}  # Any: a task and what it opens
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            await self._holder
        return opened.result()

    async def _close(self) -> None:
        self._stop.set()
        await self._holder
