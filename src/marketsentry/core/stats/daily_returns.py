"""Returns by day, out of what an account gained bar by bar."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

DAY_NS = 86_400_000_000_000


def daily_returns(
    pnl_quote: NDArray[np.float64], equity_before_quote: NDArray[np.float64], ts_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Add up the profit and loss of each UTC day over the equity at its start.

    Parameters
    ----------
    pnl_quote
        Shape (T,). Gained in each bar, of the account or of one symbol in it.
    equity_before_quote
        Shape (T,). Equity of the account at the close before each bar.
    ts_ns
        Shape (T,). Open times, UTC epoch ns, increasing; a bar belongs to the day in which it opens.

    Returns
    -------
    ndarray of shape (n_days,)
        One per day that has a bar, as a fraction; NaN where there was no equity. The first and last day may be short.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if not pnl_quote.shape == equity_before_quote.shape == ts_ns.shape or ts_ns.ndim != 1:
        shapes = f"{pnl_quote.shape}, {equity_before_quote.shape} and {ts_ns.shape}"
        raise InputError(f"pnl, equity and times must have one shape (T,), were {shapes}")
    if ts_ns.size == 0:
        return np.empty(0)
    firsts = day_starts(ts_ns)
    before = equity_before_quote[firsts]
    returns = np.full(firsts.size, np.nan)
    np.divide(np.add.reduceat(pnl_quote, firsts), before, out=returns, where=before > 0.0)
    return returns


def day_starts(ts_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows at which a UTC day begins, the first row among them."""
    day = ts_ns // DAY_NS
    starts: NDArray[np.int64] = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
    return starts
