"""Deflated Sharpe ratio: what is left of a Sharpe ratio that is the best of many trials."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.volatility import check_returns
from marketsentry.exceptions import InputError

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


def expected_maximum_sharpe(n_trials: int, deviation: float) -> float:
    """Say how high the best of some worthless trials is expected to come out.

    Parameters
    ----------
    n_trials
        Independent trials, >= 1. Trials that resemble one another count as fewer; counting them all errs on the safe
        side.
    deviation
        Standard deviation of the Sharpe ratios of the trials, >= 0; its unit (per bar, per year) is the result's.

    Returns
    -------
    float
        0 for one trial: nothing was chosen.

    Raises
    ------
    InputError
        If `n_trials` or `deviation` is out of range.

    Notes
    -----
    ``deviation * ((1 - g) Z(1 - 1 / n) + g Z(1 - 1 / (n e)))`` with ``Z`` the normal quantile and ``g`` the constant of
    Euler and Mascheroni.

    References
    ----------
    Bailey and Lopez de Prado (2014), "The deflated Sharpe ratio", Journal of Portfolio Management 40(5), 94-107.
    """
    if n_trials < 1:
        raise InputError(f"n_trials must be >= 1, was {n_trials}")
    if not 0.0 <= deviation < math.inf:
        raise InputError(f"deviation must be >= 0 and finite, was {deviation}")
    if n_trials == 1:
        return 0.0
    usual = _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    far = _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return deviation * ((1.0 - EULER_GAMMA) * usual + EULER_GAMMA * far)


def upper_deviation(ratios: NDArray[np.float64]) -> float:
    """Measure the spread of the trials on the side of the good ones.

    Parameters
    ----------
    ratios
        Shape (n,), n >= 2, finite: Sharpe ratios of the trials.

    Returns
    -------
    float
        For a symmetric spread an estimate of the standard deviation; for two ratios it is the sample deviation.

    Raises
    ------
    InputError
        If there are fewer than two ratios, or one is not finite.

    Notes
    -----
    ``sqrt(n / (n - 1) * mean of (x - median)^2 over x >= median)``. The best of many trials comes from the upper tail.
    A trial that was ruined by its costs is far below the others; in the standard deviation it would lift the bar for
    every later one, as if such a distance could also be won by luck.
    """
    if ratios.ndim != 1 or ratios.size < 2 or not np.isfinite(ratios).all():
        raise InputError(f"ratios must be finite with shape (n,) and n >= 2, was shape {ratios.shape}")
    median = float(np.median(ratios))
    above = ratios[ratios >= median] - median
    return math.sqrt(ratios.size / (ratios.size - 1) * float(np.mean(above**2)))


def sharpe_probability(
    ratio: float, benchmark: float, *, n_returns: int, skewness: float, kurtosis: float
) -> float | None:
    """Give the probability that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    ratio
        Measured Sharpe ratio per period, not annualised.
    benchmark
        What it is held against, per period.
    n_returns
        Returns behind it, >= 2.
    skewness
        Of the returns; 0 for a normal.
    kurtosis
        Of the returns; 3 for a normal.

    Returns
    -------
    float or None
        In 0..1; None where skewness and kurtosis leave no variance, which no sample of returns can show.

    Raises
    ------
    InputError
        If `n_returns` is below 2.

    Notes
    -----
    ``Phi((ratio - benchmark) sqrt(n - 1) / sqrt(1 - g ratio + (k - 1) / 4 ratio^2))``. It holds for independent
    returns.

    References
    ----------
    Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk 15(2), 3-44.
    """
    if n_returns < 2:
        raise InputError(f"n_returns must be >= 2, was {n_returns}")
    variance = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    if not variance > 0.0:
        return None
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt(n_returns - 1) / math.sqrt(variance))


def deflated_sharpe(
    returns: NDArray[np.float64], benchmark: float, *, periods_per_year: float
) -> float | None:
    """Give the probability that returns have a true Sharpe ratio above what luck among the trials explains.

    Parameters
    ----------
    returns
        Shape (n,). Simple returns per period after costs, finite.
    benchmark
        Annualised Sharpe ratio expected of the best of the trials, see `expected_maximum_sharpe`.
    periods_per_year
        Periods in 365 days.

    Returns
    -------
    float or None
        In 0..1. None with fewer than two returns or when they do not vary.

    Raises
    ------
    InputError
        If `returns` is not 1-D or not finite, or `periods_per_year` is not positive.
    """
    check_returns(returns, periods_per_year)
    if returns.size < 2:
        return None
    deviation = float(returns.std())
    if not deviation > 1e-14 * float(np.abs(returns).max()):
        return None
    z = (returns - returns.mean()) / deviation
    return sharpe_probability(
        float(returns.mean() / returns.std(ddof=1)),
        benchmark / math.sqrt(periods_per_year),
        n_returns=returns.size,
        skewness=float(np.mean(z**3)),
        kurtosis=float(np.mean(z**4)),
    )
