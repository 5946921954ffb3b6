"""The row `sweep`: many parameter pairs over the same bars, metrics only, through the public `sweep`.

The limit is a hand-fused loop over the pairs that does the least arithmetic for return, Sharpe ratio, drawdown and
count of trades, in parallel on the same cores, in the same run and in turn with ours.
"""

import itertools
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit, prange

from benchmarks.backtest import sma_market, sma_params, sma_signal
from benchmarks.rows import Row, median, spread
from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.sweep import sweep

BARS = 100_000
ENTRIES, FEES = 40, 25
BUDGET, MEMORY_BUDGET_MIB = 200e6, 300.0
ROUNDS = 7

PEAK_OF = """
import sys
from benchmarks.rows import peak_memory_mib
from benchmarks.sweep import market, pairs
from marketsentry.core.backtest.sweep import sweep
panel, scores = market()
sweep(scores, panel, pairs()[: int(sys.argv[1])], n_threads=2)
print(peak_memory_mib())
"""


def bench_sweep() -> list[dict[str, Any]]:
    """Time 1,000 pairs over 100,000 bars, and measure the peak memory with few pairs and with all."""
    panel, scores = market()
    sets = pairs()
    n_threads = len(os.sched_getaffinity(0))
    rules = np.array([[1e-4 * one.entry_threshold_bps, 1e-4 * one.fee_bps + 3e-4] for one in sets])
    out = np.empty((len(sets), 4))
    ours: list[float] = []
    fused: list[float] = []
    rows = sweep(scores, panel, sets, n_threads=n_threads)
    _fused_sweep(panel.values, scores, rules, out)
    np.testing.assert_allclose(rows["pnl_after_cost"], out[:, 0], rtol=1e-8)
    np.testing.assert_array_equal(rows["trades"], out[:, 3])
    busy_s = math.inf
    for _ in range(ROUNDS):
        started, before_s = time.perf_counter(), time.process_time()
        sweep(scores, panel, sets, n_threads=n_threads)
        between, busy_s = time.perf_counter(), min(busy_s, time.process_time() - before_s)
        _fused_sweep(panel.values, scores, rules, out)
        ours.append(between - started)
        fused.append(time.perf_counter() - between)
    cells = len(sets) * BARS
    speeds = [cells / one for one in ours]
    few, many = (_peak_of(n) for n in (100, len(sets)))
    load = f"load of the machine {os.getloadavg()[0]:.1f}"
    return [
        Row(
            name="sweep",
            value=median(speeds),
            unit="pair-bars/s",
            budget=BUDGET,
            limit=median([cells / one for one in fused]),
            better="higher",
            n=ROUNDS,
            spread=spread(speeds),
            notes=f"best {max(speeds) / 1e6:.0f} M; {n_threads} threads; return and trades of every pair equal to "
            f"the fused loop's; by processor time {cells * n_threads / busy_s / 1e6:.0f} M; {load}",
        ).as_dict(),
        Row(
            name="sweep-memory",
            value=many,
            unit="MiB",
            budget=MEMORY_BUDGET_MIB,
            notes=f"peak of a fresh process with {len(sets):,} pairs; with 100 pairs {few:.0f} MiB",
        ).as_dict(),
    ]


def market() -> tuple[Any, Any]:
    """Minute bars and an unbroken score: the side of a moving-average cross times a strength that changes rarely."""
    panel = sma_market(BARS)
    strength = np.repeat(np.random.default_rng(20260103).uniform(0.0, 0.01, BARS // 500), 500)
    return panel, sma_signal(panel) * strength[:, None]


def pairs() -> list[ReplayParams]:
    """1,000 pairs of entry threshold and fee; all in or out, as in `backtest-sma`."""
    base = replace(sma_params(), exit_edge_bps=0.0)
    entries, fees = np.linspace(0.0, 80.0, ENTRIES), np.linspace(0.0, 10.0, FEES)
    return [
        replace(base, entry_edge_bps=float(entry), fee_bps=float(fee))
        for entry, fee in itertools.product(entries, fees)
    ]


def _peak_of(n_pairs: int) -> float:
    """Peak memory of a fresh process that sweeps so many pairs."""
    done = subprocess.run(
        (sys.executable, "-c", PEAK_OF, str(n_pairs)), check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@njit(cache=True, error_model="numpy", parallel=True)
def _fused_sweep(values: Any, scores: Any, rules: Any, out: Any) -> None:
    for p in prange(rules.shape[0]):
        entry, cost = rules[p]
        cash, qty, wanted, n_trades = 100_000.0, 0.0, 0.0, 0
        before = peak = cash
        fall = total = squares = 0.0
        for t in range(values.shape[0]):
            if wanted != qty:
                price = values[t, 0, 0]
                cash -= (wanted - qty) * price + abs(wanted - qty) * price * cost
                n_trades += wanted > 0.0
                qty = wanted
            close = values[t, 0, 3]
            now = cash + qty * close
            ret = now / before - 1.0
            total += ret
            squares += ret * ret
            if now > peak:
                peak = now
            elif now < peak * (1.0 - fall):
                fall = 1.0 - now / peak
            before = now
            score = scores[t, 0]
            if score > entry:
                if qty == 0.0:
                    wanted = now / close
            elif not score > 0.0:
                wanted = 0.0
        n = values.shape[0]
        mean = total / n
        out[p, 0] = before / 100_000.0 - 1.0
        out[p, 1] = mean / np.sqrt((squares - n * mean * mean) / (n - 1))
        out[p, 2] = fall
        out[p, 3] = n_trades
