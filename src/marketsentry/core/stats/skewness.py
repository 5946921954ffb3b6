"""Skewness: whether the large returns are gains or losses."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import standardised


def skewness(returns: NDArray[np.float64]) -> float | None:
    """Third standardised moment of returns.

    Parameters
    ----------
    returns
        Shape (n,). Finite.

    Returns
    -------
    float or None
        Dimensionless; below zero the large returns are losses. None with fewer than three returns or when they do not
        vary.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite.

    Notes
    -----
    ``mean(z^3)`` with ``z = (r - mean) / std`` and the deviation of the sample itself (n in the denominator).
    """
    z = standardised(returns)
    return float(np.mean(z**3)) if z is not None and z.size >= 3 else None
