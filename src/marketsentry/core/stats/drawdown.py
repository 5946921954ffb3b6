"""Maximum drawdown of an equity curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall from a peak to a later trough; `fraction` is positive, bars index the curve."""

    fraction: float
    peak_bar: int
    trough_bar: int


def max_drawdown(equity: NDArray[np.float64]) -> Drawdown:
    """Find the deepest fall of an equity curve below its running peak.

    Parameters
    ----------
    equity
        Shape (n_bars,). Account equity in quote currency at each bar close, oldest first, after costs.
        Finite, and above zero at the first bar.

    Returns
    -------
    Drawdown
        ``fraction`` >= 0, dimensionless; beyond 1.0 where leverage takes equity below zero. The earliest of
        equal falls, from the latest bar at its peak's level before it. A curve that never falls gives
        ``Drawdown(0.0, 0, 0)``.

    Raises
    ------
    InputError
        If `equity` is empty, not 1-D, not finite, or does not start above zero.

    Notes
    -----
    ``max over t of (1 - E[t] / M[t])`` with ``M[t]`` the running maximum of ``E``. O(n_bars). NaN is refused,
    for a bar left out may be the trough.

    References
    ----------
    Magdon-Ismail and Atiya (2004), "Maximum drawdown", Risk 17(10), 99-102.

    Examples
    --------
    >>> max_drawdown(np.array([100.0, 120.0, 90.0, 130.0]))
    Drawdown(fraction=0.25, peak_bar=1, trough_bar=2)
    """
    falls = drawdown_curve(equity)
    trough = int(np.argmax(falls))
    if falls[trough] == 0.0:
        return Drawdown(0.0, 0, 0)
    before = equity[:trough]
    peak = int(np.flatnonzero(before == before.max())[-1])
    return Drawdown(float(falls[trough]), peak, trough)


def drawdown_curve(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the drawdown at every bar, (n_bars,) positive fractions; same conditions as `max_drawdown`."""
    if equity.ndim != 1 or equity.size == 0:
        raise InputError(f"equity must have shape (n_bars,) with n_bars >= 1, was {equity.shape}")
    if not np.isfinite(equity).all() or equity[0] <= 0:
        raise InputError("equity must be finite and start above zero")
    return 1.0 - equity / np.maximum.accumulate(equity)
