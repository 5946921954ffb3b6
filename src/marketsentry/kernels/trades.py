"""Fills by name and round trips, from flat to flat or to the other side, out of the tape of a replay.

Outputs are structured arrays of the dtypes in `core.backtest.tape`.
"""

import numpy as np

from marketsentry.kernels.compiling import inlined, kernel, unlocked
from marketsentry.kernels.tape import (
    FILL_BAR,
    FILL_FEE,
    FILL_FUNDING,
    FILL_IMPACT,
    FILL_IS_LIQUIDATION,
    FILL_PRICE,
    FILL_QTY,
    FILL_REFERENCE,
    FILL_SLIPPAGE,
    FILL_SYMBOL,
)

# Columns of a trade that is still open (N, TRADE_FIELDS).
TRADE_SIDE = 0
TRADE_ENTRY_BAR = 1
TRADE_QTY = 2  # all that was entered
TRADE_PAID = 3  # quantity times price, summed over the entries
TRADE_RECEIVED = 4  # the same over the exits
TRADE_FEE = 5
TRADE_SLIPPAGE = 6
TRADE_IMPACT = 7
TRADE_FUNDING = 8  # less what holding the target had cost before the trade began
TRADE_FIELDS = 9

ROUNDING_FRAC = 1e-12  # of what a trade entered: less is what adding up its fills has rounded


@inlined
def is_rounding(qty: float, entered_qty: float) -> bool:
    """Tell whether a quantity is no position but the rest that the fills of a trade leave by rounding.

    The fills of a position that the account closed do not add up to zero bit for bit. What they leave, on either
    side of flat, neither keeps the trade open nor begins the next.
    """
    return bool(abs(qty) <= ROUNDING_FRAC * entered_qty)


@unlocked
def name_fills(tape: np.ndarray, out: np.ndarray) -> None:
    """Write the columns of the tape (n_fills, FILL_FIELDS) under their names into `out` (n_fills,)."""
    for i in range(tape.shape[0]):
        fill, signed = out[i], tape[i, FILL_QTY]
        fill["bar"] = int(tape[i, FILL_BAR])
        fill["symbol"] = int(tape[i, FILL_SYMBOL])
        fill["side"] = 1 if signed > 0.0 else -1
        fill["qty"] = abs(signed)
        fill["reference_price"] = tape[i, FILL_REFERENCE]
        fill["price"] = tape[i, FILL_PRICE]
        fill["fee_quote"] = tape[i, FILL_FEE]
        fill["slippage_quote"] = tape[i, FILL_SLIPPAGE]
        fill["impact_quote"] = tape[i, FILL_IMPACT]
        fill["is_liquidation"] = tape[i, FILL_IS_LIQUIDATION] > 0.0


@unlocked
def round_trips(
    fills: np.ndarray,
    marks: np.ndarray,
    funding: np.ndarray,
    held: np.ndarray,
    live: np.ndarray,
    out: np.ndarray,
) -> int:
    """Group fills into trades, in order of their ends; trades still open come last.

    `fills` (n_fills, FILL_FIELDS) in time order, `marks` (N,) last prices, `funding` (N,) all that holding
    each target has cost. `held` (N,) and `live` (N, TRADE_FIELDS) are
    scratch of zeros. `out` needs room for n_fills + N rows; returns how many were written. A fill through
    zero closes one trade and opens the next, sharing its costs by quantity.
    """
    n_trades = 0
    for i in range(fills.shape[0]):
        n = int(fills[i, FILL_SYMBOL])
        signed = fills[i, FILL_QTY]
        if held[n] * signed < 0.0:
            closing = min(abs(signed), abs(held[n]))
            rest = abs(signed) - closing
            turns = not is_rounding(rest, live[n, TRADE_QTY])
            share = closing / abs(signed) if turns else 1.0
            _reduce(fills, i, share, closing, live[n])
            held[n] += np.copysign(closing, signed)
            if is_rounding(held[n], live[n, TRADE_QTY]):
                _finish(n, int(fills[i, FILL_BAR]), fills[i, FILL_FUNDING], live[n], out[n_trades])
                n_trades += 1
                held[n] = 0.0
            if turns:
                _enter(fills, i, 1.0 - share, rest, live[n])
                held[n] = np.copysign(rest, signed)
        else:
            _enter(fills, i, 1.0, abs(signed), live[n])
            held[n] += signed
    for n in range(held.size):
        if held[n] != 0.0:
            live[n, TRADE_RECEIVED] += abs(held[n]) * marks[n]
            _finish(n, -1, funding[n], live[n], out[n_trades])
            n_trades += 1
    return n_trades


@kernel
def _enter(fills: np.ndarray, i: int, share: float, qty: float, trade: np.ndarray) -> None:
    """Add to a trade, opening it if it is empty."""
    if trade[TRADE_QTY] == 0.0:
        trade[TRADE_SIDE] = np.copysign(1.0, fills[i, FILL_QTY])
        trade[TRADE_ENTRY_BAR] = fills[i, FILL_BAR]
        trade[TRADE_FUNDING] = -fills[i, FILL_FUNDING]
    trade[TRADE_QTY] += qty
    trade[TRADE_PAID] += qty * fills[i, FILL_PRICE]
    _charge(fills, i, share, trade)


@kernel
def _reduce(fills: np.ndarray, i: int, share: float, qty: float, trade: np.ndarray) -> None:
    """Take from a trade."""
    trade[TRADE_RECEIVED] += qty * fills[i, FILL_PRICE]
    _charge(fills, i, share, trade)


@kernel
def _charge(fills: np.ndarray, i: int, share: float, trade: np.ndarray) -> None:
    """Book a share of a fill's costs."""
    trade[TRADE_FEE] += share * fills[i, FILL_FEE]
    trade[TRADE_SLIPPAGE] += share * fills[i, FILL_SLIPPAGE]
    trade[TRADE_IMPACT] += share * fills[i, FILL_IMPACT]


@kernel
def _finish(n: int, exit_bar: int, funding: float, trade: np.ndarray, out: np.void) -> None:
    """Write the trade with average prices and its gain, and empty the scratch row; `exit_bar` is -1 while open.

    `funding` is what holding the target has cost by then. Fill prices hold slippage and impact already, so only the
    fee and the funding are left to subtract.
    """
    out["symbol"] = n
    out["side"] = int(trade[TRADE_SIDE])
    out["entry_bar"] = int(trade[TRADE_ENTRY_BAR])
    out["exit_bar"] = exit_bar
    out["qty"] = trade[TRADE_QTY]
    out["entry_price"] = trade[TRADE_PAID] / trade[TRADE_QTY]
    out["exit_price"] = trade[TRADE_RECEIVED] / trade[TRADE_QTY]
    out["fee_quote"] = trade[TRADE_FEE]
    out["slippage_quote"] = trade[TRADE_SLIPPAGE]
    out["impact_quote"] = trade[TRADE_IMPACT]
    out["funding_quote"] = trade[TRADE_FUNDING] + funding
    gained = trade[TRADE_SIDE] * (trade[TRADE_RECEIVED] - trade[TRADE_PAID])
    out["pnl_quote"] = gained - trade[TRADE_FEE] - out["funding_quote"]
    for k in range(trade.size):
        trade[k] = 0.0
