"""What a position costs while it is held, and where the venue takes it away.

One account in quote currency backs every position (cross margin, linear contracts). It is liquidated when its equity
falls below the maintenance margin, a fraction of the notional of all that it holds.
"""

import numpy as np

from marketsentry.kernels.account import CASH, FUNDING, FUNDING_GAPS, MARK_PRICE, QTY
from marketsentry.kernels.compiling import inlined, kernel

OPEN, HIGH, LOW, CLOSE = 0, 1, 2, 3

# Rates of funding (T, N): the sum of the rates charged in a bar, 0 where none is due; else one of
RATE_UNKNOWN = np.nan  # nothing is due, but the rate that was due last is unknown
DUE_UNKNOWN = np.inf  # a charge is due whose rate is unknown


@kernel
def charge_funding(
    rates: np.ndarray, closes: np.ndarray, missing_frac: float, book: np.ndarray, account: np.ndarray
) -> None:
    """Charge what is due at the close of a bar on the notional there: longs pay a positive rate, shorts receive it.

    `rates` and `closes` (N,). Where the rate is unknown either side pays `missing_frac`, and it is counted.
    """
    for n in range(book.shape[0]):
        rate = rates[n]
        if book[n, QTY] == 0.0 or rate == 0.0 or np.isnan(rate):
            continue
        notional = book[n, QTY] * (closes[n] if closes[n] > 0.0 else book[n, MARK_PRICE])
        charge = notional * rate
        if np.isinf(rate):
            charge = abs(notional) * missing_frac
            account[FUNDING_GAPS] += 1.0
        account[CASH] -= charge
        book[n, FUNDING] += charge


@inlined
def charge_borrow(
    t: int, n_targets: int, values: np.ndarray, borrow_frac: float, book: np.ndarray, account: np.ndarray
) -> None:
    """Charge `borrow_frac` of the notional of every short position at the close of bar `t`, booked as funding."""
    for n in range(n_targets):
        if book[n, QTY] < 0.0:
            close = values[t, n, CLOSE]
            price = close if close > 0.0 else book[n, MARK_PRICE]
            charge = -book[n, QTY] * price * borrow_frac
            account[CASH] -= charge
            book[n, FUNDING] += charge


@kernel
def liquidation_price(
    qty: float, entry_price: float, margin_quote: float, maintenance_frac: float, deduction_quote: float
) -> float:
    """Price at which equity equals maintenance; NaN where no positive price does.

    `margin_quote` is what backs the position: wallet, gains of the other positions, less their maintenance.
    `deduction_quote` is the venue's maintenance amount of the notional's bracket.
    """
    price = (margin_quote + deduction_quote - qty * entry_price) / (abs(qty) * maintenance_frac - qty)
    return price if price > 0.0 else np.nan


@kernel
def liquidation_point(
    bar: np.ndarray, maintenance_frac: float, book: np.ndarray, account: np.ndarray
) -> float:
    """How far prices went from the open to the worst of the bar when margin ran out, 0..1; NaN if it lasted.

    `bar` (N, 5). Longs meet the low and shorts the high of their bar, all at once: no order of events inside a
    bar is known, so the worst one counts. 0 says that the margin was gone at the open.
    """
    first = worst = account[CASH]
    is_held = False
    for n in range(book.shape[0]):
        if book[n, QTY] != 0.0:
            is_held = True
            free = book[n, QTY] - abs(book[n, QTY]) * maintenance_frac
            first += free * price_on_the_way(0.0, n, bar, book)
            worst += free * price_on_the_way(1.0, n, bar, book)
    if not is_held or worst >= 0.0:
        return np.nan
    return first / (first - worst) if first > 0.0 else 0.0


@kernel
def price_on_the_way(share: float, n: int, bar: np.ndarray, book: np.ndarray) -> float:
    """Price of target `n` after `share` of the way from its open to its worst; a lost bar stays at the last price."""
    start = bar[n, OPEN]
    if not start > 0.0:
        return float(book[n, MARK_PRICE])
    extreme = min(start, bar[n, LOW]) if book[n, QTY] > 0.0 else max(start, bar[n, HIGH])
    return float(start + share * (extreme - start))
