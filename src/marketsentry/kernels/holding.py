"""One bar of holding perpetuals: liquidation inside it, funding at its close."""

import numpy as np

from marketsentry.kernels.account import (
    BUSY,
    CASH,
    FUNDING,
    LIQUIDATIONS,
    QTY,
    STEADY,
    TARGET_QTY,
    apply_fill,
)
from marketsentry.kernels.compiling import kernel
from marketsentry.kernels.margin import CLOSE, charge_funding, liquidation_point, price_on_the_way
from marketsentry.kernels.records import Market, Rules, State
from marketsentry.kernels.tape import note_fill


@kernel
def hold_bar(t: int, market: Market, rules: Rules, state: State, fills: np.ndarray, n_fills: int) -> int:
    """Hold perpetuals through bar `t`; returns the new count of fills.

    An account whose margin does not last is liquidated inside the bar; what is still held at the close pays funding.
    """
    book, account = state.book, state.account
    point = liquidation_point(market.values[t], rules.maintenance_frac, book, account)
    if point >= 0.0:
        n_fills = _liquidate(t, point, market, rules, state, fills, n_fills)
    charge_funding(market.funding[t], market.values[t, :, CLOSE], rules.missing_funding_frac, book, account)
    return n_fills


@kernel
def _liquidate(
    t: int, point: float, market: Market, rules: Rules, state: State, fills: np.ndarray, n_fills: int
) -> int:
    """Close every position where margin ran out, whatever the volume, and cancel what is on order.

    The fee of the venue is at most the equity that is left; a loss beyond it is the account's.
    """
    book, account, prices = state.book, state.account, state.current
    left, notional = account[CASH], 0.0
    for n in range(book.shape[0]):
        if book[n, QTY] != 0.0:
            prices[n] = price_on_the_way(point, n, market.values[t], book)
            left += book[n, QTY] * prices[n]
            notional += abs(book[n, QTY]) * prices[n]
    fee_frac = min(rules.liquidation_fee_frac, max(left, 0.0) / notional)
    for n in range(book.shape[0]):
        book[n, TARGET_QTY] = 0.0
        state.orders[:, n] = 0.0
        qty, price = book[n, QTY], prices[n]
        if qty == 0.0:
            continue
        fee = fee_frac * abs(qty) * price
        apply_fill(book, account, n, 0.0, price, price, fee, 0.0, 0.0)
        note_fill(fills[n_fills], t, n, -qty, price, price, fee, 0.0, 0.0, book[n, FUNDING], 1.0)
        n_fills += 1
    account[BUSY] = account[STEADY] = 0.0
    account[LIQUIDATIONS] += 1.0
    return n_fills
