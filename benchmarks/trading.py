"""The live path on paper: from the close of a bar to committed orders, and from admitted orders to booked fills."""

import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.desk import PER_DAY, SYMBOLS, Desk, make_bars, part, train_on
from benchmarks.machine import commit_floor, load_now
from benchmarks.rows import median
from benchmarks.timing import latency_rows
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.bootstrap import System, open_system
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.orders.order import Side
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.trader_parts import BarStep
from marketsentry.settings import Settings

N_TRAINED = 10 * PER_DAY
N_WARM, N_MEASURED, N_COUNTED = 20, 200, 5
DECISION_BUDGETS_MS = {"p50": 4.0, "p95": 8.0, "p99": 15.0}
EXECUTION_BUDGETS_MS = {"p50": 6.0, "p95": 12.0, "p99": 25.0}
BY = ChangedBy("bench")


def bench_decision_latency() -> list[dict[str, Any]]:
    """A bar of 3 symbols is in the record -> predictions, decision, orders and their admission are committed."""
    return with_system(_decision_latency)


def bench_execution_latency() -> list[dict[str, Any]]:
    """An order is admitted -> its fill is booked, on a paper venue without a delay of its own."""
    return with_system(_execution_latency)


async def _decision_latency(system: System) -> list[dict[str, Any]]:
    bars = make_bars(N_TRAINED + N_WARM + N_MEASURED + N_COUNTED)
    await train_on(system, [part(series, 0, N_TRAINED) for series in bars])
    desk = Desk(system, bars, N_TRAINED)
    await _traded(desk, N_WARM)
    floor, load = await commit_floor(system), load_now()
    found = await _traded(desk, N_MEASURED)
    n_sent = await _statements_of_bar(desk)
    n_orders = median([one.n_orders for one in found])
    notes = (
        f"{len(SYMBOLS)} symbols, {len(BUILTIN.schema.features)} features, default model, {n_orders:.0f} orders a bar "
        f"in the median; bar in the record -> orders committed, in {n_sent} statements; limit is one "
        f"durable commit; {load}"
    )
    return latency_rows(
        "decision-latency",
        [one.seconds for one in found],
        DECISION_BUDGETS_MS,
        main="p50",
        limit_ms=floor.ms,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    seconds: float
    n_orders: int


async def _traded(desk: Desk, n_bars: int) -> list[_Decided]:
    """Trade bars; the seconds end where the executor is handed the orders."""
    found = []
    for _ in range(n_bars):
        await desk.bar_closes()
        started = time.perf_counter()
        step = await desk.trader.tick()
        ended = time.perf_counter()
        if not isinstance(step, BarStep):
            raise RuntimeError(f"the trader waited: {step.reason}")
        found.append(
            _Decided((desk.executor.handed_at if step.orders else ended) - started, len(step.orders))
        )
    return found


async def _statements_of_bar(desk: Desk) -> int:
    """Statements of the next bar that trades, up to the one that hands its orders over."""
    for _ in range(N_COUNTED):
        await desk.bar_closes()
        with sent_statements() as sent:
            desk.executor.statements = sent
            step = await desk.trader.tick()
        if isinstance(step, BarStep) and step.orders:
            return desk.executor.handed_after
    raise RuntimeError(f"none of {N_COUNTED} bars traded")


async def _execution_latency(system: System) -> list[dict[str, Any]]:
    bars = make_bars(2 * PER_DAY)
    async with system.transactions() as stores:
        for series in bars:
            await stores.bars.merge(series)
    desk = Desk(system, bars, 2 * PER_DAY - 1)
    await desk.bar_closes()
    await _executed(system, desk, N_WARM)
    floor, load = await commit_floor(system), load_now()
    samples = await _executed(system, desk, N_MEASURED)
    (order,) = await admitted(system, desk, 1)
    with sent_statements() as sent:
        await desk.executor.settle([order.id], within_s=30.0)
    notes = (
        f"one market order at a time, claimed, sent, filled and booked in {len(sent)} statements, each step durable; "
        f"the paper venue without its usual delay; limit is one durable commit; {load}"
    )
    return latency_rows(
        "execution-latency", samples, EXECUTION_BUDGETS_MS, main="p50", limit_ms=floor.ms, notes=notes
    )


async def _executed(system: System, desk: Desk, n_orders: int) -> list[float]:
    samples = []
    for n in range(n_orders):
        (order,) = await admitted(system, desk, 1, side=Side.SELL if n % 2 else Side.BUY)
        started = time.perf_counter()
        await desk.executor.settle([order.id], within_s=30.0)
        samples.append(time.perf_counter() - started)
    async with system.transactions() as stores:
        last = await stores.orders.get(order.id)
    if not last.filled_qty:
        raise RuntimeError(f"order {last.id} was not filled: {last.status} {last.reject_reason}")
    return samples


async def admitted(
    system: System, desk: Desk, n_orders: int, *, side: Side = Side.BUY, strategy_id: str = "by-hand"
) -> list[StoredOrder]:
    """Enter and admit orders in the first symbol, under one decision."""
    parts = ExecutionParts(desk.admit, desk.executor, system.entropy)
    orders = tuple(
        EnteredOrder(SYMBOLS[0], side, Decimal("0.001"), strategy_id=strategy_id) for _ in range(n_orders)
    )
    entered = await enter_orders(EnterRequest(orders, venue="bench"), parts)
    request = RunRequest(
        entered.decision_id, venue="bench", max_orders=n_orders, style=PlanStyle.MARKET, max_retries=0
    )
    return list(await admit(request, desk.admit, by=BY))


def with_system(
    work: Callable[[System], Coroutine[Any, Any, list[dict[str, Any]]]],
) -> list[dict[str, Any]]:
    """Run a measurement on a system of its own, with its own PostgreSQL."""

    async def run(home: Path) -> list[dict[str, Any]]:
        async with open_system(Settings(home=home)) as system:
            return await work(system)

    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(run(Path(folder)))  # the loop of the roles
