"""What trading really cost, from own fills: half the spread and the coefficient of impact of a symbol (K-30).

The law is that of `trade_cost`: slippage in bps = half_spread + coefficient * u, where u is the impact of the order's
size at a coefficient of one, `impact_bps(1, volatility, notional / bar volume)` with the bars before the order. Both
numbers are fitted at once, robustly (Huber), so that a few wild fills do not carry them away, and drawn towards the
prior: the prior weighs as much as `PRIOR_ORDERS` orders that agree with it. With no order the fit is the prior; with
many it is what they say. Neither number goes below zero: nobody is to count on being paid for trading.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.portfolio.profiles import CostProfile
from marketsentry.exceptions import InputError

PRIOR_ORDERS = 20.0
HUBER = 1.345
LEAST_SPREAD_BPS = 0.1
_ROUNDS = 100
_SETTLED = 1e-10
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True)
class OrderCost:
    """What one order of ours cost, in bps of its notional; positive is worse for us.

    `unit_impact_bps` is the impact of its size at a coefficient of one, >= 0.
    """

    unit_impact_bps: float
    slippage_bps: float
    fee_bps: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.unit_impact_bps < math.inf:
            raise InputError(f"unit_impact_bps must be >= 0 and finite, was {self.unit_impact_bps}")
        for name in ("slippage_bps", "fee_bps"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"{name} must be finite, was {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class FittedCosts:
    """Costs as own fills tell them. `own_share` says how much the fills weigh against the prior, 0 to 1.

    `spread_of_errors_bps` is the robust deviation of the orders' slippage around the fit.
    """

    fee_bps: float
    half_spread_bps: float
    impact_coefficient: float
    n_orders: int
    own_share: float
    spread_of_errors_bps: float

    def profile(self, name: str) -> CostProfile:
        """Give them the shape of a named profile; a fee that is paid out to us counts as none."""
        return CostProfile(name, max(0.0, self.fee_bps), self.half_spread_bps, self.impact_coefficient)


def fit_costs(orders: Sequence[OrderCost], prior: CostProfile) -> FittedCosts:
    """Fit the costs of one symbol.

    Parameters
    ----------
    orders : sequence of OrderCost
        Own orders; their sequence does not matter.
    prior : CostProfile
        What is expected before there are fills.

    Returns
    -------
    FittedCosts
    """
    n = len(orders)
    if not n:
        return FittedCosts(
            prior.fee_bps, prior.half_spread_bps, prior.impact_coefficient, 0, 0.0, LEAST_SPREAD_BPS
        )
    unit = np.array([one.unit_impact_bps for one in orders])
    slippage = np.array([one.slippage_bps for one in orders])
    start = np.array([prior.half_spread_bps, prior.impact_coefficient])
    scale = slope_scale(unit)
    found = _settle(unit, slippage, start, scale, deviation(slippage - start[0] - start[1] * unit))
    share = n / (n + PRIOR_ORDERS)
    fee = float(np.median([one.fee_bps for one in orders]))
    return FittedCosts(
        fee_bps=share * fee + (1.0 - share) * prior.fee_bps,
        half_spread_bps=float(found[0]),
        impact_coefficient=float(found[1]),
        n_orders=n,
        own_share=share,
        spread_of_errors_bps=deviation(slippage - found[0] - found[1] * unit),
    )


def slope_scale(unit_impact_bps: NDArray[np.float64]) -> float:
    """How much an error of the coefficient weighs beside one of the spread, as an order of usual size feels it."""
    return max(float(np.mean(np.square(unit_impact_bps))), 1.0)


def deviation(errors: NDArray[np.float64]) -> float:
    """Robust deviation around the median, at least 0.1 bps."""
    return max(_MAD_TO_DEVIATION * float(np.median(np.abs(errors - np.median(errors)))), LEAST_SPREAD_BPS)


def _settle(
    unit: NDArray[np.float64],
    slippage: NDArray[np.float64],
    prior: NDArray[np.float64],
    scale: float,
    width: float,
) -> NDArray[np.float64]:
    """Weigh and solve in turn until nothing moves (iteratively reweighted least squares)."""
    found = prior
    pull = PRIOR_ORDERS * np.array([1.0, scale])
    for _ in range(_ROUNDS):
        errors = np.abs(slippage - found[0] - found[1] * unit)
        weights = np.minimum(1.0, HUBER * width / np.maximum(errors, 1e-300))
        moved = _solve(unit, slippage, weights, prior, pull)
        if np.abs(moved - found).max() < _SETTLED:
            return moved
        found = moved
    return found


def _solve(
    unit: NDArray[np.float64],
    slippage: NDArray[np.float64],
    weights: NDArray[np.float64],
    prior: NDArray[np.float64],
    pull: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve weighted least squares with the prior, and again with what came out negative held at zero."""
    design = np.column_stack([np.ones_like(unit), unit])
    normal = (design * weights[:, None]).T @ design + np.diag(pull)
    right = (design * weights[:, None]).T @ slippage + pull * prior
    found = np.linalg.solve(normal, right).astype(np.float64)
    if (found >= 0.0).all():
        return found
    edges = [np.zeros(2)]
    for free in (0, 1):
        edge = np.zeros(2)
        edge[free] = max(0.0, right[free] / normal[free, free])
        edges.append(edge)
    return min(edges, key=lambda at: float(at @ normal @ at - 2.0 * right @ at))
