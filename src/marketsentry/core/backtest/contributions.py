"""What each symbol added to an account over time, from the stored outcome of a replay."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.funding import holding_cost
from marketsentry.core.backtest.replay import ReplayResult


def symbol_pnl_curves(
    equity_quote: NDArray[np.float64],
    weights: NDArray[np.float64],
    fills: NDArray[np.void],
    holding_quote: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Cumulate the profit and loss of every symbol, net of its costs.

    Parameters
    ----------
    equity_quote
        (T,) account equity at each close, quote currency.
    weights
        (T, N) held notional over equity at each close.
    fills
        Structured array of fills with `bar`, `symbol` (column), `side`, `qty`, `price` and `fee_quote`, where
        `price` holds slippage and impact.
    holding_quote
        (T, N) what holding each position cost in each bar, funding or borrowing; None if nothing.

    Returns
    -------
    ndarray
        (T, N) quote currency: value of what is held, plus what sales brought, less what buying, fees and holding took.
        The symbols of a bar add up to the equity less the capital at the start. NaN where a weight is NaN.
    """
    flows = np.zeros(weights.shape)
    paid = fills["side"] * fills["qty"] * fills["price"] + fills["fee_quote"]
    np.subtract.at(flows, (fills["bar"], fills["symbol"]), paid)
    if holding_quote is not None:
        flows -= holding_quote
    curves: NDArray[np.float64] = weights * equity_quote[:, None] + np.cumsum(flows, axis=0)
    return curves


def bar_pnl(account: ReplayResult) -> NDArray[np.float64]:
    """Profit and loss (T, N) of every symbol in every bar, net of its costs; NaN where there is no equity."""
    holding = holding_cost(account.equity, account.weights, account.params, account.funding)
    curves = symbol_pnl_curves(account.equity, account.weights, account.fills, holding)
    return np.diff(curves, axis=0, prepend=0.0)
