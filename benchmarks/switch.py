"""The kill switch under fire: what is admitted after it was pulled, and how long pulling it takes."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from benchmarks.desk import PER_DAY, SYMBOLS, Desk, make_bars
from benchmarks.machine import commit_floor, load_now
from benchmarks.rows import Row, percentile
from benchmarks.trading import BY, with_system
from marketsentry.adapters.postgres.database import Database
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import OrderStatus, Side
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.exceptions import DependencyError, LockedError
from marketsentry.ports.orders import NewOrder, OrderFilter
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch

N_RUNS, N_ATTEMPTS, N_STRATEGIES = 5, 2_000, 5
FIRST_TRIGGER_AFTER = 20  # admissions
TRIGGER_BUDGET_MS = 10.0
_PAGE = 500
_PRICE = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Pulled:
    """A switch that was pulled: how long it took, and when the call had returned."""

    strategy_id: str
    seconds: float
    returned_at: datetime


def bench_kill_switch() -> list[dict[str, Any]]:
    """2,000 openings ask to be admitted at once; meanwhile the switches of their five strategies are pulled."""
    return with_system(_kill_switch)


async def _kill_switch(system: System) -> list[dict[str, Any]]:
    bars = make_bars(2 * PER_DAY)
    async with system.transactions() as stores:
        for series in bars:
            await stores.bars.merge(series)
    desk = Desk(system, bars, 2 * PER_DAY - 1)
    await desk.bar_closes()
    floor, load = await commit_floor(system), load_now()
    late, seconds, n_admitted = 0, [], 0
    async with Database(system.engines.database_url) as beside:
        for run in range(N_RUNS):
            decisions = await _entered(system, run)
            admitted = asyncio.Event()
            pulling = asyncio.create_task(_pull_each(beside, run, admitted))
            outcomes = await asyncio.gather(
                *(_attempt(one, desk, admitted, n) for n, one in enumerate(decisions))
            )
            n_admitted += sum(outcomes)
            for pulled in await pulling:
                seconds.append(pulled.seconds)
                late += await _admitted_after(system, pulled)
    notes = (
        f"{N_RUNS} x {N_ATTEMPTS:,} admissions at once, {n_admitted} admitted before their switch; the switches of "
        f"{N_STRATEGIES} strategies a run, pulled from connections of their own; {load}"
    )
    rows = (
        Row("kill-switch", late, "openings", 0.0, n=N_RUNS, spread=None, notes=notes),
        Row(
            "kill-switch-trigger-p99",
            1e3 * percentile(seconds, 0.99),
            "ms",
            TRIGGER_BUDGET_MS,
            floor.ms(0.99),
            n=len(seconds),
            notes="limit is one durable commit",
        ),
        Row(
            "kill-switch-trigger-p50",
            1e3 * percentile(seconds, 0.5),
            "ms",
            None,
            floor.ms(0.5),
            n=len(seconds),
        ),
    )
    return [row.as_dict() for row in rows]


def _strategy(run: int, n: int) -> str:
    return f"run-{run}-{n % N_STRATEGIES}"


async def _entered(system: System, run: int) -> list[str]:
    """Store one order a decision."""
    ids = [f"bench-{run}-{n}" for n in range(N_ATTEMPTS)]
    async with system.database.connection() as connection:
        await connection.execute(
            "INSERT INTO decisions (decision_id, track, strategy_id, source, as_of, is_approved)"
            " SELECT decision_id, 'liquid', strategy_id, 'orders', now(), true"
            " FROM unnest(%s::text[], %s::text[]) AS given (decision_id, strategy_id)",
            (ids, [_strategy(run, n) for n in range(N_ATTEMPTS)]),
        )
    async with system.transactions() as stores:
        await stores.orders.add(
            [
                NewOrder(
                    decision_id=decision_id,
                    target=SYMBOLS[0],
                    track="liquid",
                    side=Side.BUY,
                    quantity=Decimal("0.001"),
                    base_quantity=Decimal("0.001"),
                    notional=None,
                    est_price=_PRICE,  # an open order without one would stop every other
                    status=OrderStatus.SUBMITTED,
                    adapter="paper",
                    venue="bench",
                    strategy_id=_strategy(run, n),
                )
                for n, decision_id in enumerate(ids)
            ]
        )
    return ids


async def _attempt(decision_id: str, desk: Desk, admitted: asyncio.Event, n: int) -> int:
    request = RunRequest(decision_id, venue="bench", max_orders=1, style=PlanStyle.MARKET)
    try:
        found = await admit(request, desk.admit, by=BY)
    except (LockedError, DependencyError):  # its switch was pulled, or no connection came free in time
        return 0
    if n >= FIRST_TRIGGER_AFTER:
        admitted.set()
    return len(found)


async def _pull_each(beside: Database, run: int, admitted: asyncio.Event) -> list[_Pulled]:
    """Pull the switch of one strategy after the other, once openings are being admitted."""
    await admitted.wait()
    found = []
    for n in range(N_STRATEGIES):
        wanted = ManualTrigger("liquid", _strategy(run, n), reason="bench")
        started = time.perf_counter()
        await trigger_switch(wanted, by=BY, transactions=beside.transactions)
        found.append(_Pulled(_strategy(run, n), time.perf_counter() - started, datetime.now(UTC)))
    return found


async def _admitted_after(system: System, pulled: _Pulled) -> int:
    """Openings whose admission PostgreSQL wrote after the call had returned, by the clock of this machine."""
    wanted = OrderFilter(statuses=(OrderStatus.EXECUTING,), strategy_id=pulled.strategy_id)
    async with system.transactions() as stores:
        found = await stores.orders.page(wanted, before_id=None, limit=_PAGE)
    return sum(one.updated_at > pulled.returned_at for one in found)
