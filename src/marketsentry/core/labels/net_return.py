"""Forward return after cost, for judging by eye and for classification; not the regression target.

The cost works against the move whichever way it goes: a return within the cost is zero. Taking the cost off
one side only would call every quiet market a short.
"""

import numpy as np
from numpy.typing import NDArray

BASE_COST_FRAC = 8e-4
IMBALANCE_COST_FRAC = 0.5 / 1_000
IMBALANCE_COST_CAP_FRAC = 20e-4


def net_forward_return(
    gross: NDArray[np.float64], cost_frac: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shrink gross forward returns towards zero by the cost of the round trip.

    Parameters
    ----------
    gross : ndarray of shape (T, N)
        Gross forward returns as fractions, NaN where unknown.
    cost_frac : float or ndarray of shape (T, N)
        Cost as a fraction of notional, >= 0. NaN makes the label NaN.

    Returns
    -------
    ndarray of the shape of `gross`
        ``sign(gross) * max(|gross| - cost, 0)``.
    """
    cost = np.asarray(cost_frac, dtype=np.float64)
    return np.sign(gross) * np.maximum(np.abs(gross) - cost, 0.0)


def estimated_cost_frac(imbalance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the cost of a trade from the book imbalance, as a fraction of notional.

    Parameters
    ----------
    imbalance : ndarray
        Book imbalance, NaN where unknown.

    Returns
    -------
    ndarray of the shape of `imbalance`
        ``8 bps + min(20 bps, 0.5 * |imbalance| / 1000)``; the base alone where the imbalance is unknown.
    """
    extra = np.minimum(IMBALANCE_COST_CAP_FRAC, IMBALANCE_COST_FRAC * np.abs(imbalance))
    return BASE_COST_FRAC + np.where(np.isnan(extra), 0.0, extra)
