"""Bars on which `decide_bar` would provably decide what it decided before, and the loop that holds over them.

That is so where the last decision followed from the predictions alone (`account[STEADY]`), these are bit for bit the
same, no drawdown taper begins and every weight lies within its band of the decided one.
"""

import numpy as np

from marketsentry.kernels.account import (
    CASH,
    EQUITY,
    MARK_PRICE,
    PEAK,
    PREDICTION,
    QTY,
    TARGET_QTY,
    WEIGHT,
    unnoted_range,
)
from marketsentry.kernels.compiling import inlined

CLOSE = 3


@inlined
def weight_of(qty: float, price: float, per_equity: float) -> float:
    """Weight of a quantity; none without one, whatever price and equity are."""
    return qty * price * per_equity if qty != 0.0 else 0.0


@inlined
def repeats(
    prediction: float,
    decided_on: float,
    close: float,
    per_equity: float,
    band: float,
    target_qty: float,
    weight: float,
) -> bool:
    """Tell whether a target has its old prediction, a price, and a weight that the band would leave alone.

    The weight is the one the position has once everything decided is filled.
    """
    heading = weight_of(target_qty, close, per_equity)
    reach = band if weight != 0.0 else 0.0
    same = prediction == decided_on and close > 0.0
    return bool(same and abs(weight - heading) <= reach)


@inlined
def repeats_in_book(
    n: int, prediction: float, close: float, per_equity: float, band: float, book: np.ndarray
) -> bool:
    """Ask `repeats` about target `n` of the book."""
    return repeats(
        prediction, book[n, PREDICTION], close, per_equity, band, book[n, TARGET_QTY], book[n, WEIGHT]
    )


@inlined
def hold(
    n_targets: int,
    ts_ns: np.ndarray,
    values: np.ndarray,
    predictions: np.ndarray,
    band: float,
    taper_start: float,
    book: np.ndarray,
    account: np.ndarray,
    equity: np.ndarray,
    weights: np.ndarray,
) -> int:
    """Mark bars for as long as they change nothing but prices and equity; returns how many.

    It asks that the last decision is steady, nothing is on order and no volatility is kept. The arrays begin at the
    bar to go on with. One pass without a write to the book: a bar costs little more than reading it. Where it stops,
    the ordinary step goes on and notes the new day, peak or worst loss, or decides.
    """
    cash = account[CASH]
    day_end_ns, least, most = unnoted_range(account)
    least = max(least, account[PEAK] * (1.0 - taper_start))
    n_held = 0
    if n_targets == 1:
        n_held = _hold_one(
            ts_ns, values, predictions, band, day_end_ns, least, most, cash, book, equity, weights
        )
    else:
        for k in range(ts_ns.size):
            now = cash
            for n in range(n_targets):
                if book[n, QTY] != 0.0:
                    now += book[n, QTY] * values[k, n, CLOSE]
            per_equity = 1.0 / now
            steady = now > 0.0 and least <= now <= most and ts_ns[k] < day_end_ns
            for n in range(n_targets):
                close = values[k, n, CLOSE]
                steady = steady and repeats_in_book(n, predictions[k, n], close, per_equity, band, book)
                weights[k, n] = weight_of(book[n, QTY], close, per_equity)
            if not steady:
                break
            equity[k] = now
            n_held += 1
    if n_held > 0:
        account[EQUITY] = equity[n_held - 1]
        for n in range(n_targets):
            book[n, MARK_PRICE] = values[n_held - 1, n, CLOSE]
    return n_held


@inlined
def _hold_one(
    ts_ns: np.ndarray,
    values: np.ndarray,
    predictions: np.ndarray,
    band: float,
    day_end_ns: float,
    least: float,
    most: float,
    cash: float,
    book: np.ndarray,
    equity: np.ndarray,
    weights: np.ndarray,
) -> int:
    """Loop of `hold` for one target.

    It reads the row of the book once: after every write to `equity` the compiler would have to read it again.
    """
    qty, target_qty = book[0, QTY], book[0, TARGET_QTY]
    weight, decided_on = book[0, WEIGHT], book[0, PREDICTION]
    n_held = 0
    for k in range(ts_ns.size):
        close = values[k, 0, CLOSE]
        now = cash + qty * close if qty != 0.0 else cash
        per_equity = 1.0 / now
        if not (now > 0.0 and least <= now <= most and ts_ns[k] < day_end_ns):
            break
        if not repeats(predictions[k, 0], decided_on, close, per_equity, band, target_qty, weight):
            break
        equity[k] = now
        weights[k, 0] = weight_of(qty, close, per_equity)
        n_held += 1
    return n_held
