"""What the features are worth to the fitted models: by gain, and by what shuffling one costs on test rows.

Shuffling is done on a sample of `SAMPLE_ROWS` test rows of each fold, evenly spread, once per feature: the loss is the
difference of two correlations on the same rows, which is far less noisy than either. Features that stand for one
another share their worth, so a small loss is no proof that a feature is useless.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.evidence.pack import FeatureImportance
from marketsentry.core.stats.ic import ic

SAMPLE_ROWS = 512

Floats = NDArray[np.float64]


def permutation_losses(
    predict: Callable[[Floats], Floats], X: Floats, y: Floats, *, rng: np.random.Generator
) -> Floats:
    """Shuffle one feature at a time and see how much correlation is lost.

    Parameters
    ----------
    predict
        From rows (n, F) to predictions (n,), NaN where the model takes no row.
    X
        (n, F) test rows, any number: a sample of `SAMPLE_ROWS` of them is looked at.
    y
        (n,) their outcomes, finite.
    rng
        Shuffles.

    Returns
    -------
    ndarray of shape (F,)
        IC as it is less IC with the feature shuffled; NaN where either is undefined.
    """
    rows = np.unique(np.linspace(0, max(y.size - 1, 0), min(SAMPLE_ROWS, y.size)).astype(np.int64))
    X, y = X[rows].copy(), y[rows]
    losses = np.full(X.shape[1], np.nan)
    whole = ic(predict(X), y)
    if whole is None:
        return losses
    for f in range(X.shape[1]):
        kept = X[:, f].copy()
        X[:, f] = kept[rng.permutation(y.size)]
        shuffled = ic(predict(X), y)
        X[:, f] = kept
        # a prediction that no longer varies has lost all its skill
        losses[f] = whole - (shuffled if shuffled is not None else 0.0)
    return losses


def measure_importance(
    names: Sequence[str], losses: Sequence[Floats], gain: Floats | None
) -> tuple[FeatureImportance, ...]:
    """Put what the fitted models say of their features together.

    Parameters
    ----------
    names
        Of the F features.
    losses
        Per fold (F,) what `permutation_losses` gave; the mean over the folds is told.
    gain
        (F,) the loss that the splits of the model that serves saved; None where a model does not tell.

    Returns
    -------
    tuple of FeatureImportance
        Most important first: by permutation, then by gain. Empty when nothing was measured.
    """
    if not losses and gain is None:
        return ()
    total = float(gain.sum()) if gain is not None else 0.0
    rows = []
    for f, name in enumerate(names):
        known = [float(loss[f]) for loss in losses if np.isfinite(loss[f])]
        share = float(gain[f]) / total if gain is not None and total > 0.0 else None
        rows.append(FeatureImportance(name, share, sum(known) / len(known) if known else None))
    return tuple(sorted(rows, key=lambda row: (-(row.permutation_ic or 0.0), -(row.gain_frac or 0.0))))
