"""Round trips out of a tape of fills: from flat to flat, or to the other side."""

import numpy as np

from marketsentry.kernels.compiling import kernel
from marketsentry.kernels.replay import (
    FILL_BAR,
    FILL_FEE,
    FILL_IMPACT,
    FILL_PRICE,
    FILL_QTY,
    FILL_SLIPPAGE,
    FILL_SYMBOL,
)

# Columns of a trade (n_trades, TRADE_FIELDS).
TRADE_SYMBOL = 0
TRADE_SIDE = 1
TRADE_ENTRY_BAR = 2
TRADE_EXIT_BAR = 3  # -1 while open
TRADE_QTY = 4  # all that was entered
TRADE_ENTRY_PRICE = 5  # average paid
TRADE_EXIT_PRICE = 6  # average received; of an open trade the rest counts at its mark
TRADE_FEE = 7
TRADE_SLIPPAGE = 8
TRADE_IMPACT = 9
TRADE_PNL = 10  # after all costs
TRADE_FIELDS = 11


@kernel
def round_trips(
    fills: np.ndarray, marks: np.ndarray, held: np.ndarray, live: np.ndarray, out: np.ndarray
) -> int:
    """Group fills into trades, in order of their ends; trades still open come last.

    `fills` (n_fills, 8) in time order, `marks` (N,) last prices. `held` (N,) and `live` (N, TRADE_FIELDS) are
    scratch of zeros. `out` needs room for n_fills + N rows; returns how many were written. A fill through
    zero closes one trade and opens the next, sharing its costs by quantity.
    """
    n_trades = 0
    for i in range(fills.shape[0]):
        n = int(fills[i, FILL_SYMBOL])
        signed = fills[i, FILL_QTY]
        if held[n] * signed < 0.0:
            closing = min(abs(signed), abs(held[n]))
            share = closing / abs(signed)
            _reduce(fills, i, share, closing, live[n])
            held[n] += np.copysign(closing, signed)
            rest = abs(signed) - closing
            if abs(held[n]) <= 1e-12 * live[n, TRADE_QTY]:
                live[n, TRADE_EXIT_BAR] = fills[i, FILL_BAR]
                _finish(live[n], out[n_trades])
                n_trades += 1
                held[n] = 0.0
            if rest > 0.0:
                _enter(fills, i, 1.0 - share, rest, live[n])
                held[n] = np.copysign(rest, signed)
        else:
            _enter(fills, i, 1.0, abs(signed), live[n])
            held[n] += signed
    for n in range(held.size):
        if held[n] != 0.0:
            live[n, TRADE_EXIT_BAR] = -1.0
            live[n, TRADE_EXIT_PRICE] += abs(held[n]) * marks[n]
            _finish(live[n], out[n_trades])
            n_trades += 1
    return n_trades


@kernel
def _enter(fills: np.ndarray, i: int, share: float, qty: float, trade: np.ndarray) -> None:
    """Add to a trade, opening it if it is empty; price columns hold money until the end."""
    if trade[TRADE_QTY] == 0.0:
        trade[TRADE_SYMBOL] = fills[i, FILL_SYMBOL]
        trade[TRADE_SIDE] = np.copysign(1.0, fills[i, FILL_QTY])
        trade[TRADE_ENTRY_BAR] = fills[i, FILL_BAR]
    trade[TRADE_QTY] += qty
    trade[TRADE_ENTRY_PRICE] += qty * fills[i, FILL_PRICE]
    _charge(fills, i, share, trade)


@kernel
def _reduce(fills: np.ndarray, i: int, share: float, qty: float, trade: np.ndarray) -> None:
    """Take from a trade."""
    trade[TRADE_EXIT_PRICE] += qty * fills[i, FILL_PRICE]
    _charge(fills, i, share, trade)


@kernel
def _charge(fills: np.ndarray, i: int, share: float, trade: np.ndarray) -> None:
    """Book a share of a fill's costs."""
    trade[TRADE_FEE] += share * fills[i, FILL_FEE]
    trade[TRADE_SLIPPAGE] += share * fills[i, FILL_SLIPPAGE]
    trade[TRADE_IMPACT] += share * fills[i, FILL_IMPACT]


@kernel
def _finish(trade: np.ndarray, out: np.ndarray) -> None:
    """Turn money into average prices, write the trade and empty the scratch row.

    Fill prices hold slippage and impact already, so only the fee is left to subtract.
    """
    gain = trade[TRADE_SIDE] * (trade[TRADE_EXIT_PRICE] - trade[TRADE_ENTRY_PRICE])
    trade[TRADE_PNL] = gain - trade[TRADE_FEE]
    trade[TRADE_ENTRY_PRICE] /= trade[TRADE_QTY]
    trade[TRADE_EXIT_PRICE] /= trade[TRADE_QTY]
    for k in range(trade.size):
        out[k] = trade[k]
        trade[k] = 0.0
