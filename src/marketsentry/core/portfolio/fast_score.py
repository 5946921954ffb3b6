"""The fast score of `ensemble-v1`: where the last bars pushed, in the unit of a return (K-63).

It is an odd function of what moved: a market turned upside down, with rises for falls, gives the negative. So it has
zero mean where rises and falls are alike, and neither the price of a coin nor the size of its volume is in it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

PUSH = "ret_3"
FLOW = "signed_volume_24"
DEVIATION = "vol_24"
TREND = "efficiency_24"
_PUSH_BARS = 3
_FULL_PUSH_SIGMAS = 2.0


@dataclass(frozen=True, slots=True)
class LiveFeatures:
    """What a signal reads of the feature row that its prediction stored; None is missing.

    push: return of the last 3 bars, a fraction.
    flow: volume of rising less falling bars over both, -1..1, of 24 bars.
    deviation: standard deviation of a bar's return, over 24 bars.
    trend: sum of 24 returns over the sum of their absolute values, -1..1.
    """

    push: float | None = None
    flow: float | None = None
    deviation: float | None = None
    trend: float | None = None


def read_live(row: Mapping[str, float | None]) -> LiveFeatures:
    """Take what signals need from a row of features by name; a set without them gives missing values."""
    push, flow, deviation, trend = (_finite(row.get(name)) for name in (PUSH, FLOW, DEVIATION, TREND))
    return LiveFeatures(push, flow, deviation, trend)


def fast_score(live: LiveFeatures) -> float | None:
    """Score the last bars.

    Parameters
    ----------
    live : LiveFeatures
        Of the newest closed bar.

    Returns
    -------
    float or None
        A fraction within plus or minus one bar's deviation; None where an input is missing, or the price did not move.

    Notes
    -----
    ``d * (clip(ln(1 + push) / (2 d sqrt(3)), -1, 1) + flow) / 2`` with ``d`` the deviation: half of it is the
    standardised log return of three bars, half the balance of volume.
    """
    if live.push is None or live.flow is None or live.deviation is None:
        return None
    if not (live.deviation > 0.0 and live.push > -1.0):
        return None
    full = _FULL_PUSH_SIGMAS * live.deviation * math.sqrt(_PUSH_BARS)
    push = min(1.0, max(-1.0, math.log1p(live.push) / full))
    flow = min(1.0, max(-1.0, live.flow))
    return live.deviation * (push + flow) / 2.0


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
