"""The separate falls of an equity curve: from a peak to the trough and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.drawdown import drawdown_curve
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class DrawdownEpisode:
    """One stretch below a peak: depth as a positive fraction of the peak, bars of the peak, of the lowest point and of
    the first bar that stands at the peak again; None while it does not.
    """

    fraction: float
    peak_bar: int
    trough_bar: int
    recovered_bar: int | None


def drawdown_episodes(equity: NDArray[np.float64], *, n_worst: int) -> tuple[DrawdownEpisode, ...]:
    """Find the deepest stretches below the running peak.

    Parameters
    ----------
    equity
        Shape (n_bars,), as for `max_drawdown`: finite, above zero at the first bar.
    n_worst
        How many at most, at least 1.

    Returns
    -------
    tuple of DrawdownEpisode
        Deepest first, of equals the earliest; they do not overlap. The first one is `max_drawdown`. Empty for a curve
        that never falls.

    Raises
    ------
    InputError
        If `equity` breaks the conditions, or `n_worst` is below 1.

    Notes
    -----
    The peak is the last bar at its level before the fall, the trough the first of equals. O(n_bars).
    """
    if n_worst < 1:
        raise InputError(f"n_worst must be >= 1, was {n_worst}")
    falls = drawdown_curve(equity)
    edges = np.diff(np.concatenate(([False], falls > 0.0, [False])).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if starts.size == 0:
        return ()
    depths = np.maximum.reduceat(falls, starts)
    worst = np.argsort(-depths, kind="stable")[:n_worst]
    return tuple(
        DrawdownEpisode(
            fraction=float(depths[k]),
            peak_bar=int(starts[k]) - 1,
            trough_bar=int(starts[k] + np.argmax(falls[starts[k] : stops[k]])),
            recovered_bar=int(stops[k]) if stops[k] < equity.size else None,
        )
        for k in worst
    )
