"""Hit rate: how often a prediction had the sign of what came of it."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.ic import known_pairs


def hit_rate(prediction: NDArray[np.float64], outcome: NDArray[np.float64]) -> float | None:
    """Give the share of known pairs with ``prediction * outcome > 0``.

    Parameters
    ----------
    prediction
        What was said, any shape.
    outcome
        What came, same shape. A pair counts where both are finite. A zero on either side is a miss.

    Returns
    -------
    float or None
        In 0..1; None without a known pair.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    x, y = known_pairs(prediction, outcome)
    if x.size == 0:
        return None
    return float(np.count_nonzero(np.sign(x) * np.sign(y) > 0) / x.size)
