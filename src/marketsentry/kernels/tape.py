"""The tape of fills: one row of plain numbers for each, in time order."""

import numpy as np

from marketsentry.kernels.compiling import inlined

# Columns of the tape (n_fills, FILL_FIELDS).
FILL_BAR, FILL_SYMBOL, FILL_QTY, FILL_REFERENCE, FILL_PRICE, FILL_FEE, FILL_SLIPPAGE, FILL_IMPACT = range(8)
FILL_FUNDING = 8  # what holding the target has cost so far, before this fill
FILL_IS_LIQUIDATION = 9  # 1 where the venue closed the position
FILL_FIELDS = 10


@inlined
def note_fill(
    row: np.ndarray,
    t: int,
    n: int,
    qty: float,
    reference: float,
    price: float,
    fee: float,
    slippage: float,
    impact: float,
    funding: float,
    is_liquidation: float,
) -> None:
    """Write one row of the tape."""
    row[FILL_BAR] = t
    row[FILL_SYMBOL] = n
    row[FILL_QTY] = qty
    row[FILL_REFERENCE] = reference
    row[FILL_PRICE] = price
    row[FILL_FEE] = fee
    row[FILL_SLIPPAGE] = slippage
    row[FILL_IMPACT] = impact
    row[FILL_FUNDING] = funding
    row[FILL_IS_LIQUIDATION] = is_liquidation
