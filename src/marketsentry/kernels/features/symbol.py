"""Features that one symbol's own bars give.

Every function takes the state row `i`, the number `n` of bars since the last loss (0 at the first) and what
it needs of the bar, and writes its columns of `out[t, i]`. What it writes before the warm-up is meaningless
and is masked by the caller. A ratio without a denominator is NaN.
"""

import math

import numpy as np
from numba import njit

from marketsentry.kernels.features import fields as f
from marketsentry.kernels.features import layout as s
from marketsentry.kernels.features.windows import (
    cut_maxima,
    cut_means,
    cut_squares,
    push_maximum,
    push_mean,
    push_square,
)

# A standard deviation of log returns below this is rounding noise, not movement.
FLAT = 1e-12
HALF_PI = math.pi / 2.0
PARKINSON_SCALE = 1.0 / (4.0 * math.log(2.0))


@njit(error_model="numpy", nogil=True, forceinline=True)
def ratio(top, bottom):
    """Divide, or NaN where the denominator is not positive."""
    return top / bottom if bottom > 0.0 else np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def apart(a, b):
    """Compare two levels: (a - b) / (a + b), in -1..1, zero when they are equal."""
    return (a - b) / (a + b) if a + b > 0.0 else np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_returns(state, out, t, i, n, close):
    """Write simple returns over eight spans; keeps the ring of closes."""
    out[t, i, f.RET_1] = close / state[i, s.CLOSES + ((n - 1) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_3] = close / state[i, s.CLOSES + ((n - 3) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_6] = close / state[i, s.CLOSES + ((n - 6) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_12] = close / state[i, s.CLOSES + ((n - 12) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_24] = close / state[i, s.CLOSES + ((n - 24) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_48] = close / state[i, s.CLOSES + ((n - 48) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_96] = close / state[i, s.CLOSES + ((n - 96) & s.RING_MASK)] - 1.0
    out[t, i, f.RET_288] = close / state[i, s.CLOSES + ((n - 288) & s.RING_MASK)] - 1.0
    state[i, s.CLOSES + (n & s.RING_MASK)] = close


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_short_means(state, out, t, i, n, close):
    """Write distances to the means of 7, 20 and 30 closes and the Bollinger position and width."""
    p = n % 7
    if p == 0:
        cut_means(state, i, s.W7, s.W7_RUN, 1, 7)
    mean_7 = push_mean(state, i, s.W7 + p, s.W7_RUN, 1, 1.0 / (p + 1.0), (6.0 - p) / 7.0, close)
    p = n % 20
    if p == 0:
        cut_squares(state, i, s.W20, 1, s.W20_SQ, s.W20_SQ_RUN, 1, 20)
        cut_means(state, i, s.W20, s.W20_RUN, 1, 20)
    share_new, share_old = 1.0 / (p + 1.0), (19.0 - p) / 20.0
    mean_20, squares = push_square(
        state, i, s.W20 + p, s.W20_RUN, 1, s.W20_SQ + p, s.W20_SQ_RUN, 1, share_new, share_old, p + 1.0, close
    )
    p = n % 30
    if p == 0:
        cut_means(state, i, s.W30, s.W30_RUN, 1, 30)
    mean_30 = push_mean(state, i, s.W30 + p, s.W30_RUN, 1, 1.0 / (p + 1.0), (29.0 - p) / 30.0, close)
    std_20 = math.sqrt(squares / 20.0)
    out[t, i, f.MA_DIST_7] = close / mean_7 - 1.0
    out[t, i, f.MA_DIST_30] = close / mean_30 - 1.0
    out[t, i, f.BOLLINGER_20] = (close - mean_20) / (2.0 * std_20) if std_20 > FLAT * mean_20 else np.nan
    out[t, i, f.BOLLINGER_WIDTH_20] = 4.0 * std_20 / mean_20


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_window_12(state, out, t, i, n, r, volume, hl2, gk, rs, impact, traded):
    """Write the 12-bar columns; returns the volatility, mean volume and impact of the window."""
    p = n % 12
    if p == 0:
        cut_squares(state, i, s.W12, 7, s.W12_SQ, s.W12_SQ_RUN, 2, 12)
        cut_means(state, i, s.W12, s.W12_RUN, 7, 12)
    new, old, count = 1.0 / (p + 1.0), (11.0 - p) / 12.0, p + 1.0
    at, run, sq, sq_run = s.W12 + p * 7, s.W12_RUN, s.W12_SQ + p * 2, s.W12_SQ_RUN
    _, squares = push_square(state, i, at, run, 7, sq, sq_run, 2, new, old, count, r)
    vol = math.sqrt(squares / 12.0)
    out[t, i, f.VOL_12] = vol
    std_before = math.sqrt(state[i, s.VOLUME_SQUARES] / 12.0)
    out[t, i, f.VOL_Z] = (volume - state[i, s.VOLUME_MEAN]) / max(std_before, 1e-6)
    mean_volume, squares = push_square(
        state, i, at + 1, run + 1, 7, sq + 1, sq_run + 1, 2, new, old, count, volume
    )
    state[i, s.VOLUME_MEAN] = mean_volume
    state[i, s.VOLUME_SQUARES] = squares
    mean_hl2 = push_mean(state, i, at + 2, run + 2, 7, new, old, hl2)
    mean_gk = push_mean(state, i, at + 3, run + 3, 7, new, old, gk)
    mean_rs = push_mean(state, i, at + 4, run + 4, 7, new, old, rs)
    mean_impact = push_mean(state, i, at + 5, run + 5, 7, new, old, impact)
    mean_traded = push_mean(state, i, at + 6, run + 6, 7, new, old, traded)
    out[t, i, f.PARKINSON_12] = math.sqrt(mean_hl2 * PARKINSON_SCALE)
    out[t, i, f.GARMAN_KLASS_12] = math.sqrt(mean_gk)
    out[t, i, f.ROGERS_SATCHELL_12] = math.sqrt(mean_rs)
    return vol, mean_volume, ratio(mean_impact, mean_traded)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_window_24(state, out, t, i, n, r, lagged, sign, spread, close, volume, traded_value):
    """Write the 24-bar columns."""
    p = n % 24
    if p == 0:
        cut_squares(state, i, s.W24, 8, s.W24_SQ, s.W24_SQ_RUN, 1, 24)
        cut_means(state, i, s.W24, s.W24_RUN, 8, 24)
    new, old, count = 1.0 / (p + 1.0), (23.0 - p) / 24.0, p + 1.0
    at, run = s.W24 + p * 8, s.W24_RUN
    mean, squares = push_square(state, i, at, run, 8, s.W24_SQ + p, s.W24_SQ_RUN, 1, new, old, count, r)
    mean_sign = push_mean(state, i, at + 1, run + 1, 8, new, old, sign)
    mean_abs = push_mean(state, i, at + 2, run + 2, 8, new, old, abs(r))
    mean_lagged = push_mean(state, i, at + 3, run + 3, 8, new, old, lagged)
    mean_spread = push_mean(state, i, at + 4, run + 4, 8, new, old, spread)
    mean_signed = push_mean(state, i, at + 5, run + 5, 8, new, old, sign * volume)
    mean_volume = push_mean(state, i, at + 6, run + 6, 8, new, old, volume)
    mean_value = push_mean(state, i, at + 7, run + 7, 8, new, old, traded_value)
    vol = math.sqrt(squares / 24.0)
    covariance = mean_lagged - mean * state[i, s.MEAN_24]
    both = math.sqrt(squares * state[i, s.SQUARES_24]) / 24.0
    state[i, s.MEAN_24] = mean
    state[i, s.SQUARES_24] = squares
    out[t, i, f.VOL_24] = vol
    out[t, i, f.TREND_24] = mean / vol * math.sqrt(24.0) if vol > FLAT else np.nan
    out[t, i, f.EFFICIENCY_24] = ratio(mean, mean_abs)
    out[t, i, f.UP_SHARE_24] = mean_sign
    out[t, i, f.AUTOCORR_24] = covariance / both if both > FLAT * FLAT else np.nan
    out[t, i, f.ROLL_24] = 2.0 * math.sqrt(max(-covariance, 0.0))
    out[t, i, f.CORWIN_SCHULTZ_24] = mean_spread
    out[t, i, f.SIGNED_VOLUME_24] = ratio(mean_signed, mean_volume)
    out[t, i, f.VWAP_DIST_24] = close * mean_volume / mean_value - 1.0 if mean_value > 0.0 else np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_window_48(state, out, t, i, n, r, log_volume, hl2, gk, rs, impact, traded, lagged_abs, sign):
    """Write the 48-bar columns; returns the price impact of the window."""
    p = n % 48
    if p == 0:
        cut_squares(state, i, s.W48, 10, s.W48_SQ, s.W48_SQ_RUN, 2, 48)
        cut_means(state, i, s.W48, s.W48_RUN, 10, 48)
    new, old, count = 1.0 / (p + 1.0), (47.0 - p) / 48.0, p + 1.0
    at, run, sq, sq_run = s.W48 + p * 10, s.W48_RUN, s.W48_SQ + p * 2, s.W48_SQ_RUN
    _, squares = push_square(state, i, at, run, 10, sq, sq_run, 2, new, old, count, r)
    out[t, i, f.VOL_48] = math.sqrt(squares / 48.0)
    mean, squares = push_square(
        state, i, at + 1, run + 1, 10, sq + 1, sq_run + 1, 2, new, old, count, log_volume
    )
    std = math.sqrt(squares / 48.0)
    out[t, i, f.VOLUME_Z_48] = (log_volume - mean) / std if std > FLAT else np.nan
    out[t, i, f.PARKINSON_48] = math.sqrt(
        push_mean(state, i, at + 2, run + 2, 10, new, old, hl2) * PARKINSON_SCALE
    )
    out[t, i, f.GARMAN_KLASS_48] = math.sqrt(push_mean(state, i, at + 3, run + 3, 10, new, old, gk))
    out[t, i, f.ROGERS_SATCHELL_48] = math.sqrt(push_mean(state, i, at + 4, run + 4, 10, new, old, rs))
    mean_impact = push_mean(state, i, at + 5, run + 5, 10, new, old, impact)
    mean_traded = push_mean(state, i, at + 6, run + 6, 10, new, old, traded)
    mean_square = push_mean(state, i, at + 7, run + 7, 10, new, old, r * r)
    mean_signed = push_mean(state, i, at + 8, run + 8, 10, new, old, sign * r * r)
    mean_lagged = push_mean(state, i, at + 9, run + 9, 10, new, old, lagged_abs)
    moves = mean_square > FLAT * FLAT
    out[t, i, f.DOWNSIDE_SHARE_48] = -mean_signed / mean_square if moves else np.nan
    out[t, i, f.JUMP_SHARE_48] = 1.0 - HALF_PI * mean_lagged / mean_square if moves else np.nan
    return ratio(mean_impact, mean_traded)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_window_96(state, out, t, i, n, r, lagged, sign, spread, close, volume, impact, traded):
    """Write the 96-bar columns; returns the volatility, mean volume and impact of the window."""
    p = n % 96
    if p == 0:
        cut_squares(state, i, s.W96, 11, s.W96_SQ, s.W96_SQ_RUN, 1, 96)
        cut_means(state, i, s.W96, s.W96_RUN, 11, 96)
    new, old, count = 1.0 / (p + 1.0), (95.0 - p) / 96.0, p + 1.0
    at, run = s.W96 + p * 11, s.W96_RUN
    mean, squares = push_square(state, i, at, run, 11, s.W96_SQ + p, s.W96_SQ_RUN, 1, new, old, count, r)
    mean_close = push_mean(state, i, at + 1, run + 1, 11, new, old, close)
    mean_volume = push_mean(state, i, at + 2, run + 2, 11, new, old, volume)
    mean_sign = push_mean(state, i, at + 3, run + 3, 11, new, old, sign)
    mean_lagged = push_mean(state, i, at + 4, run + 4, 11, new, old, lagged)
    mean_spread = push_mean(state, i, at + 5, run + 5, 11, new, old, spread)
    mean_impact = push_mean(state, i, at + 6, run + 6, 11, new, old, impact)
    mean_traded = push_mean(state, i, at + 7, run + 7, 11, new, old, traded)
    second = push_mean(state, i, at + 8, run + 8, 11, new, old, r * r)
    third = push_mean(state, i, at + 9, run + 9, 11, new, old, r * r * r)
    fourth = push_mean(state, i, at + 10, run + 10, 11, new, old, r * r * (r * r))
    variance = squares / 96.0
    vol = math.sqrt(variance)
    covariance = mean_lagged - mean * state[i, s.MEAN_96]
    both = math.sqrt(squares * state[i, s.SQUARES_96]) / 96.0
    state[i, s.MEAN_96] = mean
    state[i, s.SQUARES_96] = squares
    moves = vol > FLAT
    out[t, i, f.VOL_96] = vol
    out[t, i, f.TREND_96] = mean / vol * math.sqrt(96.0) if moves else np.nan
    out[t, i, f.MA_DIST_96] = close / mean_close - 1.0
    out[t, i, f.UP_SHARE_96] = mean_sign
    out[t, i, f.AUTOCORR_96] = covariance / both if both > FLAT * FLAT else np.nan
    out[t, i, f.ROLL_96] = 2.0 * math.sqrt(max(-covariance, 0.0))
    out[t, i, f.CORWIN_SCHULTZ_96] = mean_spread
    skew = third - mean * (3.0 * second - 2.0 * mean * mean)
    kurt = fourth - mean * (4.0 * third - mean * (6.0 * second - 3.0 * mean * mean))
    out[t, i, f.SKEW_96] = skew / (variance * vol) if moves else np.nan
    out[t, i, f.KURT_96] = kurt / (variance * variance) - 3.0 if moves else np.nan
    return vol, mean_volume, ratio(mean_impact, mean_traded)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_window_288(state, out, t, i, n, r, impact, traded):
    """Write the 288-bar volatility; returns the price impact of the window."""
    p = n % 288
    if p == 0:
        cut_squares(state, i, s.W288, 3, s.W288_SQ, s.W288_SQ_RUN, 1, 288)
        cut_means(state, i, s.W288, s.W288_RUN, 3, 288)
    new, old, count = 1.0 / (p + 1.0), (287.0 - p) / 288.0, p + 1.0
    at, run = s.W288 + p * 3, s.W288_RUN
    _, squares = push_square(state, i, at, run, 3, s.W288_SQ + p, s.W288_SQ_RUN, 1, new, old, count, r)
    out[t, i, f.VOL_288] = math.sqrt(squares / 288.0)
    mean_impact = push_mean(state, i, at + 1, run + 1, 3, new, old, impact)
    mean_traded = push_mean(state, i, at + 2, run + 2, 3, new, old, traded)
    return ratio(mean_impact, mean_traded)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_extremes(state, out, t, i, n, high, low, close):
    """Write channel positions and drawdowns from rolling highs."""
    p = n % 24
    if p == 0:
        cut_maxima(state, i, s.X24, s.X24_RUN, 2, 24)
    top = push_maximum(state, i, s.X24 + p * 2, s.X24_RUN, 2, p < 23, high)
    bottom = -push_maximum(state, i, s.X24 + p * 2 + 1, s.X24_RUN + 1, 2, p < 23, -low)
    out[t, i, f.DONCHIAN_24] = ratio(2.0 * close - top - bottom, top - bottom)
    p = n % 96
    if p == 0:
        cut_maxima(state, i, s.X96, s.X96_RUN, 2, 96)
    top = push_maximum(state, i, s.X96 + p * 2, s.X96_RUN, 2, p < 95, high)
    bottom = -push_maximum(state, i, s.X96 + p * 2 + 1, s.X96_RUN + 1, 2, p < 95, -low)
    out[t, i, f.DONCHIAN_96] = ratio(2.0 * close - top - bottom, top - bottom)
    out[t, i, f.DRAWDOWN_96] = 1.0 - close / top
    p = n % 288
    if p == 0:
        cut_maxima(state, i, s.X288, s.X288_RUN, 1, 288)
    top = push_maximum(state, i, s.X288 + p, s.X288_RUN, 1, p < 287, high)
    out[t, i, f.DRAWDOWN_288] = 1.0 - close / top


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_recursive(state, out, t, i, n, high, low, close, before):
    """Write RSI, ATR, MACD and EMA distances; each starts with a plain mean, as Wilder's averages do."""
    share = 1.0 / max(min(n, 14), 1)
    change = close - before
    gain = state[i, s.AVERAGE_GAIN]
    loss = state[i, s.AVERAGE_LOSS]
    span = state[i, s.AVERAGE_RANGE]
    gain += (max(change, 0.0) - gain) * share
    loss += (max(-change, 0.0) - loss) * share
    span += (max(high, before) - min(low, before) - span) * share
    state[i, s.AVERAGE_GAIN] = gain
    state[i, s.AVERAGE_LOSS] = loss
    state[i, s.AVERAGE_RANGE] = span
    out[t, i, f.RSI_14] = (gain - loss) / (gain + loss) if gain + loss > FLAT * close else np.nan
    out[t, i, f.ATR_14] = span / close
    fast = state[i, s.EMA_12]
    slow = state[i, s.EMA_26]
    fast += (close - fast) * (1.0 / (n + 1.0) if n < 12 else 2.0 / 13.0)
    slow += (close - slow) * (1.0 / (n + 1.0) if n < 26 else 2.0 / 27.0)
    state[i, s.EMA_12] = fast
    state[i, s.EMA_26] = slow
    line = fast - slow
    signal = state[i, s.SIGNAL_9]
    signal += (line - signal) * (1.0 / max(n - 24.0, 1.0) if n < 34 else 0.2)
    state[i, s.SIGNAL_9] = signal
    per_close = 1.0 / close
    out[t, i, f.MACD_LINE] = line * per_close
    out[t, i, f.MACD_SIGNAL] = signal * per_close
    out[t, i, f.MACD_HIST] = (line - signal) * per_close
    out[t, i, f.EMA_DIST_12] = close / fast - 1.0
    out[t, i, f.EMA_DIST_26] = close / slow - 1.0
