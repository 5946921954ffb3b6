"""Rebalance: from signals and holdings to a stored decision with its book, its orders and its risk events.

Prices, labels and signals are read, the plan is made from plain values, and everything is written in one transaction
that holds the kill switch (K-31). A violation that scaling did not cure leaves every order `blocked`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marketsentry.core.ids import DECISION_ID_BYTES, decision_id_from
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.orders.order import OrderStatus
from marketsentry.core.portfolio.profiles import cost_profile
from marketsentry.core.portfolio.rebalance import (
    MarketView,
    PlannedOrder,
    RebalancePlan,
    RebalanceRequest,
    plan_rebalance,
)
from marketsentry.core.portfolio.strength import WeightedSignal
from marketsentry.core.portfolio.terms import Bucket
from marketsentry.core.portfolio.trade_cost import measure_liquidity
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import LIQUID, Position
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.exceptions import InputError, LockedError, NotFoundError
from marketsentry.ports import Clock, Entropy, Stores, Transactions
from marketsentry.ports.costs import CostFit
from marketsentry.ports.decisions import (
    BookEntry,
    Decision,
    DecisionSource,
    Idempotency,
    StoredBookEntry,
    StoredDecision,
)
from marketsentry.ports.orders import NewOrder, StoredOrder
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.ports.signals import StoredSignal
from marketsentry.services.expected_costs import PRIOR, CostBook, rounded_bps
from marketsentry.services.risk_switch import effective_switches, hold_switches
from marketsentry.services.target_markets import TargetMarket, read_markets

REASON = "rebalance_v2"
_ADAPTER = "paper"  # on which a stored decision runs unless its run names another


@dataclass(frozen=True, slots=True)
class RebalanceAsk:
    """What is asked for. `capital` is in quote currency; weights are fractions of it."""

    signals: tuple[WeightedSignal, ...]
    current: tuple[Position, ...] = ()
    capital: Decimal = Decimal(1)
    risk_budget: float = 1.0
    strategy_id: str = "default-liquid-v1"
    cost_profile: str = "standard"

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every track of the signals and of what is held, with the strategy (K-45)."""
        tracks = dict.fromkeys((*(one.track for one in self.signals), *(one.track for one in self.current)))
        return tuple((track, self.strategy_id) for track in tracks)

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Track and target of every signal and holding, each once."""
        named = (*((one.track, one.target) for one in self.signals), *(one.key for one in self.current))
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class PortfolioParts:
    """What a rebalance needs."""

    transactions: Transactions
    clock: Clock
    entropy: Entropy
    limits: RiskLimits


@dataclass(frozen=True, slots=True)
class NothingActionable:
    """The signals all hold, or cancel out."""


@dataclass(frozen=True, slots=True)
class Rebalanced:
    """A decision as it is stored, with its book and its orders."""

    decision: StoredDecision
    book: Sequence[StoredBookEntry]
    orders: Sequence[StoredOrder]


@dataclass(frozen=True, slots=True)
class _World:
    """What was read for one rebalance."""

    signals: tuple[WeightedSignal, ...]
    labels: Mapping[tuple[str, str], Profile]
    markets: Mapping[tuple[str, str], TargetMarket]
    costs: CostBook


async def rebalance(
    ask: RebalanceAsk, parts: PortfolioParts, *, idempotency: Idempotency | None = None
) -> Rebalanced | NothingActionable:
    """Plan a rebalance and store it as one decision.

    Parameters
    ----------
    ask
        Signals, holdings, capital and budget.
    parts
        The record, clock, randomness and limits.
    idempotency
        A key that was used for the same request before gives the decision of then.

    Returns
    -------
    Rebalanced or NothingActionable

    Raises
    ------
    InputError
        If a number is not finite, a profile is unknown, or a line does not agree with the signal that it names.
    NotFoundError
        If a line names a signal that does not exist.
    ConflictError
        If the key was used for another request.
    LockedError
        If the kill switch stops the strategy on any track that is present; then nothing is stored.
    """
    cost_profile(ask.cost_profile)
    now = parts.clock.now()
    async with parts.transactions() as stores:
        known = None if idempotency is None else await stores.decisions.find(idempotency)
        if known is not None:
            return await _read(stores, known)
        reading = await stores.risk.read_switches([track for track, _ in ask.pairs], [ask.strategy_id])
        _refuse_blocked(effective_switches(reading, ask.pairs))
        world = await _read_world(stores, ask, now)
    plan = await asyncio.to_thread(_plan, ask, world, parts.limits)
    if plan is None:
        return NothingActionable()
    decision = _decision(ask, plan, parts, now, idempotency)
    async with parts.transactions() as stores:
        _refuse_blocked(await hold_switches(stores, ask.pairs))
        added = await stores.decisions.add(decision)
        if added.is_new:
            await _write(stores, ask, plan, decision, world.costs)
        return await _read(stores, added.decision)


def _refuse_blocked(switches: Sequence[EffectiveSwitch]) -> None:
    for switch in switches:
        if switch.code is not None:
            raise LockedError(switch.code)


async def _read_world(stores: Stores, ask: RebalanceAsk, now: datetime) -> _World:
    fits: Mapping[str, CostFit] = {}
    if ask.cost_profile == PRIOR:  # a profile that a client chooses is what it wants to reckon with
        fits = await stores.costs.newest(_ADAPTER, [target for _, target in ask.targets])
    return _World(
        costs=CostBook(fits),
        signals=await _linked(stores, ask.signals, now),
        labels=await stores.risk.registered_labels(ask.targets),
        markets=await read_markets(stores, ask.targets, as_of_ns=datetime_to_ns(now)),
    )


async def _linked(
    stores: Stores, lines: Sequence[WeightedSignal], now: datetime
) -> tuple[WeightedSignal, ...]:
    """Give each line the bucket of the signal that it names; one that names none is an event."""
    wanted = sorted({one.signal_id for one in lines if one.signal_id is not None})
    found = {one.id: one for one in await stores.signals.get_many(wanted)} if wanted else {}
    linked = []
    for line in lines:
        if line.signal_id is None:
            linked.append(line)
            continue
        if line.signal_id not in found:
            raise NotFoundError(f"signal {line.signal_id} not found")
        stored = found[line.signal_id]
        _refuse_other(line, stored, now)
        linked.append(replace(line, bucket=Bucket(stored.strategy_bucket)))
    return tuple(linked)


def _refuse_other(line: WeightedSignal, stored: StoredSignal, now: datetime) -> None:
    said = (line.track, line.target.upper(), str(line.action))
    if said != (stored.track, stored.target, stored.action):
        raise InputError(
            f"signal {stored.id} is {stored.track} {stored.target} {stored.action}, was named for {' '.join(said)}"
        )
    if stored.expires_at <= now:
        raise InputError(f"signal {stored.id} expired at {stored.expires_at.isoformat()}")


def _plan(ask: RebalanceAsk, world: _World, limits: RiskLimits) -> RebalancePlan | None:
    request = RebalanceRequest(
        signals=world.signals,
        current=ask.current,
        capital=ask.capital,
        risk_budget=ask.risk_budget,
        strategy_id=ask.strategy_id,
        cost=cost_profile(ask.cost_profile),
    )
    market = {
        key: MarketView(
            one.price,
            one.price_at,
            measure_liquidity(one.close, one.volume),
            own_cost=world.costs.profile(key[1]) if key[0] == LIQUID else None,
        )
        for key, one in world.markets.items()
    }
    return plan_rebalance(request, limits, registry=world.labels, market=market)


def _decision(
    ask: RebalanceAsk,
    plan: RebalancePlan,
    parts: PortfolioParts,
    now: datetime,
    idempotency: Idempotency | None,
) -> Decision:
    return Decision(
        decision_id=decision_id_from(parts.entropy(DECISION_ID_BYTES)),
        track=ask.signals[0].track,
        strategy_id=ask.strategy_id,
        source=DecisionSource.REBALANCE,
        as_of=now,
        is_approved=plan.is_approved,
        capital=ask.capital,
        violations=tuple(_told(one) for one in plan.violations),
        metadata={
            "tracks": [track for track, _ in ask.pairs],
            "risk_budget": ask.risk_budget,
            "expected_turnover": plan.expected_turnover,
            "gross_exposure": plan.gross_exposure,
            "cost_profile": ask.cost_profile,
            "limits_version": parts.limits.version,
            "signal_ids": [one.signal_id for one in ask.signals if one.signal_id is not None],
        },
        idempotency=idempotency,
    )


async def _write(
    stores: Stores, ask: RebalanceAsk, plan: RebalancePlan, decision: Decision, costs: CostBook
) -> None:
    book = [
        BookEntry(one.target, one.track, one.weight, one.sector, one.style_bucket, REASON)
        for one in plan.positions
    ]
    await stores.decisions.add_book(decision.decision_id, book)
    await stores.orders.add([_order(one, ask, plan, decision, costs) for one in plan.orders])
    await stores.risk.add_events(
        [
            RiskEvent(
                Severity.WARNING,
                one.code,
                f"rebalance: {one.figure:.6f} against a limit of {one.limit:.6f}, {one.cure}",
                decision.decision_id,
                {
                    **_told(one),
                    "gross_exposure": plan.gross_exposure,
                    "turnover": plan.expected_turnover,
                },
            )
            for one in plan.violations
        ]
    )


def _order(
    planned: PlannedOrder, ask: RebalanceAsk, plan: RebalancePlan, decision: Decision, costs: CostBook
) -> NewOrder:
    breaches = [one.code for one in plan.violations if one.cure is Cure.BREACH]
    return NewOrder(
        decision_id=decision.decision_id,
        target=planned.target,
        track=planned.track,
        side=planned.side,
        quantity=planned.notional,
        base_quantity=planned.base_quantity,
        notional=planned.notional,
        est_price=planned.price,
        price_ts=planned.price_at,
        est_cost_bps=rounded_bps(planned.cost),
        is_reduce_only=planned.is_reduce_only,
        status=OrderStatus.BLOCKED if breaches else OrderStatus.SIMULATED,
        strategy_id=ask.strategy_id,
        signal_id=planned.signal_id,
        reject_reason=",".join(breaches) or None,
        metadata={
            "weight_delta": planned.weight_delta,
            "cost": costs.document(planned.target, planned.cost),
        },
    )


async def _read(stores: Stores, decision: StoredDecision) -> Rebalanced:
    return Rebalanced(
        decision,
        await stores.decisions.book(decision.decision_id),
        await stores.orders.of_decision(decision.decision_id),
    )


def _told(violation: Violation) -> dict[str, object]:
    return {
        "code": violation.code,
        "rule": str(violation.rule),
        "cure": str(violation.cure),
        "figure": violation.figure,
        "limit": violation.limit,
        "hard": violation.is_hard,
    }
