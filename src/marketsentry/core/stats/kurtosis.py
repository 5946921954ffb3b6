"""Kurtosis: how much of the variation lies in few large returns."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import standardised


def kurtosis(returns: NDArray[np.float64]) -> float | None:
    """Fourth standardised moment of returns.

    Parameters
    ----------
    returns
        Shape (n,). Finite.

    Returns
    -------
    float or None
        Dimensionless, 3 for a normal distribution. None with fewer than four returns or when they do not vary.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite.

    Notes
    -----
    ``mean(z^4)`` with ``z = (r - mean) / std`` and the deviation of the sample itself (n in the denominator).
    """
    z = standardised(returns)
    return float(np.mean(z**4)) if z is not None and z.size >= 4 else None
