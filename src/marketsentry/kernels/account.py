"""The book of one account as plain numbers: one row per target, one row for the account.

Both arrays hold everything a decision needs besides the market, so they can be stored and taken up again.
"""

import numpy as np

from marketsentry.kernels.compiling import inlined, kernel

DAY_NS = 86_400_000_000_000

# Columns of the book (N, BOOK_FIELDS). Quantities are signed base units; money is quote currency.
QTY = 0
TARGET_QTY = 1  # where the last decision wants the position
AVG_PRICE = 2  # of the open position, at fill prices; 0 when flat
MARK_PRICE = 3  # last known price; NaN before the first
AGE = 4  # bars since the last usable prediction
VARIANCE = 5  # of bar returns
N_RETURNS = 6
WEIGHT = 7  # last decided weight, before the no-trade band and the turnover limit
PREDICTION = 8  # last prediction decided on
REALISED = 9  # closed price differences at fill prices, before fees
FEE = 10
SLIPPAGE = 11
IMPACT = 12
FUNDING = 13  # paid for holding the position, less what was received
HELD_BARS = 14  # closes since a policy decided this side, with the side's sign; not kept without a policy
BOOK_FIELDS = 15

# Fields of the account row (ACCOUNT_FIELDS,).
CASH = 0
EQUITY = 1
PEAK = 2
DAY_END = 3  # end of the UTC day of the last mark, epoch ns; whole seconds, so exact as a float
DAY_START = 4  # equity at the last mark of the day before
WORST_DAY = 5  # largest loss since the start of a UTC day, as a positive fraction of its start
BUSY = 6  # bars for which orders may still be on their way or unfilled
STEADY = 7  # 1 when the last decided weights follow from the predictions alone
FUNDING_GAPS = 8  # charges of funding whose rate is unknown
LIQUIDATIONS = 9
ACCOUNT_FIELDS = 10


@kernel
def apply_fill(
    book: np.ndarray,
    account: np.ndarray,
    n: int,
    new_qty: float,
    reference: float,
    price: float,
    fee: float,
    slippage: float,
    impact: float,
) -> None:
    """Move the position to `new_qty`: cash pays the reference notional and each cost once.

    `price` is the reference with slippage and impact in it; average price and realised gain use it.
    """
    old_qty = book[n, QTY]
    signed = new_qty - old_qty
    if old_qty * signed >= 0.0:
        book[n, AVG_PRICE] = (abs(old_qty) * book[n, AVG_PRICE] + abs(signed) * price) / abs(new_qty)
    else:
        closed = min(abs(old_qty), abs(signed))
        book[n, REALISED] += np.copysign(closed, old_qty) * (price - book[n, AVG_PRICE])
        if new_qty == 0.0:
            book[n, AVG_PRICE] = 0.0
        elif new_qty * old_qty < 0.0:
            book[n, AVG_PRICE] = price
    book[n, QTY] = new_qty
    book[n, FEE] += fee
    book[n, SLIPPAGE] += slippage
    book[n, IMPACT] += impact
    account[CASH] -= signed * reference + (fee + slippage + impact)


@kernel
def record_equity(account: np.ndarray, equity: float, ts_ns: int) -> None:
    """Keep equity, its peak, the start of the UTC day and the worst loss within a day."""
    if ts_ns >= account[DAY_END]:
        account[DAY_END] = (ts_ns // DAY_NS + 1) * DAY_NS
        account[DAY_START] = account[EQUITY]
    account[EQUITY] = equity
    if equity > account[PEAK]:
        account[PEAK] = equity
    if equity < account[DAY_START] * (1.0 - account[WORST_DAY]):
        account[WORST_DAY] = 1.0 - equity / account[DAY_START]


@inlined
def unnoted_range(account: np.ndarray) -> tuple[float, float, float]:
    """End of the day in epoch ns, least and most equity for which `record_equity` notes the equity alone."""
    return account[DAY_END], account[DAY_START] * (1.0 - account[WORST_DAY]), account[PEAK]


@kernel
def unrealised(book: np.ndarray, n: int) -> float:
    """Open gain of one position at its last known price, before the cost of closing it."""
    return book[n, QTY] * (book[n, MARK_PRICE] - book[n, AVG_PRICE]) if book[n, QTY] != 0.0 else 0.0
