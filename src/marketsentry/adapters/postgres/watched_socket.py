"""What the event loop knows of a socket that libpq owns."""

import asyncio
from collections.abc import Callable


class WatchedSocket:
    """Calls back when a socket can be read, and while it is wanted when it can be written.

    It remembers the number of the socket, for libpq closes it by itself when a connection is lost. The loop must forget
    such a number, too: it would take the next socket that gets it for one that is watched already, and never hear it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._number: int | None = None
        self.is_full = False  # something waits for room in it

    def watch(self, number: int, on_readable: Callable[[], None]) -> None:
        """Watch a socket until it is forgotten; nothing happens where one is watched."""
        if self._number is None:
            self._number = number
            self._loop.add_reader(number, on_readable)

    def write_later(self, on_writable: Callable[[], None] | None) -> None:
        """Say what to do when the socket has room, or that nothing is left to do."""
        if self._number is None or (on_writable is not None) == self.is_full:
            return
        self.is_full = on_writable is not None
        if on_writable is not None:
            self._loop.add_writer(self._number, on_writable)
        else:
            self._loop.remove_writer(self._number)

    def forget(self) -> None:
        """Watch it no more."""
        if self._number is not None:
            self.write_later(None)
            self._loop.remove_reader(self._number)
            self._number = None
