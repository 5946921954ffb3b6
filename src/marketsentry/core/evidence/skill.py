"""Skill of out-of-sample predictions, with intervals that know that neighbouring labels overlap.

Ranks are taken once, over the part that is looked at; a resample correlates these ranks. To first order that is the
rank correlation of the resample, and it makes the interval as cheap as that of the plain correlation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.evidence.pack import Calibration, CalibrationBin, Skill, SkillRow
from marketsentry.core.evidence.resampling import Floats, Resampling, ratio
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.splits.purged_kfold import PurgedFold
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.ic import known_pairs, pearson
from marketsentry.core.stats.rank_ic import average_ranks

N_BINS = 10


def measure_skill(
    values: Floats,
    outcome: Floats,
    plan: WalkForward,
    ts_ns: NDArray[np.int64],
    symbols: tuple[str, ...],
    how: Resampling,
) -> Skill:
    """Measure skill over all folds, by fold, by symbol, by month, and on the last block.

    Parameters
    ----------
    values
        (T, N) stitched predictions, NaN where none was made.
    outcome
        (T, N) gross forward return, NaN where it is not known; that of the last bars of the folds must not be looked up
        in bars after them.
    plan
        The folds, with a final one.
    ts_ns
        (T,) open times.
    symbols
        Names of the N columns.
    how
        Draws the intervals.

    Returns
    -------
    Skill
    """
    assert plan.final is not None, "a candidate is judged on an untouched last block"
    tested = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    final = plan.final.test
    return Skill(
        walk_forward=skill_row("walk_forward", values[tested], outcome[tested], how),
        final=skill_row("final", values[final], outcome[final], how),
        folds=tuple(
            skill_row(str(fold.index), values[fold.test], outcome[fold.test], how) for fold in plan.folds
        ),
        symbols=tuple(
            skill_row(symbol, values[tested, n : n + 1], outcome[tested, n : n + 1], how)
            for n, symbol in enumerate(symbols)
        ),
        months=tuple(
            skill_row(name, values[rows], outcome[rows], how) for name, rows in _months(ts_ns, tested)
        ),
    )


def measure_kfold(
    folds: Sequence[PurgedFold],
    predictions: Sequence[Floats],
    close: Floats,
    horizon_bars: int,
    how: Resampling,
) -> tuple[SkillRow, ...]:
    """Measure skill on each test block of a purged k-fold.

    Parameters
    ----------
    folds
        The folds.
    predictions
        Per fold (length of its test block, N).
    close
        (T, N) closes of all bars; outcomes are looked up inside the history that was cut.
    horizon_bars
        Of the label.
    how
        Draws the intervals.

    Returns
    -------
    tuple of SkillRow
        One per fold; empty without folds.
    """
    if not folds:
        return ()
    outcome = forward_return(np.ascontiguousarray(close[: folds[-1].test.stop]), horizon_bars)
    return tuple(
        replace(skill_row(f"kfold {fold.index}", predicted, outcome[fold.test], how), name=str(fold.index))
        for fold, predicted in zip(folds, predictions, strict=True)
    )


def skill_row(name: str, predicted: Floats, outcome: Floats, how: Resampling) -> SkillRow:
    """Measure one part: `predicted` and `outcome` (n_bars, n_columns), NaN where there is none."""
    known = np.isfinite(predicted) & np.isfinite(outcome)
    x, y = known_pairs(predicted, outcome)
    block, bounds = _correlation_bounds(f"ic {name}", x, y, known, how)
    x_ranks, y_ranks = average_ranks(x), average_ranks(y)
    _, rank_bounds = _correlation_bounds(f"rank_ic {name}", x_ranks, y_ranks, known, how)
    return SkillRow(name, x.size, pearson(x, y), bounds, pearson(x_ranks, y_ranks), rank_bounds, block)


def measure_calibration(predicted: Floats, outcome: Floats, how: Resampling) -> Calibration:
    """Compare what predictions promised with what came, by tenths of the predictions.

    Parameters
    ----------
    predicted
        (T, N) predictions of the folds.
    outcome
        (T, N) gross forward return.
    how
        Draws the intervals.

    Returns
    -------
    Calibration
        Without bins when there are fewer known pairs than bins. Equal predictions fall into one bin.
    """
    known = np.isfinite(predicted) & np.isfinite(outcome)
    x, y = known_pairs(predicted, outcome)
    if x.size < N_BINS:
        return Calibration(None, ())
    edges = np.quantile(x, np.arange(1, N_BINS) / N_BINS)
    number = np.searchsorted(edges, x, side="right")
    bins = tuple(
        _bin(int(k), number == k, x, y, known, how) for k in range(N_BINS) if bool((number == k).any())
    )
    deviation = x - x.mean()
    spread = float(deviation @ deviation)
    return Calibration(float(deviation @ y) / spread if spread > 0.0 else None, bins)


def _bin(
    k: int, inside: NDArray[np.bool_], x: Floats, y: Floats, known: NDArray[np.bool_], how: Resampling
) -> CalibrationBin:
    terms = per_bar(known, np.where(inside, 1.0, 0.0), np.where(inside, y, 0.0))
    scores = terms[:, 1] - terms[:, 0] * float(y[inside].mean())
    draws = how.draws(
        f"calibration {k}", terms, how.block_bars(scores), lambda sums: ratio(sums[:, 1], sums[:, 0])
    )
    mean_predicted, mean_realised = float(x[inside].mean()), float(y[inside].mean())
    return CalibrationBin(int(inside.sum()), mean_predicted, mean_realised, how.bounds(draws))


def _correlation_bounds(
    name: str, x: Floats, y: Floats, known: NDArray[np.bool_], how: Resampling
) -> tuple[int, Bounds | None]:
    """Length of the blocks and interval of the correlation of the known pairs `x`, `y` (n,) of a grid."""
    block, draws = correlation_draws(name, x, y, known, how)
    return block, how.bounds(draws)


def correlation_draws(
    name: str, x: Floats, y: Floats, known: NDArray[np.bool_], how: Resampling
) -> tuple[int, Floats | None]:
    """Length of the blocks and resampled correlations of the known pairs `x`, `y` (n,) of a grid."""
    if x.size < 3:
        return how.at_least_bars, None
    x_spread, y_spread = x.std(), y.std()
    if not (x_spread > 0.0 and y_spread > 0.0):
        return how.at_least_bars, None
    x, y = (x - x.mean()) / x_spread, (y - y.mean()) / y_spread
    terms = per_bar(known, np.ones(x.size), x, y, x * x, y * y, x * y)
    block = how.block_bars(terms[:, 5])
    return block, how.draws(name, terms, block, correlation_of_sums)


def correlation_of_sums(sums: Floats) -> Floats:
    """Pearson correlation from sums (n, 6) of 1, x, y, x^2, y^2, xy; NaN where a side does not vary."""
    n, x, y, xx, yy, xy = sums.T
    product = np.maximum(n * xx - x * x, 0.0) * np.maximum(n * yy - y * y, 0.0)
    return ratio(n * xy - x * y, np.sqrt(product))


def per_bar(known: NDArray[np.bool_], *columns: Floats) -> Floats:
    """Add up values of the known cells of a grid, in order, by bar: (n_bars, number of columns)."""
    bar = np.nonzero(known)[0]
    return np.stack([np.bincount(bar, column, minlength=known.shape[0]) for column in columns], axis=1)


def _months(ts_ns: NDArray[np.int64], tested: slice) -> Iterator[tuple[str, slice]]:
    """Calendar months of a span of bars, as names and spans."""
    month = ts_ns[tested].astype("datetime64[ns]").astype("datetime64[M]")
    firsts = np.flatnonzero(np.r_[True, month[1:] != month[:-1]])
    for start, stop in zip(firsts, np.r_[firsts[1:], month.size], strict=True):
        yield str(month[start]), slice(tested.start + int(start), tested.start + int(stop))
