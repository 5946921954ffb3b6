"""Ridge regression on the model's own features, fitted inside each fold: the simplest model that looks at them.

Features are scaled by mean and deviation of the fold's training rows and cut at eight deviations; a missing one counts
as the mean. The penalty is a hundredth of the number of rows, so that a feature must explain more than noise to weigh
much. Neighbouring labels overlap, so the fit takes every k-th training bar, at most `MAX_TRAIN_ROWS` rows in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.splits.walk_forward import Fold

MAX_TRAIN_ROWS = 20_000
MAX_DEVIATIONS = 8.0
PENALTY_PER_ROW = 0.01
ROWS_AT_ONCE = 4_096  # scaled in a buffer that fits the cache

Floats = NDArray[np.float64]


def ridge_predictions(
    features: Floats, label: Floats, present: NDArray[np.bool_], folds: Sequence[Fold]
) -> Floats:
    """Predict every test span by a ridge fitted on its training span.

    Parameters
    ----------
    features
        (T, N, F), NaN = missing.
    label
        (T, N) gross forward return, NaN where it is not known.
    present
        (T, N) whether the bar exists.
    folds
        Training and test spans.

    Returns
    -------
    ndarray of shape (T, N)
        Expected gross forward return; NaN outside the test spans and where there is no bar.
    """
    values = np.full(label.shape, np.nan)
    for fold in folds:
        step = max(1, -(-(fold.train.stop - fold.train.start) * label.shape[1] // MAX_TRAIN_ROWS))
        rows = slice(fold.train.start, fold.train.stop, step)
        usable = present[rows] & np.isfinite(label[rows])
        fitted = _fit(features[rows][usable], label[rows][usable])
        values[fold.test] = _predict(fitted, features[fold.test], present[fold.test])
    return values


def _predict(fitted: "_Fitted", features: Floats, present: NDArray[np.bool_]) -> Floats:
    """Predictions (n_bars, N) of the cells of `features` (n_bars, N, F) that are present, NaN in the others."""
    predicted = np.full(present.size, np.nan)
    cells, rows = np.flatnonzero(present), features.reshape(-1, features.shape[-1])
    for start in range(0, cells.size, ROWS_AT_ONCE):
        block = cells[start : start + ROWS_AT_ONCE]
        scaled = _scale(rows[block], fitted.centre, fitted.scale)
        predicted[block] = fitted.level + scaled @ fitted.weights
    return predicted.reshape(present.shape)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Weights (F,), centre (F,) and scale (F,) of the features, and the mean of the label."""

    weights: Floats
    centre: Floats
    scale: Floats
    level: float


def _fit(X: Floats, y: Floats) -> _Fitted:
    """Fit the weights, overwriting `X`; a constant feature weighs nothing."""
    known = np.isfinite(X)
    n = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, X, 0.0).sum(axis=0) / n
    deviation = np.sqrt(np.where(known, (X - centre) ** 2, 0.0).sum(axis=0) / n)
    scale = np.where(deviation > 1e-12 * np.abs(centre), deviation, np.inf)
    scaled = _scale(X, centre, scale)
    level = float(y.mean())
    gram = scaled.T @ scaled + PENALTY_PER_ROW * y.size * np.eye(X.shape[1])
    weights: Floats = np.linalg.solve(gram, scaled.T @ (y - level)).astype(np.float64)
    return _Fitted(weights, centre, scale, level)


def _scale(X: Floats, centre: Floats, scale: Floats) -> Floats:
    """Scale `X` where it stands."""
    X -= centre
    X /= scale
    np.copyto(X, 0.0, where=np.isnan(X))
    np.clip(X, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=X)
    return X
