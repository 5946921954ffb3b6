"""Connections of the product to a real PostgreSQL, on virtual time: messages that are late, and lost on either way.

What a transaction sends is a message. It arrives at once or after a while, and PostgreSQL has done it before the loop
goes on, unless it waits for a lock that another transaction holds: then its task waits for the end of that one, and
the others go on. So the locks are PostgreSQL's own, and the schedule is still that of the seed.

A message that has left arrives, whether or not its sender still lives.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import psycopg

from marketsentry.adapters.postgres.pipelined import PipelinedConnection, PipelinedStatements


class Line(Protocol):
    """What lies between a process and the record."""

    @property
    def is_alive(self) -> bool:
        """Whether the process that speaks still lives."""
        ...

    def delay_s(self) -> float:
        """Draw how long the next message is under way."""
        ...

    def is_heard(self, *, is_last: bool) -> bool:
        """Let a message leave, and draw whether its answer comes back.

        Raises `OperationalError` where the message is lost, and `CancelledError` where the process dies before it.
        """
        ...


class Server(Protocol):
    """PostgreSQL as those see it who speak to it."""

    def tell_time(self) -> None:
        """Set its clock."""
        ...

    def has_answer(self, connection: "Connection") -> bool:
        """Wait for real until there is something to read, or say that it waits for another transaction."""
        ...

    def wait_until_rested(self, statements: "Messages") -> None:
        """Wait for real until a message is done or waits for a lock, and let those go on that it kept from it."""
        ...

    def waits(self, statements: "Messages") -> bool:
        """Whether a message waits for a lock."""
        ...

    def give_back(self, connection: "Connection") -> None:
        """Take a connection without a transaction for the next one."""
        ...

    def undo(self, connection: "Connection") -> None:
        """Undo what a connection had begun that nobody uses any more, and take it for the next one."""
        ...

    def throw_away(self, connection: "Connection") -> None:
        """Close a connection, and wait for real until the server has undone what it had begun."""
        ...


class Connection(PipelinedConnection):
    """A connection whose transactions are messages on a line."""

    line: Line
    server: Server

    def statements(self) -> "Messages":
        """Make the statements of a transaction that begins."""
        return Messages(self, self.line, self.server)


class Messages(PipelinedStatements):
    """Statements as the product sends them, over a line that delays and loses."""

    def __init__(self, connection: Connection, line: Line, server: Server) -> None:
        super().__init__(connection)
        self.connection, self._line, self._desk = connection, line, server
        self._is_last = self._is_left = self._is_over = False
        self._under_way: list[Any] = []
        self._unheard: deque[Any] | None = None

    async def commit(self) -> None:
        """End the transaction."""
        self._is_last = True
        await super().commit()

    async def give_up(self, *, is_waited_for: bool) -> None:
        """Undo all; for who is dead, the server does it."""
        if self._line.is_alive:
            await super().give_up(is_waited_for=is_waited_for)
            return
        self._kept.clear()
        if self._is_sent():
            await self._close()

    def leave(self) -> None:
        """Leave the pipeline; what is still under way arrives without us."""
        if not (self._is_left or self._is_over):
            super().leave()
            self._desk.give_back(self.connection)

    def go_on(self) -> bool:
        """Take the answer; False while PostgreSQL waits for a lock."""
        sent_later = [self._asked.pop() for _ in self._under_way]
        try:
            while self._asked:
                if not self._desk.has_answer(self.connection):
                    return False
                self._read()
        finally:
            self._asked.extend(reversed(sent_later))
        if self._is_left:
            self._end_there()
        elif self._unheard is not None:
            self._unheard.extend(self._asked)
            self._asked, self._unheard, self._error = self._unheard, None, None
            self._lose(psycopg.OperationalError("the connection was lost"))
        return True

    def _transmit(self, message: Sequence[Any]) -> None:
        """Let a message leave; more that is sent until it arrives travels with it."""
        if self._is_lost:
            return
        if not self._under_way:
            if delay_s := self._line.delay_s():
                self._loop.call_later(delay_s, self._arrive)
            else:
                self._loop.call_soon(self._arrive)
        self._under_way.extend(message)

    def _arrive(self) -> None:
        message, self._under_way = self._under_way, []
        if self._is_over or self._is_lost:
            return
        if not self._is_left:
            try:
                is_heard = self._line.is_heard(is_last=self._is_last)
            except psycopg.OperationalError as error:
                self._lose(error)
                return
            except asyncio.CancelledError:
                self._is_lost = True  # the tasks of the process have been told
                return
            if not is_heard and self._unheard is None:
                self._unheard = self._asked
                self._asked = deque(replace(one, waiter=None, when_fine=None) for one in self._unheard)
        self._desk.tell_time()
        super()._transmit(message)
        while self._socket.is_full:
            self._push()
        self._desk.wait_until_rested(self)

    async def _close(self) -> None:
        self._socket.forget()
        waits = self._desk.waits(self)
        if self._is_lost and waits:
            self._is_over = True
            self._desk.throw_away(self.connection)
            return
        self._is_left = not self._is_lost and (waits or bool(self._under_way))
        if not self._is_left:
            self._end_there()

    def _end_there(self) -> None:
        self._is_over = True
        self._desk.undo(self.connection)
