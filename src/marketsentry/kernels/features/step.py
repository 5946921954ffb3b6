"""One bar of every symbol in, one row of features out: the only definition of the built-in features.

`batch` is a compiled loop over the code that `step` runs, so the two agree bit for bit (no fastmath). A bar
that is not whole is lost: its row is NaN and the warm-up of the symbol starts again. State is one row of plain
numbers a symbol, all zero at the start. The parts are inlined by force: called out of line, each would pass its
arrays piece by piece and count references, which costs more than what it computes.
"""

import math

import numpy as np
from numba import njit

from marketsentry.kernels.features import fields as f
from marketsentry.kernels.features import layout as s
from marketsentry.kernels.features.market import put_market
from marketsentry.kernels.features.symbol import (
    apart,
    put_extremes,
    put_recursive,
    put_returns,
    put_short_means,
    put_window_12,
    put_window_24,
    put_window_48,
    put_window_96,
    put_window_288,
    ratio,
)
from marketsentry.kernels.features.whole import is_whole

NS_PER_MINUTE = 60_000_000_000
MINUTES_PER_DAY = 1_440
GK_WEIGHT = 2.0 * math.log(2.0) - 1.0
CS_SCALE = 1.0 / (3.0 - 2.0 * math.sqrt(2.0))
CS_BETA = math.sqrt(2.0) - 1.0
CS_ROOT = math.sqrt(CS_SCALE)
_MINUTE_ANGLE = 2.0 * np.pi * np.arange(MINUTES_PER_DAY) / MINUTES_PER_DAY
_DAY_ANGLE = 2.0 * np.pi * np.arange(7) / 7
MINUTE_SIN, MINUTE_COS = np.sin(_MINUTE_ANGLE), np.cos(_MINUTE_ANGLE)
WEEKDAY_SIN, WEEKDAY_COS = np.sin(_DAY_ANGLE), np.cos(_DAY_ANGLE)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_calendar(out, t, i, ts_ns):
    """Write time of day and week of the bar's open, UTC; Monday is the first day."""
    minutes = ts_ns // NS_PER_MINUTE
    minute = minutes % MINUTES_PER_DAY
    weekday = (minutes // MINUTES_PER_DAY + 3) % 7
    out[t, i, f.HOUR_SIN] = MINUTE_SIN[minute]
    out[t, i, f.HOUR_SIN + 1] = MINUTE_COS[minute]
    out[t, i, f.HOUR_SIN + 2] = WEEKDAY_SIN[weekday]
    out[t, i, f.HOUR_SIN + 3] = WEEKDAY_COS[weekday]


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_context(context, out, t, i):
    """Copy the context columns: four into the contract's places, the others side by side."""
    for k in range(f.CONTRACT_CONTEXT):
        out[t, i, f.ORDERBOOK_IMBALANCE + k] = context[t, i, k]
    for k in range(f.N_CONTEXT - f.CONTRACT_CONTEXT):
        out[t, i, f.FUNDING_CHANGE + k] = context[t, i, f.CONTRACT_CONTEXT + k]


@njit(error_model="numpy", nogil=True, forceinline=True)
def corwin_schultz(hc, lc, hc_before, lc_before, r):
    """Estimate the spread from the ranges of two bars, as a fraction; negative estimates count as zero.

    Logs of high and low are relative to the bar's own close; `r` is the log return between the closes.
    """
    range_now = hc - lc
    range_before = hc_before - lc_before
    both = max(hc, hc_before - r) - min(lc, lc_before - r)
    beta = range_now * range_now + range_before * range_before
    alpha = CS_BETA * CS_SCALE * math.sqrt(beta) - CS_ROOT * both
    return 2.0 * math.tanh(0.5 * alpha) if alpha > 0.0 else 0.0


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_symbol(state, bars, context, out, t, i, ts_ns):
    """Write all columns of one symbol that need no other symbol."""
    start, high, low = bars[t, i, 0], bars[t, i, 1], bars[t, i, 2]
    close, volume = bars[t, i, 3], bars[t, i, 4]
    if not is_whole(start, high, low, close, volume):
        state[i, s.COUNT] = 0.0
        for k in range(f.N_FEATURES):
            out[t, i, k] = np.nan
        return
    n = int(state[i, s.COUNT]) & s.COUNT_MASK
    state[i, s.COUNT] = n + 1.0
    before = state[i, s.CLOSES + ((n - 1) & s.RING_MASK)] if n > 0 else close
    r = math.log(close / before)
    hc = math.log(high / close)
    lc = math.log(low / close)
    co = math.log(close / start)
    hl2 = (hc - lc) * (hc - lc)
    gk = max(0.5 * hl2 - GK_WEIGHT * co * co, 0.0)
    rs = max(hc * (hc + co) + lc * (lc + co), 0.0)
    spread = corwin_schultz(hc, lc, state[i, s.LAST_HIGH], state[i, s.LAST_LOW], r)
    state[i, s.LAST_HIGH] = hc
    state[i, s.LAST_LOW] = lc
    sign = 1.0 if r > 0.0 else (-1.0 if r < 0.0 else 0.0)
    r_1, r_2 = state[i, s.LOG_RETURNS], state[i, s.LOG_RETURNS + 1]
    state[i, s.LOG_RETURNS] = r
    state[i, s.LOG_RETURNS + 1] = r_1
    traded = 1.0 if volume > 0.0 else 0.0
    impact = abs(r) / (volume * close) if volume > 0.0 else 0.0
    log_volume = math.log(1.0 + volume)

    put_returns(state, out, t, i, n, close)
    ret_1 = close / before - 1.0
    mean_3 = (r + r_1 + r_2) / 3.0
    d_0, d_1, d_2 = r - mean_3, r_1 - mean_3, r_2 - mean_3
    out[t, i, f.VOL_3] = math.sqrt((d_0 * d_0 + d_1 * d_1 + d_2 * d_2) / 3.0)
    out[t, i, f.LOG_VOLUME] = log_volume
    out[t, i, f.VOLUME_IMPACT] = abs(ret_1) / max(math.sqrt(max(volume, 1.0)), 1e-6)
    out[t, i, f.CLOSE_IN_RANGE] = ratio(2.0 * close - high - low, high - low)
    put_calendar(out, t, i, ts_ns)
    put_context(context, out, t, i)
    put_short_means(state, out, t, i, n, close)
    vol_12, volume_12, impact_12 = put_window_12(state, out, t, i, n, r, volume, hl2, gk, rs, impact, traded)
    traded_value = (high + low + close) / 3.0 * volume
    put_window_24(state, out, t, i, n, r, r * r_1, sign, spread, close, volume, traded_value)
    impact_48 = put_window_48(
        state, out, t, i, n, r, log_volume, hl2, gk, rs, impact, traded, abs(r * r_1), sign
    )
    vol_96, volume_96, impact_96 = put_window_96(
        state, out, t, i, n, r, r * r_1, sign, spread, close, volume, impact, traded
    )
    impact_288 = put_window_288(state, out, t, i, n, r, impact, traded)
    out[t, i, f.VOL_RATIO_12_96] = apart(vol_12, vol_96)
    out[t, i, f.VOLUME_RATIO_12_96] = apart(volume_12, volume_96)
    out[t, i, f.AMIHUD_RATIO_12_96] = apart(impact_12, impact_96)
    out[t, i, f.AMIHUD_RATIO_48_288] = apart(impact_48, impact_288)
    put_extremes(state, out, t, i, n, high, low, close)
    put_recursive(state, out, t, i, n, high, low, close, before)
    if n < f.MAX_WARMUP:
        for k in range(f.N_FEATURES):
            if n < f.WARMUP[k]:
                out[t, i, k] = np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_row(state, bars, context, out, t, ts_ns):
    """Write row `t` of all symbols."""
    n_symbols = bars.shape[1]
    for i in range(n_symbols):
        put_symbol(state, bars, context, out, t, i, ts_ns)
    if n_symbols >= 2:
        put_market(state, out, t)
    else:
        for k in range(f.RANK_RET_1, f.N_FEATURES):
            out[t, 0, k] = np.nan


@njit(error_model="numpy", nogil=True, cache=True)
def step(state, bar, ts_ns, context, out):
    """Advance one bar: state (N, S), bar (N, 5), context (N, C), out (N, F)."""
    n = bar.shape[0]
    put_row(
        state,
        bar.reshape((1, n, bar.shape[1])),
        context.reshape((1, n, context.shape[1])),
        out.reshape((1, n, out.shape[1])),
        np.int64(0),  # a literal 0 would be another type, and everything compiled again for it
        ts_ns,
    )


@njit(error_model="numpy", nogil=True, cache=True)
def batch(state, bars, ts_ns, context, out):
    """Advance over bars (T, N, 5), ts_ns (T,), context (T, N, C) into out (T, N, F)."""
    for t in range(bars.shape[0]):
        put_row(state, bars, context, out, t, ts_ns[t])
