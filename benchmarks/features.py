"""The feature step: `features-batch` and `features-step`.

Compilation is apart. Ours, the limit and the peer take turns within one run, so that a noisy machine disturbs all
alike; the batch is measured in processor time of the one thread that does the work. The limit of the batch is a
compiled loop that only fills fresh memory of the same size; the limit of the step is a compiled function with the
same arguments that does nothing. The peer is TA-Lib: eleven columns of its functions for the batch, seven
indicators of its streaming interface for the step.
"""

import gc
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import talib
from numba import njit
from numpy.typing import NDArray
from talib import stream

from benchmarks.rows import Row, median, percentile, spread
from marketsentry.core.features.builtin import BUILTIN, SCHEMA
from marketsentry.kernels.features.fields import N_CONTEXT

N_BARS = 1_000_000
BATCH_BUDGET = 250e6
STEP_BARS = 20_000
STEP_BUDGET_US, STEP_BUDGET_P99_US = 4.0, 10.0
ROUNDS = 7
BAR_NS = 300_000_000_000

# One target has no cross-section: those columns are written, but do not count as values.
N_VALUES = sum(feature.source != "bars of all symbols" for feature in SCHEMA.features)
N_COLUMNS = len(SCHEMA.features)

Floats = NDArray[np.float64]


def bench_features_batch() -> list[dict[str, Any]]:
    """Time all features of one target over a million bars into fresh memory, on one core."""
    bars, ts_ns, context = _market(N_BARS)
    columns = [np.ascontiguousarray(bars[:, 0, k]) for k in range(5)]
    ours, limit, peer = _in_turn(
        lambda: _compute(bars, ts_ns, context),
        lambda: _fill(N_BARS, N_COLUMNS),
        lambda: _talib_columns(columns),
    )
    speeds = [N_BARS * N_VALUES / one for one in ours]
    row = Row(
        name="features-batch",
        value=median(speeds),
        unit="values/s",
        budget=BATCH_BUDGET,
        limit=median([N_BARS * N_COLUMNS / one for one in limit]),
        peer=median([N_BARS * 11 / one for one in peer]),
        better="higher",
        n=ROUNDS,
        spread=spread(speeds),
        notes=f"{N_VALUES} features have a value with one target, {N_COLUMNS} columns are written; best "
        f"{max(speeds) / 1e6:.0f} M values/s; limit: filling fresh memory; peer: TA-Lib, 11 columns; load of the "
        f"machine {os.getloadavg()[0]:.1f}",
    )
    return [row.as_dict()]


def bench_features_step() -> list[dict[str, Any]]:
    """Time one bar of one target, all features, called from Python: median and 99th percentile."""
    bars, ts_ns, context = _market(STEP_BARS)
    medians, tails, limits, peers = [], [], [], []
    for _ in range(ROUNDS):
        ours = _step_latencies_us(BUILTIN.step, bars, ts_ns, context)
        medians.append(median(ours))
        tails.append(percentile(ours, 0.99))
        limits.append(median(_step_latencies_us(_do_nothing, bars, ts_ns, context)))
        peers.append(median(_stream_latencies_us(bars)))
    load = f"{N_COLUMNS} columns; load of the machine {os.getloadavg()[0]:.1f}"
    p50 = Row(
        name="features-step",
        value=median(medians),
        unit="us",
        budget=STEP_BUDGET_US,
        limit=median(limits),
        peer=median(peers),
        n=ROUNDS,
        spread=spread(medians),
        notes=f"p50; limit: an empty compiled function; peer: TA-Lib stream, 7 indicators; {load}",
    )
    p99 = Row(
        name="features-step-p99",
        value=median(tails),
        unit="us",
        budget=STEP_BUDGET_P99_US,
        n=ROUNDS,
        spread=spread(tails),
        notes=f"p99 of {STEP_BARS:,} bars; {load}",
    )
    return [p50.as_dict(), p99.as_dict()]


def _market(n_bars: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Bars (T, 1, 5) of a seeded random walk, open times, context (T, 1, C)."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, n_bars)))
    start = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(start, close) * (1.0 + np.abs(rng.normal(0.0, 4e-4, n_bars)))
    low = np.minimum(start, close) * (1.0 - np.abs(rng.normal(0.0, 4e-4, n_bars)))
    bars = np.stack([start, high, low, close, rng.lognormal(5.0, 1.0, n_bars)], axis=1)[:, None, :]
    ts_ns = 1_600_000_200_000_000_000 + BAR_NS * np.arange(n_bars, dtype=np.int64)
    return np.ascontiguousarray(bars), ts_ns, rng.normal(size=(n_bars, 1, N_CONTEXT))


def _compute(bars: Floats, ts_ns: NDArray[np.int64], context: Floats) -> Floats:
    out = np.empty((bars.shape[0], 1, N_COLUMNS))
    BUILTIN.batch(BUILTIN.new_state(1), bars, ts_ns, context, out)
    return out


def _fill(n_bars: int, n_columns: int) -> Floats:
    out = np.empty((n_bars, n_columns))
    _fill_rows(out)
    return out


@njit(error_model="numpy")
def _fill_rows(out: Floats) -> None:
    for t in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[t, k] = t + k


@njit(error_model="numpy")
def _do_nothing(state: Floats, bar: Floats, ts_ns: int, context: Floats, out: Floats) -> None:
    out[0, 0] = bar[0, 3]


def _talib_columns(columns: list[Floats]) -> Floats:
    _, high, low, close, volume = columns
    out = np.empty((11, close.size))
    out[0], out[1] = talib.SMA(close, 7), talib.SMA(close, 30)
    out[2], out[3] = talib.EMA(close, 12), talib.EMA(close, 26)
    out[4] = talib.RSI(close, 14)
    out[5], out[6], out[7] = talib.MACD(close, 12, 26, 9)
    out[8] = talib.ATR(high, low, close, 14)
    out[9] = talib.STDDEV(close, 48)
    out[10] = talib.OBV(close, volume)
    return out


def _in_turn(*works: Callable[[], object]) -> list[list[float]]:
    """Processor seconds of every work, `ROUNDS` times in turn, after one call that compiles and warms."""
    for work in works:
        work()
    samples: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, found in zip(works, samples, strict=True):
            started = time.thread_time()
            work()
            found.append(time.thread_time() - started)
    return samples


def _step_latencies_us(
    step: Callable[[Floats, Floats, int, Floats, Floats], None],
    bars: Floats,
    ts_ns: NDArray[np.int64],
    context: Floats,
) -> list[float]:
    state, out = BUILTIN.new_state(1), np.empty((1, N_COLUMNS))
    rows = [(bars[t], int(ts_ns[t]), context[t]) for t in range(bars.shape[0])]
    step(state.copy(), *rows[0], out)
    gc.disable()
    try:
        samples = []
        for bar, at, known in rows:
            started = time.perf_counter_ns()
            step(state, bar, at, known, out)
            samples.append((time.perf_counter_ns() - started) / 1e3)
    finally:
        gc.enable()
    return samples[1_000:]


def _stream_latencies_us(bars: Floats) -> list[float]:
    """Seven streaming indicators of TA-Lib on the last 100 bars, as its interface wants them."""
    samples = []
    for t in range(100, 2_100):
        high, low, close = (np.ascontiguousarray(bars[t - 100 : t, 0, k]) for k in (1, 2, 3))
        started = time.perf_counter_ns()
        stream.SMA(close, 30)
        stream.EMA(close, 12)
        stream.RSI(close, 14)
        stream.MACD(close, 12, 26, 9)
        stream.ATR(high, low, close, 14)
        stream.STDDEV(close, 48)
        stream.BBANDS(close, 20, 2, 2)
        samples.append((time.perf_counter_ns() - started) / 1e3)
    return samples
