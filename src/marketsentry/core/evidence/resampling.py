"""How intervals are drawn in an evidence pack: one seed, one number of resamples, one level."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.bootstrap import (
    MIN_BLOCKS,
    Bounds,
    block_length,
    bounds_of,
    resampled_sums,
    widened,
)
from marketsentry.exceptions import InputError

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From sums (n, k) to the statistic (n,), NaN where it is undefined."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """`seed` of all draws; every statistic draws from a generator of its own, named after it, so that leaving one out
    moves no other. `at_least_bars` is the label horizon, below which no block goes.
    """

    seed: int
    at_least_bars: int
    n_resamples: int = 500
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.n_resamples < 100:
            raise InputError(f"n_resamples must be >= 100, was {self.n_resamples}")

    def block_bars(self, scores: Floats) -> int:
        """Length of the blocks for a statistic whose terms per bar are `scores` (n_bars,)."""
        return block_length(scores, at_least=self.at_least_bars)

    def draws(self, name: str, terms: Floats, block_bars: int, statistic: Statistic) -> Floats | None:
        """Resampled values of a statistic of sums over bars; None where fewer than five blocks fit.

        `terms` (n_bars, k), finite. A resample's sums are those of as many bars; the values are spread wider the fewer
        blocks there are.
        """
        if terms.shape[0] < MIN_BLOCKS * block_bars:
            return None
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        sums = resampled_sums(terms, block_bars=block_bars, n_resamples=self.n_resamples, rng=rng)
        n_blocks = terms.shape[0] / block_bars
        return widened(statistic(sums), n_blocks=n_blocks, level=self.level)

    def bounds(self, draws: Floats | None) -> Bounds | None:
        """The interval of resampled values."""
        return None if draws is None else bounds_of(draws, level=self.level)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide where the denominator is positive; NaN elsewhere."""
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
