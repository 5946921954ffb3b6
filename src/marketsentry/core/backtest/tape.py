"""Fills and round trips as structured arrays: columns by name, plain numbers, no objects."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.kernels import trades as kernel

FILL_DTYPE = np.dtype(
    [
        ("bar", np.int64),
        ("symbol", np.int32),
        ("side", np.int8),
        ("qty", np.float64),
        ("reference_price", np.float64),
        ("price", np.float64),
        ("fee_quote", np.float64),
        ("slippage_quote", np.float64),
        ("impact_quote", np.float64),
        ("is_liquidation", np.bool_),
    ]
)
TRADE_DTYPE = np.dtype(
    [
        ("symbol", np.int32),
        ("side", np.int8),
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("qty", np.float64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("fee_quote", np.float64),
        ("slippage_quote", np.float64),
        ("impact_quote", np.float64),
        ("funding_quote", np.float64),
        ("pnl_quote", np.float64),
    ]
)


def fills_of(tape: NDArray[np.float64]) -> NDArray[np.void]:
    """Name the columns of the kernel's fill tape.

    `qty` is positive in base units, `side` +1 or -1, `symbol` the column of the panel, `bar` its row. `price`
    is `reference_price` (the bar's open) with slippage and impact in it; that of a liquidation is both.
    """
    fills = np.empty(len(tape), dtype=FILL_DTYPE)
    kernel.name_fills(tape, fills)
    return fills


def fills_between(fills: NDArray[np.void], start: int, stop: int) -> NDArray[np.void]:
    """Those of the bars `start` to `stop` (exclusive), as a view: fills are in the order of their bars."""
    first, last = np.searchsorted(fills["bar"], (start, stop))
    return fills[first:last]


def trades_of(
    tape: NDArray[np.float64], marks: NDArray[np.float64], funding: NDArray[np.float64]
) -> NDArray[np.void]:
    """Group the fill tape into round trips, in order of their ends; those still open come last.

    `qty` is all that was entered, prices are averages at fill prices, `pnl_quote` is after all costs. An open
    trade has `exit_bar` -1 and counts the rest of its position at `marks` (N,), before the cost of closing. `funding`
    (N,) is what holding each target has cost; a trade has the part that fell due while it was open.
    """
    n_targets = marks.size
    trades = np.empty(len(tape) + n_targets, dtype=TRADE_DTYPE)
    live = np.zeros((n_targets, kernel.TRADE_FIELDS))
    n_trades = kernel.round_trips(tape, marks, funding, np.zeros(n_targets), live, trades)
    return trades[:n_trades]
