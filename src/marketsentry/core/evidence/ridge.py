"""Ridge regression on the model's own features, fitted inside each fold: the simplest model that looks at them.

Features are scaled by mean and deviation of the fold's training rows and cut at eight deviations; a missing one counts
as the mean. The penalty is a hundredth of the number of rows, so that a feature must explain more than noise to weigh
much. Neighbouring labels overlap, so the fit takes every k-th training bar, at most `MAX_TRAIN_ROWS` rows in all.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.splits.walk_forward import Fold

MAX_TRAIN_ROWS = 20_000
MAX_DEVIATIONS = 8.0
PENALTY_PER_ROW = 0.01

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
        weights, centre, scale, level = _fit(features[rows][usable], label[rows][usable])
        there = present[fold.test]
        tested = _scaled(features[fold.test][there], centre, scale)
        predicted = np.full(there.shape, np.nan)
        predicted[there] = level + tested @ weights
        values[fold.test] = predicted
    return values


def _fit(X: Floats, y: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Weights (F,), centre (F,), scale (F,) of the features and the mean of `y`; a constant feature weighs nothing."""
    known = np.isfinite(X)
    n = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, X, 0.0).sum(axis=0) / n
    deviation = np.sqrt(np.where(known, (X - centre) ** 2, 0.0).sum(axis=0) / n)
    scale = np.where(deviation > 1e-12 * np.abs(centre), deviation, np.inf)
    scaled = _scaled(X, centre, scale)
    level = float(y.mean())
    gram = scaled.T @ scaled + PENALTY_PER_ROW * y.size * np.eye(X.shape[1])
    weights: Floats = np.linalg.solve(gram, scaled.T @ (y - level)).astype(np.float64)
    return weights, centre, scale, level


def _scaled(X: Floats, centre: Floats, scale: Floats) -> Floats:
    scaled: Floats = (X - centre) / scale
    np.nan_to_num(scaled, copy=False, nan=0.0)
    np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=scaled)
    return scaled
