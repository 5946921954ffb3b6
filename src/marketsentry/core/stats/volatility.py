"""Volatility of periodic returns."""

import math

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def volatility(returns: NDArray[np.float64], *, periods_per_year: float) -> float | None:
    """Annualise the sample standard deviation of returns.

    Parameters
    ----------
    returns
        Shape (n,). Simple returns per period as fractions, finite.
    periods_per_year
        Periods in 365 days.

    Returns
    -------
    float or None
        Fraction per year; None with fewer than two returns.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite, or `periods_per_year` is not positive.
    """
    check_returns(returns, periods_per_year)
    if returns.size < 2:
        return None
    return float(np.std(returns, ddof=1)) * math.sqrt(periods_per_year)


def check_returns(returns: NDArray[np.float64], periods_per_year: float) -> None:
    """Refuse returns that no ratio can be made of."""
    check_finite(returns)
    if not periods_per_year > 0:
        raise InputError(f"periods_per_year must be > 0, was {periods_per_year}")


def check_finite(returns: NDArray[np.float64]) -> None:
    """Refuse returns that are not one finite vector."""
    if returns.ndim != 1 or not np.isfinite(returns).all():
        raise InputError(f"returns must be finite with shape (n,), was shape {returns.shape}")


def standardised(returns: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Give returns less their mean, over their own deviation; None when they do not vary beyond rounding."""
    check_finite(returns)
    deviation = float(returns.std()) if returns.size else 0.0
    if not deviation > 1e-14 * float(np.abs(returns).max(initial=0.0)):
        return None
    z: NDArray[np.float64] = (returns - returns.mean()) / deviation
    return z
