"""One parameter set replayed for its metrics alone: the replay loop in short blocks, each reduced to sums.

The rules of trading are those of `kernels.replay`, called block by block on scratch rows that fit a cache. So the
memory of a set does not grow with the bars, and that of many sets not with their number.
"""

import numpy as np

from marketsentry.kernels.account import EQUITY
from marketsentry.kernels.compiling import inlined, unlocked
from marketsentry.kernels.records import Groups, Market, Rules, State
from marketsentry.kernels.replay import loop_any, loop_one
from marketsentry.kernels.tape import FILL_BAR, FILL_QTY, FILL_REFERENCE, FILL_SYMBOL
from marketsentry.kernels.trades import is_rounding

BLOCK_BARS = 512

# Sums of one set (SUM_FIELDS,).
START_EQUITY = 0  # at the close before the first counted bar
LAST_EQUITY = 1
PEAK_EQUITY = 2  # of the counted bars and the close before them
DRAWDOWN = 3  # deepest fall below the peak, a positive fraction
N_RETURNS = 4
MEAN_RETURN = 5
SQUARES = 6  # sum of squared deviations from the mean return
DOWN_SQUARES = 7  # sum of squared losses
IS_RUINED = 8  # 1 once a counted bar began without equity: its return does not exist
N_WEIGHED = 9  # bars whose weights exist
GROSS = 10  # sum of gross weights over those
TURNOVER = 11
N_TRADES = 12
SUM_FIELDS = 13

# Columns of the open positions as the fills tell them (N, OPEN_FIELDS).
HELD = 0
ENTERED = 1
OPEN_FIELDS = 2

# Columns of the parts (n_parts, PART_FIELDS) that the counted bars are cut into.
PART_RETURNS = 0  # sum of returns
PART_SQUARES = 1  # sum of squared returns
PART_FIELDS = 2


@unlocked
def sweep_one(
    first: int,
    market: Market,
    rules: Rules,
    groups: Groups,
    state: State,
    fills: np.ndarray,
    equity: np.ndarray,
    weights: np.ndarray,
    positions: np.ndarray,
    sums: np.ndarray,
    edges: np.ndarray,
    parts: np.ndarray,
) -> None:
    """Replay all bars and leave in `sums` what the bars from `first` on came to, and in `parts` what each part did.

    `fills` (>= 2 N, FILL_FIELDS), `equity` (BLOCK_BARS + latency,) and `weights` (the same, N) are scratch.
    `positions` (N, OPEN_FIELDS), `sums` (SUM_FIELDS,) and `parts` (n_parts, PART_FIELDS) come in as zeros, `state`
    fresh. `edges` (n_parts + 1,) are the first bars of the parts and their end; no block goes across one.
    """
    n_bars, latency = market.ts_ns.size, state.orders.shape[0]
    sums[LAST_EQUITY] = state.account[EQUITY]
    bar, part = 0, 0
    while bar < n_bars:
        while part < parts.shape[0] - 1 and bar >= edges[part + 1]:
            part += 1
        if bar == first:
            sums[START_EQUITY] = sums[PEAK_EQUITY] = sums[LAST_EQUITY]
        # Rows count from a multiple of the latency, so that the ring of orders stays in step.
        base = bar - bar % latency
        stop = min(bar + BLOCK_BARS, edges[part + 1] if bar >= first else first)
        block = _rows(market, base, stop)
        if weights.shape[1] == 1:
            done, n_fills = loop_one(bar - base, block, rules, groups, state, fills, 0, equity, weights)
        else:
            done, n_fills = loop_any(bar - base, block, rules, groups, state, fills, 0, equity, weights)
        last = equity[done - 1]
        if bar >= first:
            _add_fills(bar - base, fills, n_fills, equity, positions, sums)
            if weights.shape[1] == 1:  # a constant count, which the compiler unrolls
                _add_bars(bar - base, done, 1, equity, weights, sums, parts[part])
            else:
                _add_bars(bar - base, done, weights.shape[1], equity, weights, sums, parts[part])
        else:
            for i in range(n_fills):
                _is_entry(fills, i, positions)
        sums[LAST_EQUITY] = last
        bar = base + done


@inlined
def _rows(market: Market, start: int, stop: int) -> Market:
    """Rows of the market; without confidence or funding there are none to cut."""
    sure = market.confidence[start:stop] if market.confidence.shape[0] > 0 else market.confidence[:0]
    rates = market.funding[start:stop] if market.funding.shape[0] > 0 else market.funding[:0]
    return Market(
        market.ts_ns[start:stop], market.values[start:stop], market.predictions[start:stop], sure, rates
    )


@inlined
def _add_fills(
    start: int,
    fills: np.ndarray,
    n_fills: int,
    equity: np.ndarray,
    positions: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add turnover (against the equity at the close before, if there was any) and trades begun."""
    for i in range(n_fills):
        k = int(fills[i, FILL_BAR])
        before = equity[k - 1] if k > start else sums[LAST_EQUITY]
        if before > 0.0:
            sums[TURNOVER] += abs(fills[i, FILL_QTY]) * fills[i, FILL_REFERENCE] / before
        if _is_entry(fills, i, positions):
            sums[N_TRADES] += 1.0


@inlined
def _is_entry(fills: np.ndarray, i: int, positions: np.ndarray) -> bool:
    """Book fill `i` in `positions`; True if it begins a round trip, by the rule of `kernels.trades`."""
    n, signed = int(fills[i, FILL_SYMBOL]), fills[i, FILL_QTY]
    held = positions[n, HELD]
    if held * signed >= 0.0:
        begins = positions[n, ENTERED] == 0.0
        positions[n, HELD] = held + signed
        positions[n, ENTERED] += abs(signed)
        return bool(begins)
    closing = min(abs(signed), abs(held))
    rest = abs(signed) - closing
    turns = not is_rounding(rest, positions[n, ENTERED])
    held += np.copysign(closing, signed)
    if is_rounding(held, positions[n, ENTERED]):
        held, positions[n, ENTERED] = 0.0, 0.0
    if turns:
        held, positions[n, ENTERED] = np.copysign(rest, signed), rest
    positions[n, HELD] = held
    return bool(turns)


@inlined
def _add_bars(
    start: int,
    stop: int,
    n_targets: int,
    equity: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
    part: np.ndarray,
) -> None:
    """Add rows `start` to `stop`: drawdown, returns and exposure; returns also to their `part` (PART_FIELDS,).

    Squares are taken about the first return of the block, and blocks join by the rule of Chan, Golub and LeVeque:
    no large numbers are subtracted, and returns that are all the same have no deviation at all.
    """
    before, peak, fall = sums[LAST_EQUITY], sums[PEAK_EQUITY], sums[DRAWDOWN]
    pivot = equity[start] / before - 1.0
    shifted, squares, down, gross = 0.0, 0.0, 0.0, 0.0
    n_weighed, is_ruined = 0, False
    for k in range(start, stop):
        now, ret = equity[k], 0.0
        is_ruined |= not before > 0.0
        if now != before:
            ret = now / before - 1.0
            down += min(ret, 0.0) ** 2
            if now > peak:
                peak = now
            elif now < peak * (1.0 - fall):
                fall = 1.0 - now / peak
            before = now
        shifted += ret - pivot
        squares += (ret - pivot) ** 2
        held = 0.0
        for n in range(n_targets):
            held += abs(weights[k, n])
        if held == held:
            n_weighed += 1
            gross += held
    n_new = stop - start
    mean = shifted / n_new
    n_all, apart = sums[N_RETURNS] + n_new, pivot + mean - sums[MEAN_RETURN]
    sums[SQUARES] += squares - shifted * mean + apart * apart * sums[N_RETURNS] * n_new / n_all
    sums[MEAN_RETURN] += apart * n_new / n_all
    sums[DOWN_SQUARES] += down
    part[PART_RETURNS] += shifted + n_new * pivot
    part[PART_SQUARES] += squares + pivot * (2.0 * shifted + n_new * pivot)
    sums[N_RETURNS] = n_all
    sums[PEAK_EQUITY], sums[DRAWDOWN] = peak, fall
    sums[N_WEIGHED] += n_weighed
    sums[GROSS] += gross
    if is_ruined:
        sums[IS_RUINED] = 1.0
