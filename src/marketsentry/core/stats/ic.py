"""Information coefficient: Pearson correlation of a prediction with what came of it."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def ic(prediction: NDArray[np.float64], outcome: NDArray[np.float64]) -> float | None:
    """Correlate predictions with outcomes over all pairs that are known.

    Parameters
    ----------
    prediction
        What was said, any shape.
    outcome
        What came, same shape. A pair counts where both are finite; NaN means none was made or none is known
        yet.

    Returns
    -------
    float or None
        In -1..1. None with fewer than three pairs or when either side does not vary: no number is
        better than a zero that looks measured.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    x, y = known_pairs(prediction, outcome)
    return pearson(x, y)


def known_pairs(
    prediction: NDArray[np.float64], outcome: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep the pairs in which both sides are finite, flattened, in order."""
    if prediction.shape != outcome.shape:
        raise InputError(
            f"prediction and outcome must have one shape, were {prediction.shape} and {outcome.shape}"
        )
    known = np.isfinite(prediction) & np.isfinite(outcome)
    return prediction[known], outcome[known]


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Pearson correlation of two finite vectors of one length; None where it is undefined."""
    if x.size < 3:
        return None
    a, b = _centred_to_one(x), _centred_to_one(y)
    if a is None or b is None:
        return None
    return float(np.clip(np.dot(a, b), -1.0, 1.0))


def _centred_to_one(x: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Subtract the mean and scale to length one; None when rounding is all that varies."""
    largest = max(float(x.max()), -float(x.min()))
    if largest == 0.0:
        return None
    unit: NDArray[np.float64] = x / largest  # keeps squares away from overflow and underflow
    unit -= unit.mean()
    length = float(np.sqrt(np.dot(unit, unit)))
    if length <= 1e-13 * np.sqrt(x.size):
        return None
    unit /= length
    return unit
