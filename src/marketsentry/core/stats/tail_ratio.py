"""Tail ratio: good days over bad days, away from the middle."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import check_finite

MIN_RETURNS = 20


def tail_ratio(returns: NDArray[np.float64]) -> float | None:
    """Divide the 95th percentile of returns by the size of the 5th.

    Parameters
    ----------
    returns
        Shape (n,). Simple returns per day as fractions, after costs, finite.

    Returns
    -------
    float or None
        Dimensionless; above 1 the good tail is the longer one. None with fewer than `MIN_RETURNS` returns, of which the
        5th percentile would be the worst alone, and when that percentile is zero.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite.

    Notes
    -----
    ``|q95| / |q5|`` with linear interpolation between order statistics. Sizes, as in empyrical: with a 95th percentile
    below zero, or a 5th above, it says nothing of use.

    References
    ----------
    Quantopian (2016), empyrical, `tail_ratio`.
    """
    check_finite(returns)
    if returns.size < MIN_RETURNS:
        return None
    low, high = np.abs(np.quantile(returns, (0.05, 0.95)))
    return float(high / low) if low > 0.0 else None
