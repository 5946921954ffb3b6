"""What one run stands on: time, the record, the venue, and processes of real services that may die."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from marketsentry.core.risk.limits import BreakerLimits, RiskLimits
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.venue import Venue
from marketsentry.services.execution import (
    ExecutionParts,
)
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.risk import RiskParts
from simulation.chance import Chance
from simulation.desk import Desk
from simulation.exchange import Exchange
from simulation.loop import VirtualClock, VirtualLoop
from simulation.network import Lines, VenueLine
from simulation.process import CURRENT, Process
from simulation.record import Record

BY = ChangedBy("simulation")
TRACK = "liquid"
STRATEGIES = ("s1", "s2")
CASH = Decimal(1_000_000)
_WIDE = 1e6
LIMITS = RiskLimits(
    max_single_weight=_WIDE,
    max_gross_exposure=_WIDE,
    max_turnover=_WIDE,
    max_drawdown=_WIDE,
    max_sector_exposure=_WIDE,
    max_style_exposure=_WIDE,
    max_daily_loss=_WIDE,
    max_consecutive_losses=1_000_000,
    breaker=BreakerLimits(max_abs_return=0.0, max_price_age_s=_WIDE),
)
_ADMITTED = """
SELECT o.id FROM orders_sim AS o
WHERE NOT o.reduce_only AND (%(scope)s = 'global' OR o.strategy_id = %(scope)s)
  AND EXISTS (SELECT FROM order_events AS e WHERE e.order_id = o.id AND e.kind = 'admitted')
"""


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug to plant: what it does to the venue and to the record of a process."""

    name: str
    venue: Callable[[Venue, "World"], Venue] = lambda line, world: line
    transactions: Callable[[Transactions, "World"], Transactions] = lambda record, world: record


@dataclass(slots=True)
class Blocked:
    """A time in which nothing may be opened: from the return of a trigger to the call that resets it."""

    scope: str
    before: frozenset[int]
    after: frozenset[int] | None = None


@dataclass(eq=False)
class Running:
    """A process with its services."""

    process: Process
    parts: ExecutionParts
    transactions: Transactions


@dataclass
class World:
    """Everything of one run."""

    seed: int
    loop: VirtualLoop
    desk: Desk
    record_clock: VirtualClock
    bug: Bug | None = None
    record_is_away: bool = False
    venue_is_away: bool = False
    trace: list[str] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)  # orders by the key of the client
    counts: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    _n_started: int = 0

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.rates = self.chance.rates()
        self.clock = VirtualClock(self.loop)
        true_clock = VirtualClock(self.loop)
        self.exchange = Exchange(self.loop, true_clock, self.chance, CASH * len(STRATEGIES))

    def note(self, what: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{self.loop.time():10.4f}  {what}")

    def log(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """Keep what the services log, as a processor of structlog."""
        what = event.pop("event")
        self.note(" ".join([f"log: {what}", *(f"{k}={v}" for k, v in event.items())]))
        if method in ("exception", "critical") or what == "venue_differs":
            self.surprises.append(self.trace[-1])
        raise structlog.DropEvent

    def start_process(self, *, is_mortal: bool = True) -> Running:
        """Start a process; it claims what is open, as after a crash."""
        self._n_started += 1
        draw = self.chance.of("fuse")
        every = self.rates.crash_every
        fuse = round(draw.expovariate(1 / every)) + 1 if is_mortal and every != float("inf") else None
        process = Process(f"process-{self._n_started}", self, fuse)
        transactions: Transactions = Record(self.desk, process, self.chance, self.rates)
        line: Venue = VenueLine(self.exchange, process, self.chance, self.rates, self.clock)
        if self.bug is not None:
            transactions = self.bug.transactions(transactions, self)
            line = self.bug.venue(line, self)
        venues = Lines(line)

        async def sleep(seconds: float) -> None:
            process.step("sleep")
            await asyncio.sleep(seconds)
            process.step("wake")

        drive = DriveParts(transactions, venues, self.clock, sleep)
        executor = Executor(drive, owner=process.name)
        admit = AdmitParts(
            transactions,
            self.clock,
            RiskParts(transactions, LIMITS, self.clock),
            venues,
            Decimal(0),
            _all_of_it,
            executor.holder,
        )
        numbers = self.chance.of("entropy")
        started = Running(process, ExecutionParts(admit, executor, numbers.randbytes), transactions)
        self.running.append(started)
        self.note(f"{process.name} started")
        self._spawn(process, executor.run(asyncio.Event()))
        return started

    async def within(self, running: Running, work: Awaitable[Any]) -> Any:
        """Do something in a process on behalf of a client; `CancelledError` becomes `DiedError` where it dies."""
        task = self._spawn(running.process, work)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise DiedError(running.process.name)
        return task.result()

    def admitted(self, scope: str) -> frozenset[int]:
        """The openings of a scope that were admitted so far, by a look that takes no time."""
        rows = self.desk.monitor.execute(_ADMITTED, {"scope": scope}).fetchall()
        return frozenset(row[0] for row in rows)

    def _spawn(self, process: Process, work: Awaitable[Any]) -> asyncio.Task[Any]:
        token = CURRENT.set(process)
        try:
            return asyncio.ensure_future(work)
        finally:
            CURRENT.reset(token)


class DiedError(Exception):
    """The process that was asked has died."""


async def _all_of_it(stores: Stores, *, track: str, is_live: bool) -> int:
    return 100
