"""The decision core: `backtest-sma`, `backtest-core` and `compile`.

Both speeds are of the public `replay` on one core, import and compilation apart. The limit of each is a hand-fused
loop that does the least arithmetic for the same outputs, measured in the same run and in turn with ours, so
that a noisy machine disturbs both alike.
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.peers.found import peer_value
from benchmarks.rows import Row, median, spread
from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.replay import ReplayResult, replay
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.risk.profiles import Profile

SMA_BARS = 1_000_000
SMA_BUDGET, SMA_FAST, SMA_SLOW = 70e6, 10, 50
CORE_BARS, CORE_TARGETS = 60_000, 12
CORE_BUDGET, CORE_MEMORY_BUDGET = 15e6, 4.0
COMPILE_BUDGET_S = {"after-install": 12.0, "later": 2.0}
ROUNDS = 9

FIRST_RESULT = """
from benchmarks.backtest import sma_market, sma_params, sma_signal
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
panel = sma_market(50_000)
signal = sma_signal(panel)
metrics = summarise(replay(signal, panel, sma_params()), signal, panel)
assert metrics["trades"] > 100
"""


def bench_backtest_sma() -> list[dict[str, Any]]:
    """Time the SMA cross of one target: signal, replay, equity curve and trades."""
    panel, params = sma_market(SMA_BARS), sma_params()
    ours, fused = _in_turn(lambda: replay(sma_signal(panel), panel, params), lambda: fused_sma(panel.values))
    result = replay(sma_signal(panel), panel, params)
    n_trades, equity = fused_sma(panel.values)
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9)
    np.testing.assert_equal(np.count_nonzero(result.trades["exit_bar"] >= 0), n_trades)
    speeds = [SMA_BARS / one for one in ours]
    row = Row(
        name="backtest-sma",
        value=median(speeds),
        unit="bars/s",
        budget=SMA_BUDGET,
        limit=median([SMA_BARS / one for one in fused]),
        peer=peer_value("vectorbt_sma"),
        better="higher",
        n=ROUNDS,
        spread=spread(speeds),
        notes=f"best {max(speeds) / 1e6:.0f} M bars/s; {len(result.trades):,} trades; equity and their count "
        f"equal to the fused loop's; load of the machine {os.getloadavg()[0]:.1f}",
    )
    return [row.as_dict()]


def bench_backtest_core() -> list[dict[str, Any]]:
    """Time the full chain on stored predictions, and measure what memory it takes."""
    panel, predictions = core_market()
    params = core_params()
    profiles = [
        Profile("crypto" if n < 6 else "equity", "core", ("trend", "event")[n % 2])
        for n in range(CORE_TARGETS)
    ]

    def work() -> ReplayResult:
        return replay(predictions, panel, params, profiles=profiles)

    ours, fused = _in_turn(work, lambda: fused_core(predictions, panel.values))
    cells = CORE_BARS * CORE_TARGETS
    speeds = [cells / one for one in ours]
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    inputs = predictions.nbytes + panel.values.nbytes + panel.state.nbytes + panel.ts_ns.nbytes
    rows = (
        Row(
            name="backtest-core",
            value=median(speeds),
            unit="target-bars/s",
            budget=CORE_BUDGET,
            limit=median([cells / one for one in fused]),
            better="higher",
            n=ROUNDS,
            spread=spread(speeds),
            notes=f"best {max(speeds) / 1e6:.1f} M; {len(result.fills):,} fills; load {os.getloadavg()[0]:.1f}",
        ),
        Row(
            name="backtest-core-memory",
            value=(inputs + peak) / inputs,
            unit="x inputs",
            budget=CORE_MEMORY_BUDGET,
            notes=f"inputs {inputs >> 20} MiB and what the replay allocates at its peak, {peak >> 20} MiB",
        ),
    )
    return [row.as_dict() for row in rows]


def bench_compile() -> list[dict[str, Any]]:
    """Time a fresh process to its first backtest result, with an empty kernel cache and with a full one."""
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        first, first_cpu_s = _first_results([Path(cache) / str(k) for k in range(3)])
        later, later_cpu_s = _first_results([Path(cache) / "0"] * 5)
    for name, samples, cpu_s in (("after-install", first, first_cpu_s), ("later", later, later_cpu_s)):
        row = Row(
            name=f"compile-{name}",
            value=median(samples),
            unit="s",
            budget=COMPILE_BUDGET_S[name],
            n=len(samples),
            spread=spread(samples),
            notes=f"best {min(samples):.2f} s, processor {cpu_s / len(samples):.2f} s; load {os.getloadavg()[0]:.1f}",
        )
        rows.append(row.as_dict())
    return rows


def sma_market(n_bars: int) -> BarPanel:
    """Make a seeded random walk of one-minute bars; the open is the close before."""
    rng = np.random.default_rng(20260101)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, n_bars)))
    return _panel(close[:, None], volume=1e9, interval="1m")


def sma_params() -> ReplayParams:
    """All in or out on a signal of +-1, 5 + 3 bps, no impact; sizing and limits switched off."""
    return params_for(
        parse_interval("1m"),
        1,
        impact_coefficient=0.0,
        participation_frac=math.inf,
        cost_multiple=0.0,
        entry_edge_bps=5_000.0,
        exit_edge_bps=5_000.0,
        allow_short=False,
        position_volatility_frac=None,
        taper_start_frac=1.0,
        taper_stop_frac=2.0,
        max_single_weight=1.0,
        max_turnover=4.0,
        rebalance_band_frac=0.5,
    )


def sma_signal(panel: BarPanel) -> NDArray[np.float64]:
    """+1 while the fast average is above the slow one, -1 below, NaN before there are enough bars."""
    signal = np.empty((panel.n_bars, 1))
    _sma_cross(panel.values, SMA_FAST, SMA_SLOW, signal)
    return signal


def core_market() -> tuple[BarPanel, NDArray[np.float64]]:
    """Make hours of twelve targets with holes, and forecasts that drift slowly, as those of a model do."""
    rng = np.random.default_rng(20260102)
    shape = (CORE_BARS, CORE_TARGETS)
    panel = _panel(
        100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, shape), axis=0)), volume=3e5, interval="1h"
    )
    panel.values[rng.random(shape) < 0.002] = np.nan
    shocks = rng.normal(0.0, 1.0, shape)
    predictions = np.empty(shape)
    predictions[0] = shocks[0]
    for t in range(1, CORE_BARS):
        predictions[t] = 0.95 * predictions[t - 1] + math.sqrt(1 - 0.95**2) * shocks[t]
    return panel, 0.0016 * predictions


def core_params() -> ReplayParams:
    """Give the defaults, with conviction and a horizon of four hours: every rule of the chain is at work."""
    return params_for(parse_interval("1h"), 4, full_conviction_sigmas=0.2)


def fused_sma(values: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """Run the limit of `backtest-sma`: the same equity, weights and trades, and nothing else.

    It makes the signal in the same pass and reads the bars once; the public way stores the signal and reads them twice.
    """
    equity, weights, trades = np.empty(len(values)), np.empty(len(values)), np.empty((len(values) // 16, 5))
    return _fused_sma(values, SMA_FAST, SMA_SLOW, 100_000.0, 8e-4, equity, weights, trades), equity


def fused_core(predictions: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Run the limit of `backtest-core`."""
    equity, weights = np.empty(len(values)), np.empty(predictions.shape)
    _fused_core(predictions, values, np.zeros((7, predictions.shape[1])), equity, weights)
    return equity


def _panel(close: NDArray[np.float64], *, volume: float, interval: str) -> BarPanel:
    step = parse_interval(interval)
    n_bars, n_targets = close.shape
    values = np.empty((n_bars, n_targets, 5))
    values[:, :, 1:4] = close[:, :, None]
    values[:, :, 0] = np.vstack((close[:1], close[:-1]))
    values[:, :, 4] = volume
    ts_ns = np.arange(n_bars, dtype=np.int64) * step.ns
    symbols = tuple(f"S{n}" for n in range(n_targets))
    state = np.zeros(close.shape, dtype=np.uint8)
    return BarPanel(symbols, step, ("synthetic",) * n_targets, ts_ns, values, state)


def _in_turn(ours: Callable[[], object], limit: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Time two pieces of work by turns, in processor seconds, after one unmeasured round that compiles.

    Both are one thread without I/O, so on an idle machine these are wall seconds; on a busy one they leave out the
    time in which others ran.
    """
    samples: tuple[list[float], list[float]] = ([], [])
    for k in range(ROUNDS + 1):
        for times, work in zip(samples, (ours, limit), strict=True):
            started = time.process_time()
            work()
            if k:
                times.append(time.process_time() - started)
    return samples


def _first_results(caches: Sequence[Path]) -> tuple[list[float], float]:
    """Run a fresh process per cache folder; gives wall seconds of each and processor seconds of all."""
    samples = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for cache in caches:
        started = time.perf_counter()
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
        subprocess.run((sys.executable, "-c", FIRST_RESULT), env=environment, check=True)
        samples.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return samples, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@njit(cache=True, error_model="numpy")
def _sma_cross(values: Any, fast: int, slow: int, signal: Any) -> None:
    fast_sum = slow_sum = 0.0
    for t in range(values.shape[0]):
        close = values[t, 0, 3]
        fast_sum += close
        slow_sum += close
        if t >= fast:
            fast_sum -= values[t - fast, 0, 3]
        if t >= slow:
            slow_sum -= values[t - slow, 0, 3]
        if t < slow - 1:
            signal[t, 0] = np.nan
        else:
            signal[t, 0] = 1.0 if fast_sum * slow > slow_sum * fast else -1.0


@njit(cache=True, error_model="numpy")
def _fused_sma(
    values: Any, fast: int, slow: int, capital: float, cost: float, equity: Any, weights: Any, trades: Any
) -> int:
    fast_sum = slow_sum = 0.0
    cash, qty, wanted_qty, n_trades = capital, 0.0, 0.0, 0
    for t in range(values.shape[0]):
        close = values[t, 0, 3]
        if wanted_qty != qty:
            price = values[t, 0, 0]
            cash -= (wanted_qty - qty) * price + abs(wanted_qty - qty) * price * cost
            if wanted_qty > 0.0:
                trades[n_trades, 0], trades[n_trades, 1], trades[n_trades, 2] = t, wanted_qty, price
            else:
                trades[n_trades, 3], trades[n_trades, 4] = t, price
                n_trades += 1
            qty = wanted_qty
        fast_sum += close
        slow_sum += close
        if t >= fast:
            fast_sum -= values[t - fast, 0, 3]
        if t >= slow:
            slow_sum -= values[t - slow, 0, 3]
        equity[t] = cash + qty * close
        weights[t] = qty * close / equity[t]
        if t >= slow - 1:
            if fast_sum * slow > slow_sum * fast:
                if qty == 0.0:
                    wanted_qty = equity[t] / close
            else:
                wanted_qty = 0.0
    return n_trades


@njit(cache=True, error_model="numpy")
def _fused_core(predictions: Any, values: Any, book: Any, equity: Any, weights: Any) -> None:
    cash, peak = 100_000.0, 100_000.0
    n_targets = predictions.shape[1]
    qty, wanted, mark, variance, weight, side, cost = book
    for t in range(predictions.shape[0]):
        now = cash
        for n in range(n_targets):
            if wanted[n] != qty[n] and values[t, n, 4] > 0.0:
                delta = min(abs(wanted[n] - qty[n]), 0.1 * values[t, n, 4])
                impact = math.sqrt(variance[n] * delta / values[t, n, 4])
                signed = delta if wanted[n] > qty[n] else -delta
                paid = delta * values[t, n, 0] * (8e-4 + impact)
                cash -= signed * values[t, n, 0] + paid
                now -= signed * values[t, n, 0] + paid
                cost[n] += paid
                qty[n] += signed
            close = values[t, n, 3]
            if close > 0.0:
                if mark[n] > 0.0:
                    change = close / mark[n] - 1.0
                    variance[n] += 0.0143 * (change * change - variance[n])
                mark[n] = close
            now += qty[n] * mark[n]
        equity[t] = now
        peak = max(peak, now)
        gross = 0.0
        for n in range(n_targets):
            weights[t, n] = qty[n] * mark[n] / now
            score = predictions[t, n]
            if abs(score) > 0.0016:
                side[n] = 1.0 if score > 0 else -1.0
            elif score * side[n] <= 0.0:
                side[n] = 0.0
            sigma = math.sqrt(variance[n])
            strength = min(1.0, abs(score) / (0.4 * sigma)) if sigma > 0.0 else 0.0
            weight[n] = min(0.2, strength * 0.0016 / sigma) * side[n] if sigma > 0.0 else 0.0
            gross += abs(weight[n])
        scale = min(1.0, 0.45 / gross) if gross > 0.0 else 1.0
        for n in range(n_targets):
            goal = weight[n] * scale
            if abs(goal - wanted[n] * mark[n] / now) > 0.02 or goal == 0.0:
                wanted[n] = goal * now / mark[n] if mark[n] > 0.0 else 0.0
