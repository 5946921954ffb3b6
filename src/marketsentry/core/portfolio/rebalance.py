"""From signals and holdings to a target book and the orders that lead to it (contract 1.4).

Strengths become weights, buckets and then the whole risk check scale them, and the changes become orders. What is
wanted may be more than one rebalance may turn over: then a part of the way is taken, closings first (K-42), and the
book that is returned is the one that is ordered. Weight, money and base units are three numbers here, and each
conversion is named (K-26).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.order import Side
from marketsentry.core.portfolio.profiles import CostProfile
from marketsentry.core.portfolio.strength import Netted, WeightedSignal, net_signals, weigh
from marketsentry.core.portfolio.trade_cost import CostBasis, CostEstimate, Liquidity, estimate_cost
from marketsentry.core.risk.check import RiskRequest, judge
from marketsentry.core.risk.codes import Rule
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position, net_positions
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.exceptions import InputError

LEAST_CHANGE = 1e-6
_QUANTUM = Decimal("1e-8")
_BASE_QUANTUM = Decimal("1e-18")


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of a target: newest price in quote currency and when it was true, and how it trades lately.

    `own_cost` is what own fills say that it costs; None takes the profile of the request.
    """

    price: Decimal | None = None
    price_at: datetime | None = None
    liquidity: Liquidity | None = None
    own_cost: CostProfile | None = None


@dataclass(frozen=True, slots=True)
class RebalanceRequest:
    """What is wanted and held. `capital` is in quote currency, `risk_budget` the sum of absolute weights to use."""

    signals: tuple[WeightedSignal, ...]
    current: tuple[Position, ...]
    capital: Decimal
    risk_budget: float
    strategy_id: str
    cost: CostProfile
    figures: Mapping[str, LossFigures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.capital.is_finite() and self.capital > 0):
            raise InputError(f"capital must be > 0 and finite, was {self.capital}")


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """The change of one weight as an order.

    `notional` is money in quote currency, `base_quantity` what it buys at `price`; both price and quantity are None
    without a price. A reduce-only order moves towards zero and not past it.
    """

    target: str
    track: str
    side: Side
    weight_delta: float
    notional: Decimal
    base_quantity: Decimal | None
    price: Decimal | None
    price_at: datetime | None
    cost: CostEstimate
    is_reduce_only: bool
    signal_id: int | None


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """The book to hold after the orders, and what had to give way for it."""

    positions: tuple[Position, ...]
    orders: tuple[PlannedOrder, ...]
    violations: tuple[Violation, ...]
    expected_turnover: float
    gross_exposure: float

    @property
    def risk_ok(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations

    @property
    def is_approved(self) -> bool:
        """Whether every violation was cured by scaling; the orders of a plan that is not may never run (K-31)."""
        return all(one.cure is Cure.CLIPPED for one in self.violations)


def plan_rebalance(
    request: RebalanceRequest,
    limits: RiskLimits,
    *,
    registry: Mapping[tuple[str, str], Profile],
    market: Mapping[tuple[str, str], MarketView],
) -> RebalancePlan | None:
    """Plan a rebalance.

    Parameters
    ----------
    request : RebalanceRequest
        Signals and holdings; several lines of one target are netted.
    limits : RiskLimits
        Limits in force.
    registry : mapping
        Labels of the entity registry by track and target.
    market : mapping
        Prices and liquidity by track and target; one that is missing leaves its order unpriced.

    Returns
    -------
    RebalancePlan or None
        None when the signals cancel out or all hold: there is nothing to act on.

    Raises
    ------
    InputError
        If a number is not finite or a bucket has no cap.
    """
    netted = net_signals(request.signals)
    wanted = weigh(netted, request.risk_budget)
    if not wanted:
        return None
    asked = RiskRequest(
        proposed=_with_labels(wanted, request.current),
        current=request.current,
        figures=request.figures,
        strategy_id=request.strategy_id,
        risk_budget=request.risk_budget,
    )
    judgement = judge(asked, limits, registry)
    held = {one.key: one for one in net_positions(request.current)}
    return RebalancePlan(
        positions=judgement.turnover_feasible,
        orders=_orders(judgement.turnover_feasible, held, netted, request, market),
        violations=tuple(_cured(one) for one in judgement.violations),
        expected_turnover=judgement.feasible_turnover,
        gross_exposure=math.fsum(abs(one.weight) for one in judgement.turnover_feasible),
    )


def _with_labels(wanted: Sequence[Position], current: Sequence[Position]) -> tuple[Position, ...]:
    """Signals carry no labels; those that the caller gives to a holding are taken, below the registry's."""
    said = {one.key: one for one in net_positions(current)}
    return tuple(
        one
        if one.key not in said
        else replace(one, sector=said[one.key].sector, style_bucket=said[one.key].style_bucket)
        for one in wanted
    )


def _cured(violation: Violation) -> Violation:
    """The book is the feasible part of the way, so a turnover above the cap has been dealt with."""
    return replace(violation, cure=Cure.CLIPPED) if violation.rule is Rule.TURNOVER else violation


def _orders(
    book: Sequence[Position],
    held: Mapping[tuple[str, str], Position],
    netted: Sequence[Netted],
    request: RebalanceRequest,
    market: Mapping[tuple[str, str], MarketView],
) -> tuple[PlannedOrder, ...]:
    signal_of = {(one.heaviest.track, one.heaviest.target): one.heaviest.signal_id for one in netted}
    goal = {one.key: one.weight for one in book}
    orders = []
    for track, target in dict.fromkeys((*goal, *held)):
        key = track, target
        now = held[key].weight if key in held else 0.0
        delta = goal.get(key, 0.0) - now
        if abs(delta) >= LEAST_CHANGE:
            view = market.get(key, MarketView())
            orders.append(_order(key, delta, now, view, request, signal_of.get(key)))
    return tuple(orders)


def _order(
    key: tuple[str, str],
    delta: float,
    held: float,
    view: MarketView,
    request: RebalanceRequest,
    signal_id: int | None,
) -> PlannedOrder:
    track, target = key
    notional = notional_of(delta, request.capital)
    return PlannedOrder(
        target=target,
        track=track,
        side=Side.BUY if delta > 0.0 else Side.SELL,
        weight_delta=delta,
        notional=notional,
        base_quantity=None if view.price is None else base_quantity_of(notional, view.price),
        price=view.price,
        price_at=view.price_at,
        cost=estimate_cost(
            float(notional),
            view.own_cost or request.cost,
            view.liquidity,
            basis=CostBasis.OWN_FILLS if view.own_cost else CostBasis.PRIOR,
        ),
        is_reduce_only=held * delta < 0.0 and abs(delta) <= abs(held),
        signal_id=signal_id,
    )


def notional_of(weight_delta: float, capital: Decimal) -> Decimal:
    """Turn a change of weight into money: to 8 decimals, or exact where that would be nothing."""
    exact = abs(Decimal(repr(weight_delta))) * capital
    rounded = exact.quantize(_QUANTUM) if exact < Decimal("1e18") else exact
    return rounded or exact


def base_quantity_of(notional: Decimal, price: Decimal) -> Decimal:
    """Turn money into base units at a price, to 18 decimals, or exact where that would be nothing."""
    exact = notional / price
    rounded = exact.quantize(_BASE_QUANTUM) if exact < Decimal("1e8") else exact
    return rounded or exact
