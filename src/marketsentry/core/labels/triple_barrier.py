"""Triple barrier: which comes first, the gain, the loss or the end of the horizon.

Assumptions: the position opens at the close of the bar and the path is judged by later highs and lows. When
one bar touches both barriers the loss counts, since the bar does not tell which came first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError
from marketsentry.kernels.triple_barrier import triple_barrier_kernel


@dataclass(frozen=True, slots=True)
class BarrierLabels:
    """Per bar and symbol (T, N), NaN where unknown.

    `outcome`: 1 the upper barrier came first, -1 the lower, 0 neither within the horizon. `exit_bars`: bars
    until then. `exit_return`: return at the barrier or, without touch, at the last close, as a fraction.
    """

    outcome: NDArray[np.float64]
    exit_bars: NDArray[np.float64]
    exit_return: NDArray[np.float64]


def triple_barrier(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    *,
    horizon_bars: int,
    upper_frac: float | NDArray[np.float64],
    lower_frac: float | NDArray[np.float64],
) -> BarrierLabels:
    """Label every bar by the barrier that its future path touches first.

    Parameters
    ----------
    high : ndarray of shape (T, N)
        Highs in quote currency, oldest first; NaN where lost.
    low : ndarray of shape (T, N)
        Lows, likewise.
    close : ndarray of shape (T, N)
        Closes, likewise.
    horizon_bars : int
        Bars to the vertical barrier, at least 1.
    upper_frac : float or ndarray of shape (T, N)
        Distance of the upper barrier from the close as a positive fraction, known at the bar (a multiple of
        its volatility, say); NaN makes the label NaN.
    lower_frac : float or ndarray of shape (T, N)
        Distance of the lower barrier, likewise.

    Returns
    -------
    BarrierLabels
        NaN in the last `horizon_bars` rows and where a bar of the path up to the exit is lost.

    Raises
    ------
    InputError
        If the horizon is below 1, a distance is not positive, or shapes differ.
    """
    if horizon_bars < 1:
        raise InputError(f"horizon must be >= 1, was {horizon_bars}")
    if close.ndim != 2 or high.shape != close.shape or low.shape != close.shape:
        raise InputError(
            f"high, low, close must share one shape (T, N), were {high.shape}, {low.shape}, {close.shape}"
        )
    upper = np.broadcast_to(np.asarray(upper_frac, dtype=np.float64), close.shape)
    lower = np.broadcast_to(np.asarray(lower_frac, dtype=np.float64), close.shape)
    if (upper <= 0).any() or (lower <= 0).any():
        raise InputError("upper_frac and lower_frac must be > 0")
    outcome, exit_bars, exit_return = (np.full(close.shape, np.nan) for _ in range(3))
    triple_barrier_kernel(high, low, close, horizon_bars, upper, lower, outcome, exit_bars, exit_return)
    return BarrierLabels(outcome, exit_bars, exit_return)
