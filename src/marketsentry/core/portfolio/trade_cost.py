"""What one order is expected to cost: fee, half the spread, and square-root impact of its size (K-30).

The same law and the same kernel as in the backtest. Deviation and volume are those of the symbol's own newest bars, so
the cost differs by symbol and size. Measured on bars of any length it is the same number, for both scale with time.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.portfolio.profiles import CostProfile
from marketsentry.exceptions import InputError

LEAST_BARS = 12


@dataclass(frozen=True, slots=True)
class Liquidity:
    """How a symbol traded lately: deviation of a bar's return, and mean volume of a bar in quote currency, > 0."""

    volatility: float
    bar_volume_quote: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.volatility < math.inf:
            raise InputError(f"volatility must be >= 0 and finite, was {self.volatility}")
        if not 0.0 < self.bar_volume_quote < math.inf:
            raise InputError(f"bar_volume_quote must be > 0 and finite, was {self.bar_volume_quote}")


class CostBasis(StrEnum):
    """Where the numbers of an estimate come from: a named profile, or a fit on own fills."""

    PRIOR = "prior"
    OWN_FILLS = "own_fills"


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Expected cost of an order in bps of its notional; `impact_bps` is None where the liquidity is not known."""

    fee_bps: float
    half_spread_bps: float
    impact_bps: float | None
    basis: CostBasis = CostBasis.PRIOR

    @property
    def total_bps(self) -> float:
        """All of it that is known."""
        return self.fee_bps + self.half_spread_bps + (self.impact_bps or 0.0)


def unit_impact_bps(notional: float, liquidity: Liquidity) -> float:
    """Impact of a notional in quote currency at a coefficient of one."""
    return _impact_bps(1.0, liquidity.volatility, notional / liquidity.bar_volume_quote)


def measure_liquidity(close: NDArray[np.float64], volume: NDArray[np.float64]) -> Liquidity | None:
    """Measure how a symbol traded.

    Parameters
    ----------
    close : ndarray of shape (T,)
        Closes in quote currency, oldest first.
    volume : ndarray of shape (T,)
        Volumes in base units.

    Returns
    -------
    Liquidity or None
        None with fewer than 12 returns, where nothing traded, or where a value is not a number.
    """
    if close.size <= LEAST_BARS or not (close > 0.0).all():
        return None
    volatility = float(np.std(np.diff(np.log(close))))
    traded = float(np.mean(close * volume))
    if not (math.isfinite(volatility) and 0.0 < traded < math.inf):
        return None
    return Liquidity(volatility, traded)


def estimate_cost(
    notional: float,
    profile: CostProfile,
    liquidity: Liquidity | None,
    *,
    basis: CostBasis = CostBasis.PRIOR,
) -> CostEstimate:
    """Estimate what an order costs.

    Parameters
    ----------
    notional : float
        In quote currency, >= 0.
    profile : CostProfile
        Fee, spread and coefficient of impact.
    liquidity : Liquidity or None
        Of the symbol; None leaves the impact unknown.
    basis : CostBasis
        Where the profile comes from.

    Returns
    -------
    CostEstimate

    Raises
    ------
    InputError
        If the notional is negative or not finite.
    """
    if not 0.0 <= notional < math.inf:
        raise InputError(f"notional must be >= 0 and finite, was {notional}")
    impact = None
    if liquidity is not None:
        participation = notional / liquidity.bar_volume_quote
        impact = _impact_bps(profile.impact_coefficient, liquidity.volatility, participation)
    return CostEstimate(profile.fee_bps, profile.half_spread_bps, impact, basis)


def _impact_bps(coefficient: float, volatility: float, participation: float) -> float:
    """Bring numba no sooner than this: who lists or closes does not need it."""
    from marketsentry.kernels.compiling import interpreted
    from marketsentry.kernels.cost import impact_bps

    return interpreted(impact_bps)(coefficient, volatility, participation)
