"""The real record of one process on virtual time: each message is a step of it, and may be lost with its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from marketsentry.adapters.postgres.database import translated_errors
from marketsentry.adapters.postgres.stores import PostgresStores
from marketsentry.ports import Stores
from simulation.chance import Chance, Rates
from simulation.desk import Desk
from simulation.process import Process


@dataclass(frozen=True, slots=True)
class Record:
    """`Transactions` of one process."""

    desk: Desk
    process: Process
    chance: Chance
    rates: Rates

    def __call__(self) -> Any:
        """Open a transaction."""
        return self._opened()

    @property
    def is_alive(self) -> bool:
        """Whether the process still lives."""
        return self.process.is_alive

    def delay_s(self) -> float:
        """Draw how long a message is under way."""
        draw = self.chance.of("pace")
        if draw.random() < self.rates.slow:
            return draw.choice((0.0, 0.0005, 0.005, 0.05, 0.3))
        return 0.0

    def is_heard(self, *, is_last: bool) -> bool:
        """Let a message leave, and draw whether its answer comes back."""
        self.process.step("message")
        self._refuse_while_away()
        what, rate = ("commit", self.rates.commit) if is_last else ("message", self.rates.message)
        if self.chance.happens(f"record: {what} lost", rate / 2):
            raise psycopg.OperationalError("the connection was lost")
        return not self.chance.happens(f"record: answer to a {what} lost", rate / 2)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Stores]:
        with translated_errors():
            await self._stall()
            await self._pause("begin")
            self._refuse_while_away()
            async with self.desk.take(self).sent_ahead() as statements:
                yield PostgresStores(statements)
            await self._pause("end")
            await self._stall()

    async def _stall(self) -> None:
        """Stand still, as a machine does that is suspended: leases end, and others take over."""
        if self.chance.happens("process: stalled", self.rates.stall):
            await asyncio.sleep(self.chance.of("stall").choice((12.0, 35.0, 50.0)))
            self.process.step("woke up")

    def _refuse_while_away(self) -> None:
        if self.process.world.record_is_away:
            self.chance.faults["record: away"] += 1
            raise psycopg.OperationalError("connection refused")

    async def _pause(self, what: str) -> None:
        self.process.step(what)
        if delay_s := self.delay_s():
            await asyncio.sleep(delay_s)
            self.process.step(what)
