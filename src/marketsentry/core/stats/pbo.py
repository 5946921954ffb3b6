"""Probability of backtest overfitting: how often the best of many settings is a poor choice on other bars.

The bars are cut into S blocks. For every half of the blocks the setting with the best Sharpe ratio on them is looked up
in the other half. Where the choice means something it ranks high there; where it was luck it ranks anywhere.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.sharpe import sharpe_from_sums
from marketsentry.exceptions import InputError

N_BLOCKS = 16
MAX_BLOCKS = 20
CELLS_AT_ONCE = 1 << 15

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BlockSums:
    """Returns of P settings over S blocks of the same bars, as sums.

    `n_returns` (S,) bars of each block; `total` (P, S) sum of the returns, `squares` (P, S) of their squares. A setting
    with a NaN has no ratio (its account was ruined) and ranks last.
    """

    n_returns: Floats
    total: Floats
    squares: Floats

    def __post_init__(self) -> None:
        n_blocks = self.n_returns.size
        if self.total.ndim != 2 or self.total.shape[1] != n_blocks or self.squares.shape != self.total.shape:
            raise InputError(
                f"block sums must have shape (n_settings, {n_blocks}), were {self.total.shape} and "
                f"{self.squares.shape}"
            )


@dataclass(frozen=True, slots=True)
class Splits:
    """One row per split (n_splits,): the setting chosen, its ratio per period inside and outside, its rank outside.

    `rank_frac` is the rank among the P settings over P + 1: above a half is above the median.
    """

    chosen: NDArray[np.int64]
    inside: Floats
    outside: Floats
    rank_frac: Floats


@dataclass(frozen=True, slots=True)
class BacktestOverfitting:
    """What choosing the best of the settings is worth.

    `pbo` is the share of splits in which the chosen setting is not above the median outside; `probability_of_loss` the
    share in which its ratio there is below zero. `degradation_slope` regresses the ratio outside on that inside, None
    where that inside does not vary. Medians of the chosen settings are annualised. `rank_tenths` counts the splits by
    tenth of the rank outside, worst first.
    """

    n_settings: int
    n_blocks: int
    n_splits: int
    pbo: float
    probability_of_loss: float
    degradation_slope: float | None
    inside_sharpe_median: float
    outside_sharpe_median: float
    rank_tenths: tuple[int, ...]


def block_edges(n_returns: int, n_blocks: int = N_BLOCKS) -> NDArray[np.int64]:
    """Cut returns into blocks of equal length, but for one: edges (n_blocks + 1,), the last is `n_returns`."""
    return np.arange(n_blocks + 1, dtype=np.int64) * n_returns // n_blocks


def sum_blocks(returns: Floats, n_blocks: int = N_BLOCKS) -> BlockSums:
    """Sum returns over blocks.

    Parameters
    ----------
    returns
        Shape (P, T). Returns per bar of each setting.
    n_blocks
        S, at most T.

    Returns
    -------
    BlockSums

    Raises
    ------
    InputError
        If there are fewer bars than blocks.
    """
    if returns.shape[1] < n_blocks:
        raise InputError(f"returns must have >= {n_blocks} bars for as many blocks, had {returns.shape[1]}")
    edges = block_edges(returns.shape[1], n_blocks)
    total, squares = (
        np.stack([part[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)], axis=1)
        for part in (returns, returns**2)
    )
    return BlockSums(np.diff(edges).astype(np.float64), total, squares)


def backtest_overfitting(sums: BlockSums, *, periods_per_year: float) -> BacktestOverfitting | None:
    """Measure the probability of backtest overfitting.

    Parameters
    ----------
    sums
        P settings over an even number S of blocks, 2..20.
    periods_per_year
        Bars in 365 days.

    Returns
    -------
    BacktestOverfitting or None
        None where nothing could be chosen: one setting, a block of fewer than two bars, no setting that ever moved.

    Raises
    ------
    InputError
        If the number of blocks is odd or out of range.

    Notes
    -----
    Combinatorially symmetric cross-validation: all ``C(S, S / 2)`` splits. A setting whose returns do not vary in a
    half has a ratio of zero there; equal ratios share their mean rank. As published, a rank at the median counts as
    overfitted, so settings that are all the same have a probability of 1. O(C(S, S/2) P S); beyond the input it needs
    some megabytes.

    References
    ----------
    Bailey, Borwein, Lopez de Prado and Zhu (2017), "The probability of backtest overfitting", Journal of
    Computational Finance 20(4), 39-69. The worked example of the R package `pbo` (CRAN, its vignette) comes out of
    this to every digit that it prints.
    """
    splits = split_choices(sums)
    if splits is None:
        return None
    apart = splits.inside - splits.inside.mean()
    spread = float(apart @ apart)
    varies = spread > 1e-24 * splits.inside.size * float(np.abs(splits.inside).max()) ** 2
    year = math.sqrt(periods_per_year)
    tenths = np.bincount(np.minimum((10.0 * splits.rank_frac).astype(np.int64), 9), minlength=10)
    return BacktestOverfitting(
        n_settings=sums.total.shape[0],
        n_blocks=sums.n_returns.size,
        n_splits=splits.inside.size,
        pbo=float(np.mean(splits.rank_frac <= 0.5)),
        probability_of_loss=float(np.mean(splits.outside < 0.0)),
        degradation_slope=float(apart @ splits.outside) / spread if varies else None,
        inside_sharpe_median=float(np.median(splits.inside)) * year,
        outside_sharpe_median=float(np.median(splits.outside)) * year,
        rank_tenths=tuple(tenths.tolist()),
    )


def split_choices(sums: BlockSums, *, cells_at_once: int = CELLS_AT_ONCE) -> Splits | None:
    """Choose the best setting in every split and look it up outside.

    Parameters
    ----------
    sums
        As for `backtest_overfitting`.
    cells_at_once
        Ratios (splits times settings) that are held at a time; it bounds the memory.

    Returns
    -------
    Splits or None
        In lexicographic order of the inner blocks; of equal bests the first setting. None where nothing could
        be chosen.

    Raises
    ------
    InputError
        As `backtest_overfitting`.
    """
    n_settings, n_blocks = sums.total.shape
    if n_blocks % 2 or not 2 <= n_blocks <= MAX_BLOCKS:
        raise InputError(f"n_blocks must be even and in 2..{MAX_BLOCKS}, was {n_blocks}")
    lost = np.logical_not(np.isfinite(sums.total + sums.squares).all(axis=1))
    total, squares = (np.where(lost[:, None], 0.0, part) for part in (sums.total, sums.squares))
    if n_settings < 2 or not sums.n_returns.min() >= 2.0 or not (squares > 0.0).any():
        return None
    # The second half of the splits are the complements of the first, in reverse.
    inner = _inner_blocks(n_blocks)
    n_half = inner.shape[0]
    found = Splits(np.empty(2 * n_half, dtype=np.int64), *(np.empty(2 * n_half) for _ in range(3)))
    step = max(1, cells_at_once // n_settings)
    for start in range(0, n_half, step):
        at = np.arange(start, min(start + step, n_half))
        one, other = (
            _ratios(mask, sums.n_returns, total, squares, lost) for mask in (inner[at], 1.0 - inner[at])
        )
        _look_up(one, other, at, found)
        _look_up(other, one, 2 * n_half - 1 - at, found)
    return found


def _inner_blocks(n_blocks: int) -> Floats:
    """The splits whose inner half has the first block, as rows of zeros and ones."""
    chosen = list(itertools.combinations(range(1, n_blocks), n_blocks // 2 - 1))
    mask = np.zeros((len(chosen), n_blocks))
    mask[:, 0] = 1.0
    for row, blocks in zip(mask, chosen, strict=True):
        row[list(blocks)] = 1.0
    return mask


def _ratios(
    mask: Floats, n_returns: Floats, total: Floats, squares: Floats, lost: NDArray[np.bool_]
) -> Floats:
    """Ratio of every setting on the blocks of each row of `mask` (n, S): (n, P); minus infinity where it has none."""
    joined = sharpe_from_sums((mask @ n_returns)[:, None], _join(mask, total), _join(mask, squares))
    ratios = np.nan_to_num(joined, nan=0.0)
    ratios[:, lost] = -math.inf
    return ratios


def _join(mask: Floats, parts: Floats) -> Floats:
    """``mask @ parts.T``, but block after block: equal settings get equal bits, which a product of matrices denies."""
    joined = np.zeros((mask.shape[0], parts.shape[0]))
    term = np.empty_like(joined)
    for inner, part in zip(mask.T, parts.T, strict=True):
        np.multiply(inner[:, None], part[None, :], out=term)
        joined += term
    return joined


def _look_up(inside: Floats, outside: Floats, at: NDArray[np.int64], found: Splits) -> None:
    """Choose by `inside` (n, P), look up in `outside`, and write the rows `at` of what was found."""
    rows, chosen = np.arange(at.size), inside.argmax(axis=1)
    there = outside[rows, chosen]
    below = np.count_nonzero(outside < there[:, None], axis=1)
    level = np.count_nonzero(outside == there[:, None], axis=1)
    found.chosen[at] = chosen
    found.inside[at], found.outside[at] = inside[rows, chosen], there
    found.rank_frac[at] = (below + 0.5 * (level + 1.0)) / (outside.shape[1] + 1.0)
