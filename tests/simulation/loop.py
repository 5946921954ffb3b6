"""An event loop whose time is virtual: it never waits, it moves its clock to the next timer.

Everything that runs on it is a task, a timer, or a call that blocks until it is done (a statement of PostgreSQL), so
that one seed gives one schedule.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class NothingToDoError(Exception):
    """Every task waits for something that nobody will do."""


class _Timers(selectors.SelectSelector):
    """Passes the time that the loop would wait."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingToDoError("all tasks wait and no timer is set")
        self.now_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which an hour is over as soon as nothing is left to do in it; threads run inline."""

    def __init__(self) -> None:
        self._timers = _Timers()
        super().__init__(self._timers)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._timers.now_s

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        """Watch nothing: what PostgreSQL answers is read when its message has arrived."""

    def remove_reader(self, fd: Any) -> bool:
        """Watch nothing."""
        return True

    def run_in_executor(  # type: ignore[override]  # the result is there at once
        self, executor: Pool | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it now."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            done.set_exception(error)
        return done


class VirtualClock:
    """The port `Clock` on the time of a loop; it may be set wrong, by `off_s`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.off_s = 0.0

    def now(self) -> datetime:
        """Return the present as an aware time in UTC."""
        return START + timedelta(seconds=self._loop.time() + self.off_s)
