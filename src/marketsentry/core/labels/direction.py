"""Direction of a return with a dead band: up, neutral or down."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

UP, NEUTRAL, DOWN = 1.0, 0.0, -1.0
DIRECTION_NAMES = {UP: "up", NEUTRAL: "neutral", DOWN: "down"}
DEFAULT_THRESHOLD_FRAC = 0.005


def direction(
    returns: NDArray[np.float64], threshold_frac: float = DEFAULT_THRESHOLD_FRAC
) -> NDArray[np.float64]:
    """Sort returns into three classes, the same distance from zero on both sides.

    Parameters
    ----------
    returns : ndarray
        Returns as fractions, NaN where unknown.
    threshold_frac : float
        Half-width of the dead band, >= 0; the edge itself is neutral.

    Returns
    -------
    ndarray of the shape of `returns`
        1.0 up, 0.0 neutral, -1.0 down, NaN unknown; `DIRECTION_NAMES` spells them.

    Raises
    ------
    InputError
        If the threshold is negative or NaN.
    """
    if not threshold_frac >= 0:
        raise InputError(f"threshold_frac must be >= 0, was {threshold_frac}")
    classes = np.where(returns > threshold_frac, UP, np.where(returns < -threshold_frac, DOWN, NEUTRAL))
    return np.where(np.isnan(returns), np.nan, classes)
