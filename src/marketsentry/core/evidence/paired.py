"""Is one account better than another, or was it luck: paired block bootstrap of two return series on the same bars.

Both accounts lived through the same market, so every resample draws the same blocks of bars from both: what they have
in common cancels, and only their difference is tested.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketsentry.core.evidence.baselines import sharpe_of_sums
from marketsentry.core.evidence.resampling import Floats, Resampling
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.exceptions import InputError

DRAWS = "paired"  # one name for all pairs and both orders: every pair sees the same resamples


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two accounts: its interval, and the p value of "there is none" against either side.

    `value` is None where it is undefined; `bounds` and `p_value` also where too few blocks fit.
    """

    value: float | None
    bounds: Bounds | None = None
    p_value: float | None = None

    def document(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        low, high = (None, None) if self.bounds is None else (self.bounds.low, self.bounds.high)
        return {"value": self.value, "low": low, "high": high, "p_value": self.p_value}


@dataclass(frozen=True, slots=True)
class PairedTest:
    """`excess` is the difference of mean returns per year, `sharpe` that of yearly Sharpe ratios."""

    excess: Difference
    sharpe: Difference
    block_bars: int | None


def paired_test(own: Floats, other: Floats, *, periods_per_year: float, how: Resampling) -> PairedTest:
    """Test whether two return series differ in their mean and in their Sharpe ratio.

    Parameters
    ----------
    own
        Shape (n,). Returns per bar as fractions, after costs. NaN (an account without equity) leaves nothing to test.
    other
        Shape (n,). Those of the account it is held against, on the same bars.
    periods_per_year
        Bars in 365 days.
    how
        Seed, resamples, level, and the least length of a block.

    Returns
    -------
    PairedTest
        Own minus other. With both orders of the arguments the values differ in sign alone.

    Raises
    ------
    InputError
        If the shapes differ or are empty, or `periods_per_year` is not positive.

    Notes
    -----
    The p value is ``(1 + #{|t* - t| >= |t|}) / (1 + resamples)``, with the statistic ``t`` and its resampled values
    ``t*``: how often the resamples stray from what was measured as far as that lies from zero. The interval is the
    same test turned around: ``t`` plus and minus the quantile of ``|t* - t|``, so that it holds zero where the p value
    says that zero is possible.

    References
    ----------
    Politis and Romano (1992), "A circular block-resampling procedure for stationary data". Ledoit and Wolf (2008),
    "Robust performance hypothesis testing with the Sharpe ratio", Journal of Empirical Finance 15(5), 850-859.
    """
    if own.ndim != 1 or own.shape != other.shape or own.size == 0:
        raise InputError(f"returns must have one shape (n,) with n >= 1, were {own.shape} and {other.shape}")
    if not 0.0 < periods_per_year < math.inf:
        raise InputError(f"periods_per_year must be > 0 and finite, was {periods_per_year}")
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        return PairedTest(Difference(None), Difference(None), None)
    block_bars = how.block_bars(own - other)
    terms = np.stack((np.ones(own.size), own, own * own, other, other * other), axis=1)
    excess = how.draws(DRAWS, terms, block_bars, lambda sums: (sums[:, 1] - sums[:, 3]) / sums[:, 0])
    leads = how.draws(DRAWS, terms, block_bars, _sharpe_difference)
    ratios = [sharpe(one, periods_per_year=periods_per_year) for one in (own, other)]
    lead = None if ratios[0] is None or ratios[1] is None else ratios[0].value - ratios[1].value
    return PairedTest(
        _judge(float((own - other).mean()) * periods_per_year, _times(excess, periods_per_year), how),
        _judge(lead, _times(leads, math.sqrt(periods_per_year)), how),
        block_bars,
    )


def _judge(value: float | None, draws: Floats | None, how: Resampling) -> Difference:
    if value is None or draws is None:
        return Difference(value)
    astray = np.abs(draws[np.isfinite(draws)] - value)
    if astray.size < 0.99 * draws.size:
        return Difference(value)
    margin = float(np.quantile(astray, how.level))
    n_as_far = int(np.count_nonzero(astray >= abs(value)))
    return Difference(value, Bounds(value - margin, value + margin), (1 + n_as_far) / (1 + astray.size))


def _sharpe_difference(sums: Floats) -> Floats:
    """Difference of two Sharpe ratios per bar from sums (n, 5) of 1, r, r^2, s, s^2."""
    return sharpe_of_sums(sums[:, [0, 1, 2]]) - sharpe_of_sums(sums[:, [0, 3, 4]])


def _times(draws: Floats | None, factor: float) -> Floats | None:
    return None if draws is None else draws * factor
