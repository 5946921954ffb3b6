"""One bar of trading, and the loop over bars. All modes decide with `mark_bar` and `decide_bar`.

The order of one bar: orders decided earlier fill at its open (`fill_bar`), the venue takes the positions away if
margin runs out inside it and charges for holding them at its close (`hold_bar`, on spot `charge_borrow`), they are
marked at its close (`mark_bar`), and with what is known then new targets are decided (`decide_bar`), which no bar can
fill before the next open. `run` loops the four; its one shortcut leaves out `decide_bar` where that would provably
decide what it decided before (`kernels.steady`), and holds over a stretch of such bars in one go where holding is free.
"""

from collections.abc import Callable
from math import isnan

import numpy as np

from marketsentry.kernels.account import (
    AGE,
    BUSY,
    CASH,
    EQUITY,
    FUNDING,
    MARK_PRICE,
    N_RETURNS,
    PEAK,
    PREDICTION,
    QTY,
    STEADY,
    TARGET_QTY,
    VARIANCE,
    WEIGHT,
    apply_fill,
    record_equity,
)
from marketsentry.kernels.compiling import inlined, kernel, unlocked
from marketsentry.kernels.fill import execute
from marketsentry.kernels.holding import hold_bar
from marketsentry.kernels.margin import charge_borrow
from marketsentry.kernels.policy import Policy, ask, count_held
from marketsentry.kernels.records import Groups, Market, Rules, State
from marketsentry.kernels.risk import clip_single, feasible_turnover, reduce_only, scale_gross, scale_groups
from marketsentry.kernels.signal import is_usable, score_to_weight
from marketsentry.kernels.sizing import drawdown_taper, next_variance, volatility_of, volatility_weight
from marketsentry.kernels.steady import CLOSE, hold, repeats_in_book, weight_of
from marketsentry.kernels.tape import note_fill

OPEN, VOLUME = 0, 4


@kernel
def fill_bar(t: int, market: Market, rules: Rules, state: State, fills: np.ndarray, n_fills: int) -> int:
    """Fill at the open of bar `t` what was decided `latency_bars` before; returns the new count of fills."""
    book, account = state.book, state.account
    row = t % state.orders.shape[0]
    unfilled = False
    for n in range(book.shape[0]):
        goal = state.orders[row, n]
        wanted = goal - book[n, QTY]
        if wanted == 0.0:
            continue
        price = market.values[t, n, OPEN]
        volatility = volatility_of(book[n, VARIANCE], book[n, N_RETURNS], rules.volatility_warmup)
        qty, paid, fee, slip, imp = execute(
            wanted,
            price,
            market.values[t, n, VOLUME],
            volatility,
            rules.participation_frac,
            rules.impact_coefficient,
            rules.half_spread_bps,
            rules.fee_bps,
        )
        unfilled = unfilled or qty != wanted
        if qty == 0.0:
            continue
        new_qty = goal if qty == wanted else book[n, QTY] + qty
        apply_fill(book, account, n, new_qty, price, paid, fee, slip, imp)
        note_fill(fills[n_fills], t, n, qty, price, paid, fee, slip, imp, book[n, FUNDING], 0.0)
        n_fills += 1
    account[BUSY] = max(account[BUSY] - 1.0, 1.0 if unfilled else 0.0)
    return n_fills


@inlined
def mark_bar(
    t: int,
    n_targets: int,
    ts_ns: np.ndarray,
    values: np.ndarray,
    rules: Rules,
    book: np.ndarray,
    account: np.ndarray,
) -> float:
    """Mark every target at the close of bar `t` (a lost bar keeps the last price) and return the equity.

    A return that spans lost bars counts as one bar's return, so volatility errs on the high side after a gap.
    """
    equity = account[CASH]
    for n in range(n_targets):
        close = values[t, n, CLOSE]
        if close > 0.0:
            before = book[n, MARK_PRICE]
            book[n, MARK_PRICE] = close
            if rules.needs_volatility and before > 0.0:
                book[n, N_RETURNS] += 1.0
                book[n, VARIANCE] = next_variance(
                    book[n, VARIANCE], close / before - 1.0, book[n, N_RETURNS], rules.volatility_alpha
                )
        if book[n, QTY] != 0.0:
            equity += book[n, QTY] * book[n, MARK_PRICE]
    record_equity(account, equity, ts_ns[t])
    return float(equity)


@inlined
def decide_bar(t: int, market: Market, rules: Rules, groups: Groups, state: State) -> bool:
    """Decide target quantities from what is known at the close of bar `t`; True if one changed.

    Without equity everything is closed. A target without usable prediction keeps its position for
    `max_age_bars`, then closes; without a price, a needed volatility or the rate of funding of a perpetual it can only
    be reduced.
    """
    book, account, weights, current = state.book, state.account, state.proposed, state.current
    equity = account[EQUITY]
    if not equity > 0.0:
        return _close_all(book, account)
    taper = drawdown_taper(equity, account[PEAK], rules.taper_start, rules.taper_stop, rules.taper_floor)
    steady = rules.is_static and taper == 1.0
    per_equity = 1.0 / equity
    for n in range(book.shape[0]):
        current[n] = weight_of(book[n, TARGET_QTY], book[n, MARK_PRICE], per_equity)
        weights[n] = _wish(t, n, market, rules, rules.policy, state, current[n], taper)
    _limit(rules, groups, weights, state.totals)
    for n in range(book.shape[0]):
        if not _can_open(t, n, market, rules, book):
            weights[n] = reduce_only(weights[n], current[n])
            steady = False
        book[n, WEIGHT] = weights[n]
        if weights[n] != 0.0 and abs(weights[n] - current[n]) <= rules.band:
            weights[n] = current[n]
    if feasible_turnover(weights, current, rules.max_turnover):
        steady = False
    account[STEADY] = 1.0 if steady else 0.0
    changed = False
    for n in range(book.shape[0]):
        if weights[n] != 0.0 and abs(weights[n] - current[n]) * equity < rules.min_notional:
            continue
        if weights[n] != current[n]:
            book[n, TARGET_QTY] = weights[n] * equity / book[n, MARK_PRICE] if weights[n] != 0.0 else 0.0
            changed = True
    return changed


def run(
    start: int,
    market: Market,
    rules: Rules,
    groups: Groups,
    state: State,
    fills: np.ndarray,
    n_fills: int,
    equity: np.ndarray,
    weights: np.ndarray,
) -> tuple[int, int]:
    """Replay bars from `start` until the end or until `fills` might overflow.

    Writes `equity` (T,) and the held `weights` (T, N) at each close, NaN weights where equity is not
    positive. Returns the next bar to replay and the count of fills; call again with a longer tape to go on.
    """
    loop = loop_one if state.book.shape[0] == 1 else loop_any
    return loop(start, market, rules, groups, state, fills, n_fills, equity, weights)


def _make_loop(is_single: bool) -> Callable[..., tuple[int, int]]:
    """Make the loop of `run`, for any count of targets or for one; each is compiled when it is first used.

    `run` chooses between the two for Python; compiled code chooses by itself.
    """

    @unlocked
    def loop(
        start: int,
        market: Market,
        rules: Rules,
        groups: Groups,
        state: State,
        fills: np.ndarray,
        n_fills: int,
        equity: np.ndarray,
        weights: np.ndarray,
    ) -> tuple[int, int]:
        book, account, orders = state.book, state.account, state.orders
        n_targets = book.shape[0]
        if is_single and n_targets != 1:  # never so; it tells the compiler that every count below is 1
            return start, n_fills
        ts_ns, values, predictions = market.ts_ns, market.values, market.predictions
        latency = orders.shape[0]
        t = start
        while t < ts_ns.size:
            if rules.is_perpetual and n_fills + 2 * n_targets > fills.shape[0]:
                return t, n_fills
            if account[BUSY] > 0.0:
                if n_fills + n_targets > fills.shape[0]:
                    return t, n_fills
                n_fills = fill_bar(t, market, rules, state, fills, n_fills)
            elif account[STEADY] > 0.0 and not rules.needs_volatility and not rules.has_holding_cost:
                t += hold(
                    n_targets,
                    ts_ns[t:],
                    values[t:],
                    predictions[t:],
                    rules.band,
                    rules.taper_start,
                    book,
                    account,
                    equity[t:],
                    weights[t:],
                )
                if t == ts_ns.size:
                    break
            if rules.is_perpetual:
                n_fills = hold_bar(t, market, rules, state, fills, n_fills)
            elif rules.has_holding_cost:
                charge_borrow(t, n_targets, values, rules.borrow_frac, book, account)
            equity[t] = mark_bar(t, n_targets, ts_ns, values, rules, book, account)
            settled = _record_weights(t, n_targets, predictions, values, rules, book, account, weights)
            if not settled and decide_bar(t, market, rules, groups, state):
                account[BUSY] = latency
            if account[BUSY] > 0.0:
                for n in range(n_targets):
                    orders[t % latency, n] = book[n, TARGET_QTY]
            t += 1
        return t, n_fills

    return loop


loop_one, loop_any = _make_loop(is_single=True), _make_loop(is_single=False)


@inlined
def _record_weights(
    t: int,
    n_targets: int,
    predictions: np.ndarray,
    values: np.ndarray,
    rules: Rules,
    book: np.ndarray,
    account: np.ndarray,
    weights: np.ndarray,
) -> bool:
    """Write the held weights at the close of bar `t`, NaN without equity; True if `decide_bar` would repeat itself."""
    equity = account[EQUITY]
    per_equity = 1.0 / equity if equity > 0.0 else np.nan
    settled = account[STEADY] > 0.0 and equity >= account[PEAK] * (1.0 - rules.taper_start)
    for n in range(n_targets):
        weights[t, n] = weight_of(book[n, QTY], book[n, MARK_PRICE], per_equity)
        if settled:
            settled = repeats_in_book(n, predictions[t, n], values[t, n, CLOSE], per_equity, rules.band, book)
    return bool(settled)


@inlined
def _wish(
    t: int,
    n: int,
    market: Market,
    rules: Rules,
    policy: Policy | None,
    state: State,
    current: float,
    taper: float,
) -> float:
    """Sized weight before the limits; keeps the position while a missing prediction is not too old.

    `policy` None is the built-in rule; the compiler leaves out the other branch. An answer of a policy that is not
    finite counts as no prediction.
    """
    book = state.book
    prediction = market.predictions[t, n]
    confidence = market.confidence[t, n] if market.confidence.size else 1.0
    book[n, PREDICTION] = prediction
    if policy is not None:
        count_held(n, book)
    if not is_usable(prediction, confidence, rules.min_confidence):
        return _unanswered(n, rules, book, current)
    volatility = volatility_of(book[n, VARIANCE], book[n, N_RETURNS], rules.volatility_warmup)
    if policy is None:
        wish = score_to_weight(
            prediction,
            confidence,
            volatility * rules.horizon_root,
            book[n, TARGET_QTY],
            rules.entry_frac,
            rules.exit_frac,
            rules.full_sigmas,
            rules.allow_short,
        )
    else:
        cost_bps = 2.0 * (rules.fee_bps + rules.half_spread_bps)
        wish = ask(
            n,
            policy,
            prediction,
            confidence,
            volatility,
            rules.horizon_root,
            current,
            cost_bps,
            book,
            state.account,
        )
        if isnan(wish):
            return _unanswered(n, rules, book, current)
        if wish < 0.0 and not rules.allow_short:
            wish = 0.0
    book[n, AGE] = 0.0
    return taper * volatility_weight(wish, volatility, rules.volatility_target)


@inlined
def _unanswered(n: int, rules: Rules, book: np.ndarray, current: float) -> float:
    """Weight of a target about which nothing can be decided: as it is, and none once that has lasted too long."""
    book[n, AGE] += 1.0
    return current if book[n, AGE] <= rules.max_age_bars else 0.0


@inlined
def _can_open(t: int, n: int, market: Market, rules: Rules, book: np.ndarray) -> bool:
    """Tell whether target `n` may grow: price, usable prediction, needed volatility and funding are there."""
    if not market.values[t, n, CLOSE] > 0.0 or book[n, AGE] > 0.0:
        return False
    if rules.is_perpetual and not np.isfinite(market.funding[t, n]):
        return False
    if rules.opens_unmeasured:
        return True
    return volatility_of(book[n, VARIANCE], book[n, N_RETURNS], rules.volatility_warmup) > 0.0


@inlined
def _limit(rules: Rules, groups: Groups, weights: np.ndarray, totals: np.ndarray) -> None:
    """Budget and bucket caps of the sizing, then the risk check: single, gross, sector, style."""
    scale_gross(weights, rules.risk_budget)
    scale_groups(weights, groups.bucket, groups.bucket_caps, totals)
    clip_single(weights, rules.max_single)
    scale_gross(weights, rules.max_gross)
    scale_groups(weights, groups.sector, groups.sector_caps, totals)
    scale_groups(weights, groups.style, groups.style_caps, totals)


@kernel
def _close_all(book: np.ndarray, account: np.ndarray) -> bool:
    """Send every position to zero."""
    account[STEADY] = 0.0
    changed = False
    for n in range(book.shape[0]):
        changed = changed or book[n, TARGET_QTY] != 0.0
        book[n, TARGET_QTY] = 0.0
    return changed
