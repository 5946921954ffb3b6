"""Whether skill lasts: the correlation window by window, its trend, and the older half against the newer.

The windows do not overlap, so that each says something of its own, and each holds many label horizons.
"""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.evidence.parts import Stability, WindowSkill
from marketsentry.core.evidence.resampling import Floats, Resampling
from marketsentry.core.evidence.skill import correlation_draws
from marketsentry.core.stats.ic import ic, known_pairs
from marketsentry.core.stats.trend import trend

N_WINDOWS = 24
MIN_HORIZONS = 10
YEAR_NS = 365 * 86_400_000_000_000


def measure_stability(
    predicted: Floats, outcome: Floats, ts_ns: NDArray[np.int64], how: Resampling
) -> Stability:
    """Measure how lasting the skill is.

    Parameters
    ----------
    predicted
        (T, N) predictions of the folds.
    outcome
        (T, N) gross forward return, NaN where it is not known.
    ts_ns
        (T,) open times.
    how
        Draws the intervals; its shortest block is the label horizon.

    Returns
    -------
    Stability
        At most `N_WINDOWS` windows, each at least `MIN_HORIZONS` horizons long; a shorter rest joins none.
    """
    n_bars = ts_ns.size
    length = max(n_bars // N_WINDOWS, MIN_HORIZONS * how.at_least_bars)
    starts = range(0, n_bars - length + 1, length)
    found = [ic(predicted[k : k + length], outcome[k : k + length]) for k in starts]
    known = [(k, value) for k, value in zip(starts, found, strict=True) if value is not None]
    values = np.array([value for _, value in known])
    at = np.array([ts_ns[k] for k, _ in known], dtype=np.float64) / YEAR_NS
    half = n_bars // 2
    older, older_draws = _half("older", predicted[:half], outcome[:half], how)
    newer, newer_draws = _half("newer", predicted[half:], outcome[half:], how)
    difference = newer - older if older is not None and newer is not None else None
    draws = newer_draws - older_draws if older_draws is not None and newer_draws is not None else None
    return Stability(
        window_bars=length,
        windows=tuple(WindowSkill(int(ts_ns[k]), value) for k, value in zip(starts, found, strict=True)),
        positive_frac=float((values > 0.0).mean()) if values.size else None,
        trend=trend(at, values),
        older_ic=older,
        newer_ic=newer,
        difference=difference,
        difference_bounds=how.bounds(draws),
        difference_p_value=_p_value(difference, draws),
    )


def _half(
    name: str, predicted: Floats, outcome: Floats, how: Resampling
) -> tuple[float | None, Floats | None]:
    known = np.isfinite(predicted) & np.isfinite(outcome)
    _, draws = correlation_draws(f"half {name}", *known_pairs(predicted, outcome), known, how)
    return ic(predicted, outcome), draws


def _p_value(difference: float | None, draws: Floats | None) -> float | None:
    """Share of resampled differences as far from the measured one as that is from zero."""
    if difference is None or draws is None:
        return None
    known = draws[np.isfinite(draws)]
    if known.size < 0.99 * draws.size:
        return None
    return float((1 + (np.abs(known - difference) >= abs(difference)).sum()) / (1 + known.size))
