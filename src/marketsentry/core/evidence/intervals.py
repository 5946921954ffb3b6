"""Prediction intervals around a model that only gives points, and whether they hold what they promise.

The model says one number. How far outcomes fall from it is learned on the folds before, and tested on the fold that
follows: errors over their volatility, whose empirical quantiles, times the volatility of the moment, make the interval
(split conformal prediction, normalised, with a tail of its own on either side). The probability of a rise comes from
the same errors. An error counts as learned only when its outcome was known before the first bar it is tested on; the
first fold teaches and is tested by none, and the last block is tested on what all folds taught.

Conformal prediction promises coverage for exchangeable errors. Markets change, so coverage is measured, not assumed.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), "Distribution-free predictive inference for regression", JASA
113(523), 1094-1111. Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly Weather Review
78(1), 1-3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.evidence.parts import CoverageRow, DirectionRow, IntervalEvidence, ReliabilityBin
from marketsentry.core.evidence.resampling import Floats, Resampling, ratio
from marketsentry.core.evidence.skill import per_bar
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.conformal import interval_quantiles
from marketsentry.kernels.volatility import volatility_path

LEVELS = (0.5, 0.8, 0.95)
N_BINS = 10
MIN_LEARNED = 200


@dataclass(frozen=True, slots=True)
class _Tested:
    """One tested span: known cells (n_bars, N), whether each of the n known outcomes was covered per level (L, n), the
    widths (L, n), the probability of a rise, the share of rises before, and whether it rose (n,).
    """

    known: NDArray[np.bool_]
    covered: Floats
    widths: Floats
    said: Floats
    base: Floats
    risen: Floats


def volatility_at(close: Floats, params: ReplayParams) -> Floats:
    """Give the deviation of a return over the horizon, as known at each close.

    Parameters
    ----------
    close
        (T, N) closes, NaN where the bar is lost.
    params
        Half-life and warm-up of the estimate, and the horizon.

    Returns
    -------
    ndarray of shape (T, N)
        As a fraction; NaN before the warm-up and for a price that never moved.
    """
    out = np.empty(close.shape)
    alpha = 1.0 - 0.5 ** (1.0 / params.volatility_halflife_bars)
    volatility_path(np.ascontiguousarray(close), alpha, float(params.volatility_warmup_bars), out)
    return np.where(out > 0.0, out * math.sqrt(params.horizon_bars), np.nan)


def measure_intervals(
    values: Floats, outcome: Floats, volatility: Floats, plan: WalkForward, how: Resampling
) -> IntervalEvidence:
    """Learn errors fold by fold and test them on the next.

    Parameters
    ----------
    values
        (T, N) stitched predictions, NaN where none was made.
    outcome
        (T, N) gross forward return, NaN where it is not known.
    volatility
        (T, N) known at the bar, see `volatility_at`; a cell without one is left out.
    plan
        The folds, with a final one.
    how
        Draws the intervals; its shortest block is the label horizon.

    Returns
    -------
    IntervalEvidence
        Without rows where fewer than `MIN_LEARNED` errors were learned before the span.
    """
    assert plan.final is not None, "a candidate is judged on an untouched last block"
    errors = (outcome - values) / volatility
    first, spans = plan.folds[0].test.start, (*plan.folds[1:], plan.final)
    tested: dict[str, _Tested] = {}
    for fold in spans:
        learned = slice(first, max(first, fold.test.start - how.at_least_bars))
        name = "final" if fold is plan.final else str(fold.index)
        found = _test(errors[learned], outcome[learned], values, outcome, volatility, fold.test)
        if found is not None:
            tested[name] = found
    walk = [one for name, one in tested.items() if name != "final"]
    named = {**({"walk_forward": _joined(walk)} if walk else {}), **tested}
    return IntervalEvidence(
        coverage=tuple(
            _coverage(name, k, one, how) for name, one in named.items() for k in range(len(LEVELS))
        ),
        direction=tuple(_direction(name, one, how) for name, one in named.items()),
        reliability=_reliability(named["walk_forward"], how) if walk else (),
    )


def _test(
    errors: Floats, before: Floats, values: Floats, outcome: Floats, volatility: Floats, span: slice
) -> _Tested | None:
    """Hold the errors (n, N) learned before a span against the span; None where too few were learned."""
    learned = np.sort(errors[np.isfinite(errors)])
    if learned.size < MIN_LEARNED:
        return None
    x, y, sigma = values[span], outcome[span], volatility[span]
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(sigma)
    x, y, sigma = x[known], y[known], sigma[known]
    ends = np.array([interval_quantiles(learned, level) for level in LEVELS])
    low, high = x + ends[:, :1] * sigma, x + ends[:, 1:] * sigma
    # a rise is an error above -x / sigma; half a count on either side keeps the probability away from 0 and 1
    above = (learned.size - np.searchsorted(learned, -x / sigma, side="right")).astype(np.float64)
    known_before = before[np.isfinite(before)]
    base = float((known_before > 0.0).mean())
    return _Tested(
        known=known,
        covered=((low <= y) & (y <= high)).astype(np.float64),
        widths=high - low,
        said=(above + 0.5) / (learned.size + 1.0),
        base=np.full(y.size, base),
        risen=(y > 0.0).astype(np.float64),
    )


def _joined(parts: Sequence[_Tested]) -> _Tested:
    return _Tested(
        np.concatenate([one.known for one in parts]),
        np.concatenate([one.covered for one in parts], axis=1),
        np.concatenate([one.widths for one in parts], axis=1),
        *(np.concatenate([getattr(one, name) for one in parts]) for name in ("said", "base", "risen")),
    )


def _coverage(name: str, k: int, tested: _Tested, how: Resampling) -> CoverageRow:
    covered = tested.covered[k]
    share = float(covered.mean()) if covered.size else None
    return CoverageRow(
        name=name,
        level=LEVELS[k],
        n_samples=covered.size,
        covered_frac=share,
        covered_bounds=_mean_bounds(f"coverage {LEVELS[k]} {name}", covered, tested.known, how),
        width_frac=float(tested.widths[k].mean()) if covered.size else None,
    )


def _direction(name: str, tested: _Tested, how: Resampling) -> DirectionRow:
    own, base = (tested.said - tested.risen) ** 2, (tested.base - tested.risen) ** 2
    gains = base - own
    is_known = bool(own.size)
    return DirectionRow(
        name=name,
        n_samples=own.size,
        brier=float(own.mean()) if is_known else None,
        base_brier=float(base.mean()) if is_known else None,
        gain=float(gains.mean()) if is_known else None,
        gain_bounds=_mean_bounds(f"brier {name}", gains, tested.known, how),
    )


def _reliability(tested: _Tested, how: Resampling) -> tuple[ReliabilityBin, ...]:
    number = np.minimum((tested.said * N_BINS).astype(np.int64), N_BINS - 1)
    bins = []
    for k in range(N_BINS):
        inside = number == k
        if not inside.any():
            continue
        bins.append(
            ReliabilityBin(
                n_samples=int(inside.sum()),
                said_frac=float(tested.said[inside].mean()),
                risen_frac=float(tested.risen[inside].mean()),
                risen_bounds=_mean_bounds(f"reliability {k}", tested.risen, tested.known, how, inside),
            )
        )
    return tuple(bins)


def _mean_bounds(
    name: str,
    values: Floats,
    known: NDArray[np.bool_],
    how: Resampling,
    inside: NDArray[np.bool_] | None = None,
) -> Bounds | None:
    """Interval of the mean of some of the known cells of a grid, resampled in blocks of bars."""
    if not values.size:
        return None
    counted = np.ones(values.size) if inside is None else inside.astype(np.float64)
    terms = per_bar(known, counted, counted * values)
    scores = terms[:, 1] - terms[:, 0] * float(terms[:, 1].sum() / terms[:, 0].sum())
    draws = how.draws(name, terms, how.block_bars(scores), lambda sums: ratio(sums[:, 1], sums[:, 0]))
    return how.bounds(draws)
