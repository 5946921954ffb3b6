"""Gross return from a bar's close over a horizon: the regression target."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def forward_return(close: NDArray[np.float64], horizon_bars: int) -> NDArray[np.float64]:
    """Measure the return from each close to the close `horizon_bars` later.

    Parameters
    ----------
    close : ndarray of shape (T,) or (T, N)
        Closes in quote currency, oldest first; NaN where the bar is lost.
    horizon_bars : int
        How far ahead, at least 1.

    Returns
    -------
    ndarray of the shape of `close`
        ``close[t + h] / close[t] - 1`` as a fraction, before cost. NaN in the last `h` rows, where either
        close is lost, and where the close at t is not positive.

    Raises
    ------
    InputError
        If `horizon_bars` is below 1.

    Notes
    -----
    Cost is not part of the target: it enters once, in evaluation, on traded turnover. Bars lost between the
    two closes do not matter to the return and are allowed.
    """
    if horizon_bars < 1:
        raise InputError(f"horizon must be >= 1, was {horizon_bars}")
    label = np.full(close.shape, np.nan)
    now, later = close[:-horizon_bars], close[horizon_bars:]
    np.divide(later, now, out=label[: len(now)], where=now > 0)
    return label - 1.0
