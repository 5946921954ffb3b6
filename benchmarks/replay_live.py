"""A stored backtest traded again on paper through the whole stack: steps a second, and what it does to memory."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.desk import FIVE_MINUTES, MODEL, PER_DAY, SYMBOLS, SetClock, make_bars, train_on
from benchmarks.machine import commit_floor, load_now
from benchmarks.rows import Row, median, spread
from benchmarks.trading import with_system
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.bootstrap import System
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.trading.parity import Traded
from marketsentry.rehearsal import replayed_trading
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.parity import ReplayedRun, load_run, trade_again

N_DAYS, N_STEPS, N_WARM, N_RUNS = 15, 100, 20, 5
WINDOW = BacktestRequest(track="liquid", lookback_days=14, train_days=7, test_days=2)
DEFAULTS = BacktestDefaults(
    {"liquid": SYMBOLS}, {"liquid": MODEL}, replay={"cost_multiple": 0.05, "rebalance_band_frac": 0.005}
)
STEPS_BUDGET, GROWTH_BUDGET_MIB = 400.0, 16.0


def bench_replay_live() -> list[dict[str, Any]]:
    """Decide, admit, execute and book each 5-minute bar of 3 symbols on paper."""
    return with_system(_replay_live)


async def _replay_live(system: System) -> list[dict[str, Any]]:
    bars = make_bars(N_DAYS * PER_DAY)
    await train_on(system, bars)
    clock = SetClock(ns_to_datetime(int(bars[0].ts_ns[-1]) + FIVE_MINUTES.ns))
    stored = await run_backtest(
        WINDOW,
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=clock,
        defaults=DEFAULTS,
        code_version=system.code_version,
    )
    context = RunContext(system.transactions, system.artifacts, system.clock, system.code_version)
    whole = await load_run(stored.id, context=context, defaults=DEFAULTS)
    await _traded(system, _first_traded(whole, N_WARM))
    floor, load = await commit_floor(system), load_now()
    run = _first_traded(whole, N_STEPS)
    rates, growths, n_fills, n_sent = [], [], 0, 0
    for _ in range(N_RUNS):
        before = _resident_mib()
        started = time.perf_counter()
        with sent_statements() as sent:
            n_fills = await _traded(system, run)
        rates.append(N_STEPS / (time.perf_counter() - started))
        n_sent = len(sent)
        del sent
        growths.append(_resident_mib() - before)
    notes = (
        f"{N_STEPS} bars x {len(SYMBOLS)} symbols a run, {n_fills} fills, "
        f"{n_sent / N_STEPS:.0f} statements a step; limit is one durable commit a step; {load}"
    )
    rows = (
        Row(
            "replay-live",
            median(rates),
            "steps/s",
            STEPS_BUDGET,
            1e3 / floor.ms(0.5),
            better="higher",
            n=N_RUNS,
            spread=spread(rates),
            notes=notes,
        ),
        Row(
            "replay-live-growth", median(growths), "MiB", GROWTH_BUDGET_MIB, n=N_RUNS, notes="resident, a run"
        ),
    )
    return [row.as_dict() for row in rows]


async def _traded(system: System, run: ReplayedRun) -> int:
    async with replayed_trading(system, run.panel.symbols, run.params) as parts:
        report = await trade_again(run, parts)
    return report.parity.n_fills + report.parity.n_only_in_run


def _first_traded(run: ReplayedRun, n_bars: int) -> ReplayedRun:
    """The first bars that have predictions; what the core remembers of those before them is left out."""
    first = int(np.flatnonzero(np.isfinite(run.predictions).any(axis=1))[0])
    rows, told = slice(first, first + n_bars), run.backtest
    return replace(
        run,
        panel=run.panel.window(rows.start, rows.stop),
        predictions=run.predictions[rows],
        trend=run.trend[rows],
        backtest=Traded(told.ts_ns[rows], told.equity[rows], told.weights[rows], told.fills[:0]),
    )


def _resident_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / (1 << 20)
