"""Exposure: how much of the account was at work."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def exposure(weights: NDArray[np.float64]) -> float | None:
    """Average the gross weight over bars.

    Parameters
    ----------
    weights
        Shape (T, N) or (T,). Held notional over equity at each close, signed; NaN where there is no equity.

    Returns
    -------
    float or None
        Mean over bars of the sum of absolute weights, as a fraction of equity; None if no bar has equity.

    Raises
    ------
    InputError
        If `weights` is neither 1-D nor 2-D.
    """
    if weights.ndim not in (1, 2):
        raise InputError(f"weights must have shape (T,) or (T, N), was {weights.shape}")
    gross = np.abs(weights) if weights.ndim == 1 else np.abs(weights).sum(axis=1)
    known = gross[np.isfinite(gross)]
    return float(known.mean()) if known.size else None
