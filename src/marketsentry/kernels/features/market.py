"""Features across symbols: the equal-weight market of the symbols present at the bar, ranks, beta.

A quantity of the market is the mean over the symbols that have it at this bar; with fewer than two it is
missing. The market includes the symbol itself.
"""

import math

import numpy as np
from numba import njit

from marketsentry.kernels.features import fields as f
from marketsentry.kernels.features import layout as s
from marketsentry.kernels.features.windows import cut_means, cut_squares, push_mean, push_square


@njit(error_model="numpy", nogil=True, forceinline=True)
def mean_across(out, t, column):
    """Mean of a column over the symbols that have it; NaN with fewer than two."""
    total = 0.0
    count = 0
    for i in range(out.shape[1]):
        value = out[t, i, column]
        if value == value:
            total += value
            count += 1
    return total / count if count >= 2 else np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_rank(out, t, column, target):
    """Write the centred rank of a column in -0.5..0.5; equal values share their mean rank."""
    n_symbols = out.shape[1]
    for i in range(n_symbols):
        value = out[t, i, column]
        below = 0
        level = 0
        count = 0
        for j in range(n_symbols):
            other = out[t, j, column]
            below += 1 if other < value else 0
            level += 1 if other == value else 0
            count += 1 if other == other else 0
        known = value == value and count >= 2
        out[t, i, target] = (below + 0.5 * level) / count - 0.5 if known else np.nan


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_market(state, out, t):
    """Write all columns across symbols of row `t`; needs the columns of the single symbols."""
    n_symbols = out.shape[1]
    market = mean_across(out, t, f.RET_1)
    market_12 = mean_across(out, t, f.RET_12)
    market_48 = mean_across(out, t, f.RET_48)
    squares = 0.0
    count = 0
    for i in range(n_symbols):
        value = out[t, i, f.RET_1]
        if value == value:
            squares += (value - market) * (value - market)
            count += 1
    dispersion = math.sqrt(squares / count) if count >= 2 else np.nan
    for i in range(n_symbols):
        own, own_12, own_48 = out[t, i, f.RET_1], out[t, i, f.RET_12], out[t, i, f.RET_48]
        out[t, i, f.MARKET_RET_1] = market if own == own else np.nan
        out[t, i, f.MARKET_RET_12] = market_12 if own_12 == own_12 else np.nan
        out[t, i, f.MARKET_RET_48] = market_48 if own_48 == own_48 else np.nan
        out[t, i, f.DISPERSION_1] = dispersion if own == own else np.nan
        put_beta(state, out, t, i, own, market)
    put_rank(out, t, f.RET_1, f.RANK_RET_1)
    put_rank(out, t, f.RET_12, f.RANK_RET_12)
    put_rank(out, t, f.RET_48, f.RANK_RET_48)
    put_rank(out, t, f.VOL_48, f.RANK_VOL_48)


@njit(error_model="numpy", nogil=True, forceinline=True)
def put_beta(state, out, t, i, own, market):
    """Write beta, correlation and residual to the market over the last 96 pairs of returns without a hole."""
    beta, corr, resid = np.nan, np.nan, np.nan
    if own == own and market == market:
        n = int(state[i, s.PAIR_COUNT]) & s.COUNT_MASK
        state[i, s.PAIR_COUNT] = n + 1.0
        p = n % 96
        if p == 0:
            cut_squares(state, i, s.PAIR, 3, s.PAIR_SQ, s.PAIR_SQ_RUN, 2, 96)
            cut_means(state, i, s.PAIR, s.PAIR_RUN, 3, 96)
        new, old, count = 1.0 / (p + 1.0), (95.0 - p) / 96.0, p + 1.0
        at, run, sq, sq_run = s.PAIR + p * 3, s.PAIR_RUN, s.PAIR_SQ + p * 2, s.PAIR_SQ_RUN
        mean_own, squares_own = push_square(state, i, at, run, 3, sq, sq_run, 2, new, old, count, own)
        mean, squares = push_square(
            state, i, at + 1, run + 1, 3, sq + 1, sq_run + 1, 2, new, old, count, market
        )
        product = push_mean(state, i, at + 2, run + 2, 3, new, old, own * market)
        covariance = product - mean_own * mean
        variance = squares / 96.0
        both = math.sqrt(squares_own * squares) / 96.0
        if n >= 95 and variance > 1e-24:
            beta = covariance / variance
            resid = own - beta * market
            corr = covariance / both if both > 1e-24 else np.nan
    else:
        state[i, s.PAIR_COUNT] = 0.0
    out[t, i, f.BETA_96] = beta
    out[t, i, f.CORR_96] = corr
    out[t, i, f.RESID_RET_1] = resid
