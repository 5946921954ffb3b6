"""Named profiles that a request chooses: what trading costs, and how much a forecast must promise (K-10)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from marketsentry.exceptions import InputError

_BPS = 1e-4


@dataclass(frozen=True, slots=True)
class CostProfile:
    """What a trade costs; positive is worse for us.

    fee_bps, half_spread_bps: paid on traded notional, each time.
    impact_coefficient: impact of taking a whole bar's volume, in deviations of that bar's return.
    """

    name: str
    fee_bps: float
    half_spread_bps: float
    impact_coefficient: float

    def __post_init__(self) -> None:
        for name in ("fee_bps", "half_spread_bps", "impact_coefficient"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InputError(f"{name} of cost profile {self.name} must be >= 0 and finite, was {value}")

    @property
    def round_trip_frac(self) -> float:
        """Fees and half-spreads of getting in and out again, as a fraction; impact depends on size and is not in it."""
        return 2.0 * _BPS * (self.fee_bps + self.half_spread_bps)


@dataclass(frozen=True, slots=True)
class RiskProfile:
    """How careful a signal is: `cost_multiple` round trips must be promised before anything opens."""

    name: str
    cost_multiple: float

    def __post_init__(self) -> None:
        if not 0.0 < self.cost_multiple < math.inf:
            raise InputError(
                f"cost_multiple of risk profile {self.name} must be > 0 and finite, was {self.cost_multiple}"
            )


# `standard` is what the backtest charges by default, so that a signal trades where the backtest would
COST_PROFILES = {
    one.name: one
    for one in (
        CostProfile("low", 2.0, 1.0, 0.5),
        CostProfile("standard", 5.0, 3.0, 1.0),
        CostProfile("high", 20.0, 8.0, 1.5),
    )
}
RISK_PROFILES = {
    one.name: one
    for one in (
        RiskProfile("conservative", 2.0),
        RiskProfile("balanced", 1.0),
        RiskProfile("aggressive", 0.5),
    )
}

_Profile = TypeVar("_Profile")


def cost_profile(name: str) -> CostProfile:
    """Find a cost profile; raises `InputError` naming those that exist."""
    return _named("cost_profile", name, COST_PROFILES)


def risk_profile(name: str) -> RiskProfile:
    """Find a risk profile; raises `InputError` naming those that exist."""
    return _named("risk_profile", name, RISK_PROFILES)


def _named(kind: str, name: str, known: Mapping[str, _Profile]) -> _Profile:
    if name not in known:
        raise InputError(f"{kind} must be one of {', '.join(known)}, was {name!r}")
    return known[name]
