"""Sharpe ratio of periodic returns, with its standard error."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import check_returns

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Sharpe:
    """Annualised ratio and its 95 % interval."""

    value: float
    low: float
    high: float


def sharpe(returns: NDArray[np.float64], *, periods_per_year: float) -> Sharpe | None:
    """Annualise the mean of returns over their deviation, against a riskless rate of zero.

    Parameters
    ----------
    returns
        Shape (n,). Simple returns per period as fractions, after costs, finite. Flat periods count too.
    periods_per_year
        Periods in 365 days.

    Returns
    -------
    Sharpe or None
        The ratio and its two-sided 95 % interval. None with fewer than two returns or when they do not vary.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite, or `periods_per_year` is not positive.

    Notes
    -----
    ``S = mean / std * sqrt(periods_per_year)`` with the sample deviation. The standard error per period is
    ``sqrt((1 + s^2 (k - 1) / 4 - s g) / n)``, with skewness ``g`` and kurtosis ``k`` (3 for a normal); it
    holds for independent returns. It does not correct for how many strategies were tried.

    References
    ----------
    Lo (2002), "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), 36-52.
    Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)".
    """
    check_returns(returns, periods_per_year)
    if returns.size < 2:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    if not deviation > 1e-14 * float(np.abs(returns).max()):
        return None
    ratio = mean / deviation
    z = (returns - mean) / float(returns.std())
    skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    variance = (1.0 + ratio**2 * (kurtosis - 1.0) / 4.0 - ratio * skew) / returns.size
    year = math.sqrt(periods_per_year)
    margin = Z_95 * math.sqrt(max(variance, 0.0))
    return Sharpe(ratio * year, (ratio - margin) * year, (ratio + margin) * year)


def sharpe_from_sums(
    n_returns: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the ratio per period of returns of which only the sums are known.

    Parameters
    ----------
    n_returns
        How many returns; any shape that broadcasts with the others.
    total
        Their sum.
    squares
        The sum of their squares.

    Returns
    -------
    ndarray of the broadcast shape
        Mean over sample deviation; NaN with fewer than two returns, where they do not vary, and where a sum is NaN.
    """
    mean, square = total / n_returns, squares / n_returns
    variance = square - mean * mean
    varies = (variance > 1e-13 * square) & (n_returns > 1)
    deviation = np.sqrt(np.where(varies, variance, 0.0) * n_returns / np.maximum(n_returns - 1.0, 1.0))
    ratio = np.full(variance.shape, np.nan)
    np.divide(mean, deviation, out=ratio, where=varies)
    return ratio
