"""How far a compounded path might have gone otherwise: pointwise bands from block-bootstrap resamples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

_CELLS_AT_ONCE = 1 << 21

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathBand:
    """Quantiles of resampled growth since the start at chosen bars, each (n_rows,): 1.0 is where the path began."""

    low: Floats
    middle: Floats
    high: Floats


def path_band(
    returns: Floats,
    *,
    rows: NDArray[np.int64],
    block_bars: int,
    n_resamples: int,
    level: float,
    rng: np.random.Generator,
) -> PathBand:
    """Compound resampled returns and cut equal tails off at each chosen bar.

    Parameters
    ----------
    returns
        Shape (n_bars,), finite, above -1: simple returns per bar, oldest first.
    rows
        Shape (n_rows,). The bars at which the band is wanted, each in ``0..n_bars - 1``, in any order; the growth at a
        row has that bar's return in it.
    block_bars
        Bars per block, at most `n_bars`; blocks run around the end into the start. See `block_length`.
    n_resamples
        How many paths are drawn.
    level
        Share of the paths within the band at each bar, in (0, 1).
    rng
        Draws where the blocks start.

    Returns
    -------
    PathBand

    Raises
    ------
    InputError
        If `returns` is not 1-D, empty, not finite or reaches -1, or another argument is out of range.

    Notes
    -----
    The band is pointwise: of all resampled paths the share `level` lies within it at a bar, fewer at all bars at once.
    Sums of log returns over whole blocks are cumulated once, so a resample costs one addition per block and one per
    row. O(n_bars + n_resamples (n_bars / block_bars + n_rows)).

    References
    ----------
    Politis and Romano (1992), "A circular block-resampling procedure for stationary data".
    """
    _check(returns, rows, block_bars, n_resamples, level)
    n_bars = returns.size
    logs = np.log1p(returns)
    cumulated = np.concatenate(([0.0], np.cumsum(np.concatenate((logs, logs[:block_bars])))))
    whole = cumulated[block_bars : block_bars + n_bars] - cumulated[:n_bars]
    starts = rng.integers(0, n_bars, (n_resamples, -(-n_bars // block_bars)))
    block, inside = rows // block_bars, rows % block_bars + 1
    growth = np.empty((n_resamples, rows.size))
    at_once = max(_CELLS_AT_ONCE // (starts.shape[1] + rows.size), 1)
    for first in range(0, n_resamples, at_once):
        drawn = starts[first : first + at_once]
        before = np.zeros(drawn.shape)
        np.cumsum(whole[drawn[:, :-1]], axis=1, out=before[:, 1:])
        start = drawn[:, block]
        growth[first : first + at_once] = before[:, block] + cumulated[start + inside] - cumulated[start]
    tail = (1.0 - level) / 2.0
    return PathBand(*np.exp(np.quantile(growth, (tail, 0.5, 1.0 - tail), axis=0)))


def _check(returns: Floats, rows: NDArray[np.int64], block_bars: int, n_resamples: int, level: float) -> None:
    if returns.ndim != 1 or returns.size == 0 or not np.isfinite(returns).all():
        raise InputError(f"returns must be finite with shape (n_bars,), was shape {returns.shape}")
    if returns.min() <= -1.0:
        raise InputError(f"returns must be above -1, was {returns.min()}")
    if rows.size and not 0 <= rows.min() <= rows.max() < returns.size:
        raise InputError(f"rows must be in 0..{returns.size - 1}, was {rows.min()}..{rows.max()}")
    if not 1 <= block_bars <= returns.size:
        raise InputError(f"block_bars must be in 1..{returns.size}, was {block_bars}")
    if n_resamples < 1:
        raise InputError(f"n_resamples must be >= 1, was {n_resamples}")
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be in (0, 1), was {level}")
