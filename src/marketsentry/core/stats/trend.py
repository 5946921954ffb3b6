"""Trend of a short series: a slope that outliers do not move, and whether it could be chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

MIN_POINTS = 4


@dataclass(frozen=True, slots=True)
class Trend:
    """`slope` per unit of time; `p_value` is two-sided, of no trend."""

    slope: float
    p_value: float


def trend(at: NDArray[np.float64], values: NDArray[np.float64]) -> Trend | None:
    """Fit the slope of Theil and Sen, and test it by Mann and Kendall.

    Parameters
    ----------
    at
        Shape (n,). When each value was measured, increasing, in any unit.
    values
        Shape (n,). Finite, independent of one another apart from the trend.

    Returns
    -------
    Trend or None
        None with fewer than `MIN_POINTS` values.

    Raises
    ------
    InputError
        If the shapes differ, a value is not finite, or the times do not increase.

    Notes
    -----
    The slope is the median over all pairs of ``(v_j - v_i) / (t_j - t_i)``. The statistic ``S`` is the sum of the signs
    of ``v_j - v_i``; its variance ``(n (n - 1) (2 n + 5) - sum of g (g - 1) (2 g + 5)) / 18`` over groups of ``g``
    equal values; the normal approximation has a correction for continuity. O(n^2): meant for tens of points.

    References
    ----------
    Sen (1968), "Estimates of the regression coefficient based on Kendall's tau", JASA 63(324), 1379-1389.
    Kendall (1975), "Rank correlation methods".
    """
    if at.shape != values.shape or at.ndim != 1:
        raise InputError(f"times and values must have one shape (n,), were {at.shape} and {values.shape}")
    if not np.isfinite(values).all() or not (np.diff(at) > 0).all():
        raise InputError("values must be finite and their times increasing")
    n = values.size
    if n < MIN_POINTS:
        return None
    i, j = np.triu_indices(n, 1)
    rises = values[j] - values[i]
    score = float(np.sign(rises).sum())
    sizes = np.unique(values, return_counts=True)[1].astype(np.float64)
    ties = float((sizes * (sizes - 1.0) * (2.0 * sizes + 5.0)).sum())
    variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0
    z = max(abs(score) - 1.0, 0.0) / math.sqrt(variance) if variance > 0.0 else 0.0
    return Trend(float(np.median(rises / (at[j] - at[i]))), math.erfc(z / math.sqrt(2.0)))
