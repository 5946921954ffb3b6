"""From a prediction to a stored signal (contract 1.4): predicted by the one service, decided, stored as one decision.

A signal ends one horizon after its prediction was made: by then the forecast is spent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketsentry.core.ids import DECISION_ID_BYTES, decision_id_from
from marketsentry.core.market.interval import NS_PER_S, parse_interval
from marketsentry.core.market.timestamps import ns_to_datetime, parse_time_ns
from marketsentry.core.portfolio.fast_score import read_live
from marketsentry.core.portfolio.profiles import cost_profile, risk_profile
from marketsentry.core.portfolio.signal import Forecast, Signal, SignalRules, make_signal
from marketsentry.core.portfolio.terms import SignalPolicy
from marketsentry.core.serving.cold_start import Price
from marketsentry.exceptions import LockedError
from marketsentry.ports import Entropy, Stores, Transactions
from marketsentry.ports.decisions import Decision, DecisionSource, Idempotency, StoredDecision
from marketsentry.ports.predictions import StoredPrediction
from marketsentry.ports.quick import quick
from marketsentry.ports.signals import SignalRecord, StoredSignal
from marketsentry.services.paging import Page, page_of
from marketsentry.services.predict import (
    LiquidRequest,
    Served,
    ServingParts,
    predict_liquid,
)
from marketsentry.services.predict_vc import VcRequest, predict_vc
from marketsentry.services.risk_switch import hold_switches, read_switch

VC_MONTHS = 12


@dataclass(frozen=True, slots=True)
class SignalRequest:
    """What a signal is asked of: a liquid symbol in upper case or a company, and how it is to be made."""

    track: str
    target: str
    horizon: str = "1d"
    policy: SignalPolicy = SignalPolicy.BASELINE
    min_confidence: float = 0.4
    strategy_id: str = "default-liquid-v1"
    cost_profile: str = "standard"
    risk_profile: str = "balanced"


@dataclass(frozen=True, slots=True)
class SignalParts:
    """What signals need: predictions, and randomness for the ids of decisions."""

    serving: ServingParts
    entropy: Entropy


@dataclass(frozen=True, slots=True)
class Generated:
    """A stored signal. `price` is the one used, None for a company or where the signal had been stored before."""

    signal: StoredSignal
    price: Price | None = None


async def generate_signal(
    request: SignalRequest, parts: SignalParts, *, idempotency: Idempotency | None = None
) -> Generated:
    """Predict, decide what that means, and store it.

    Parameters
    ----------
    request
        Of what, and how.
    parts
        Predictions and randomness.
    idempotency
        A key that was used for the same request before gives the signal of then.

    Returns
    -------
    Generated

    Raises
    ------
    InputError
        If a profile is unknown or no model is configured for the horizon.
    NotFoundError
        If a liquid symbol has no price.
    ConflictError
        If the key was used for another request.
    LockedError
        If the kill switch stops the strategy or the track; then no signal is stored.
    """
    rules = SignalRules(
        request.policy,
        request.min_confidence,
        cost_profile(request.cost_profile),
        risk_profile(request.risk_profile),
    )
    transactions = parts.serving.transactions
    known = await _known(idempotency, transactions)
    if known is not None:
        return known
    switch = await read_switch(request.track, request.strategy_id, transactions=transactions)
    if switch.code is not None:
        raise LockedError(switch.code)
    served = await _predict(request, parts.serving)
    signal = await quick(_decide, served, rules)
    decision = _decision(request, served.stored, signal, parts, idempotency)
    async with transactions() as stores:
        (held,) = await hold_switches(stores, [(request.track, request.strategy_id)])
        if held.code is not None:
            raise LockedError(held.code)
        added = await stores.decisions.add(decision)
        if not added.is_new:
            return await _of_decision(stores, added.decision)
        record = _record(request, served.stored, signal, decision)
        return Generated(await stores.signals.add(record), served.price)


async def list_signals(
    *,
    track: str | None,
    target: str | None,
    strategy_id: str | None,
    before_id: int | None,
    limit: int,
    transactions: Transactions,
) -> Page[StoredSignal, int]:
    """Read one page of signals, newest first.

    Parameters
    ----------
    track
        Only of this track; None means any.
    target
        Only of this target, in upper case.
    strategy_id
        Only of this strategy.
    before_id
        Only ids below it.
    limit
        At most so many.
    transactions
        The record.

    Returns
    -------
    Page
    """
    async with transactions() as stores:
        found = await stores.signals.page(
            track=track, target=target, strategy_id=strategy_id, before_id=before_id, limit=limit + 1
        )
    return page_of(found, limit, lambda one: one.id)


async def list_decisions(
    *,
    track: str | None,
    strategy_id: str | None,
    before_id: str | None,
    limit: int,
    transactions: Transactions,
) -> Page[StoredDecision, str]:
    """Read one page of decisions, newest first.

    Parameters
    ----------
    track
        Only of this track; None means any.
    strategy_id
        Only of this strategy.
    before_id
        Only those that come after this decision.
    limit
        At most so many.
    transactions
        The record.

    Returns
    -------
    Page

    Raises
    ------
    NotFoundError
        If there is no decision `before_id`.
    """
    async with transactions() as stores:
        found = await stores.decisions.page(
            track=track, strategy_id=strategy_id, before_id=before_id, limit=limit + 1
        )
    return page_of(found, limit, lambda one: one.decision_id)


async def _known(idempotency: Idempotency | None, transactions: Transactions) -> Generated | None:
    if idempotency is None:
        return None
    async with transactions() as stores:
        decision = await stores.decisions.find(idempotency)
        return None if decision is None else await _of_decision(stores, decision)


async def _of_decision(stores: Stores, decision: StoredDecision) -> Generated:
    return Generated((await stores.signals.of_decision(decision.decision_id))[0])


async def _predict(request: SignalRequest, serving: ServingParts) -> Served:
    if request.track == "vc":
        return await predict_vc(VcRequest(request.target, VC_MONTHS), serving)
    liquid = LiquidRequest(request.target, request.horizon)
    return await predict_liquid(liquid, serving)


def _decide(served: Served, rules: SignalRules) -> Signal:
    stored, snapshot = served.stored, served.snapshot
    row = {} if snapshot is None else dict(zip(snapshot.names, snapshot.values.tolist(), strict=True))
    forecast = Forecast(
        track=stored.track,
        score=stored.score,
        confidence=stored.confidence,
        tradeable=stored.tradeable,
        model_version=stored.explanation.model_version,
        why=stored.reason,
        has_price=served.price is not None,
    )
    return make_signal(forecast, read_live(row), rules)


def _decision(
    request: SignalRequest,
    stored: StoredPrediction,
    signal: Signal,
    parts: SignalParts,
    idempotency: Idempotency | None,
) -> Decision:
    return Decision(
        decision_id=decision_id_from(parts.entropy(DECISION_ID_BYTES)),
        track=request.track,
        strategy_id=request.strategy_id,
        source=DecisionSource.SIGNAL,
        as_of=_as_of(stored),
        is_approved=True,
        metadata={"action": str(signal.action), "prediction_id": stored.id, "policy": str(request.policy)},
        idempotency=idempotency,
    )


def _record(
    request: SignalRequest, stored: StoredPrediction, signal: Signal, decision: Decision
) -> SignalRecord:
    ends_after = timedelta(seconds=parse_interval(request.horizon).ns // NS_PER_S)
    return SignalRecord(
        track=request.track,
        target=request.target.upper(),
        horizon=request.horizon,
        score=signal.score,
        confidence=signal.confidence,
        action=str(signal.action),
        policy=str(request.policy),
        strategy_bucket=str(signal.bucket),
        strategy_id=request.strategy_id,
        decision_id=decision.decision_id,
        prediction_id=stored.id,
        expires_at=decision.as_of + ends_after,
        metadata={
            "reason": signal.reason,
            "hold_reason": None if signal.hold_reason is None else str(signal.hold_reason),
            "min_confidence": request.min_confidence,
            "strategy_id": request.strategy_id,
            "cost_profile": request.cost_profile,
            "risk_profile": request.risk_profile,
            "source": stored.source,
            "tradeable": stored.tradeable,
        },
    )


def _as_of(stored: StoredPrediction) -> datetime:
    return ns_to_datetime(parse_time_ns(stored.outputs["as_of"]))
