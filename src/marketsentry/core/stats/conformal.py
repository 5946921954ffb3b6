"""Quantiles of errors that make a prediction interval with a promise for finite samples."""

import math

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def interval_quantiles(errors: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Choose the errors between which the next one lies with a probability.

    Parameters
    ----------
    errors
        Shape (n,). Sorted, finite, n >= 1: outcome less prediction, maybe over a scale.
    level
        Probability that the interval shall hold, in (0, 1); equal tails are left on either side.

    Returns
    -------
    tuple of float
        Lower and upper error; infinite where so few errors cannot promise the tail.

    Raises
    ------
    InputError
        If `level` is out of range, or the errors are empty or not sorted.

    Notes
    -----
    With ``k = floor((n + 1) (1 - level) / 2)`` the ``k``-th smallest and the ``k``-th largest error. For exchangeable
    errors without ties the next one lies between them with probability ``1 - 2 k / (n + 1) >= level``.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), "Algorithmic learning in a random world". Romano, Patterson and Candes (2019),
    "Conformalized quantile regression", NeurIPS 32.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be in (0, 1), was {level}")
    if errors.ndim != 1 or errors.size == 0 or not (np.diff(errors) >= 0.0).all():
        raise InputError(f"errors must be sorted and finite with shape (n,), was shape {errors.shape}")
    k = math.floor((errors.size + 1) * (1.0 - level) / 2.0 + 1e-9)
    if k < 1:
        return -math.inf, math.inf
    return float(errors[k - 1]), float(errors[-k])
