"""Sortino ratio of periodic returns."""

import math

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import check_returns


def sortino(returns: NDArray[np.float64], *, periods_per_year: float) -> float | None:
    """Annualise the mean of returns over their downside deviation, both against zero.

    Parameters
    ----------
    returns
        Shape (n,). Simple returns per period as fractions, after costs, finite.
    periods_per_year
        Periods in 365 days.

    Returns
    -------
    float or None
        Dimensionless. None with fewer than two returns or without a loss, where it has no meaning.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite, or `periods_per_year` is not positive.

    Notes
    -----
    Downside deviation is ``sqrt(mean(min(r, 0)^2))`` over all n periods, gains counting as zero.

    References
    ----------
    Sortino and van der Meer (1991), "Downside risk", Journal of Portfolio Management 17(4), 27-31.
    """
    check_returns(returns, periods_per_year)
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2))) if returns.size else 0.0
    if returns.size < 2 or downside == 0.0:
        return None
    return float(returns.mean()) / downside * math.sqrt(periods_per_year)
