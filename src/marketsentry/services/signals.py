"""From a prediction to a stored signal (contract 1.4): predicted by the one service, decided, stored as one decision.

A signal ends one horizon after its prediction was made: by then the forecast is spent.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketsentry.core.ids import DECISION_ID_BYTES, decision_id_from
from marketsentry.core.market.interval import NS_PER_S, parse_interval
from marketsentry.core.market.timestamps import ns_to_datetime, parse_time_ns
from marketsentry.core.portfolio.fast_score import read_live
from marketsentry.core.portfolio.profiles import cost_profile, risk_profile
from marketsentry.core.portfolio.signal import Forecast, Signal, SignalRules, make_signal
from marketsentry.core.portfolio.terms import SignalPolicy
from marketsentry.core.risk.kill_switch import EffectiveSwitch
from marketsentry.core.serving.answer import Answer
from marketsentry.core.serving.cold_start import Price
from marketsentry.exceptions import LockedError
from marketsentry.ports import Entropy, Stores, Transactions
from marketsentry.ports.decisions import Decision, DecisionSource, Idempotency, StoredDecision
from marketsentry.ports.predictions import StoredPrediction
from marketsentry.ports.quick import quick
from marketsentry.ports.signals import SignalRecord, StoredSignal
from marketsentry.ports.together import together
from marketsentry.ports.with_commit import ending_with
from marketsentry.services.paging import Page, page_of
from marketsentry.services.predict import OpenedUniverse, ServingParts, no_price, open_universe
from marketsentry.services.predict_told import store_told
from marketsentry.services.predict_vc import VcRequest, predict_vc
from marketsentry.services.risk_switch import effective_switches, hold_switches, read_switch

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
    asked = _Asked(request, rules, parts, idempotency)
    if request.track == "vc":
        return await _of_company(asked)

    async def refuse(stores: Stores) -> None:
        reading = await stores.risk.read_switches([request.track], [request.strategy_id])
        _raise_where_locked(*effective_switches(reading, asked.scopes))

    opened = open_universe([request.target], request.horizon, parts.serving, beside=refuse)
    return await ending_with(opened, asked.of_symbol)


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked, and with what it is answered."""

    request: SignalRequest
    rules: SignalRules
    parts: SignalParts
    idempotency: Idempotency | None

    @property
    def scopes(self) -> Sequence[tuple[str, str]]:
        """Whose switches stop it."""
        return [(self.request.track, self.request.strategy_id)]

    async def of_symbol(self, opened: OpenedUniverse[None]) -> Coroutine[Any, Any, Generated]:
        """Store a prediction and its signal under the switches; returns what is left to be sent with the commit.

        A prediction stays stored where a switch was pulled behind the read of it, or somebody else had the key.
        """
        stores, told = opened.stores, await opened.tell()
        if not told:
            raise no_price(self.request.target)
        (one,) = told
        snapshot = one.snapshot
        row = {} if snapshot is None else dict(zip(snapshot.names, snapshot.values.tolist(), strict=True))
        signal = await quick(make_signal, _forecast(one.answer), read_live(row), self.rules)
        (held,), stored = await together(hold_switches(stores, self.scopes), store_told(stores, told))
        if held.code is not None:
            return _locked(held.code)
        return await self.added(stores, stored[one.asked.symbol], signal, one.asked.price)

    async def added(
        self, stores: Stores, prediction: StoredPrediction, signal: Signal, price: Price | None
    ) -> Coroutine[Any, Any, Generated]:
        """Store the decision; returns the rest: its signal, or the one that the key had already."""
        decision = _decision(self.request, prediction, signal, self.parts, self.idempotency)
        if self.idempotency is None:
            await stores.decisions.put(decision, ())
        else:
            added = await stores.decisions.add(decision)
            if not added.is_new:
                return _of_decision(stores, added.decision)
        return _added(stores, _record(self.request, prediction, signal, decision), price)


async def _of_company(asked: _Asked) -> Generated:
    """Estimate a company and store the signal after it: it holds, whatever is estimated."""
    request, serving = asked.request, asked.parts.serving
    _raise_where_locked(
        await read_switch(request.track, request.strategy_id, transactions=serving.transactions)
    )
    served = await predict_vc(VcRequest(request.target, VC_MONTHS), serving)
    stored = served.stored
    forecast = Forecast(
        track=stored.track,
        score=stored.score,
        confidence=stored.confidence,
        tradeable=stored.tradeable,
        model_version=stored.explanation.model_version,
        why=stored.reason,
        has_price=False,
    )
    signal = await quick(make_signal, forecast, read_live({}), asked.rules)

    async def work(stores: Stores) -> Coroutine[Any, Any, Generated]:
        _raise_where_locked(*await hold_switches(stores, asked.scopes))
        return await asked.added(stores, stored, signal, None)

    return await ending_with(serving.transactions(), work)


def _raise_where_locked(*switches: EffectiveSwitch) -> None:
    for one in switches:
        if one.code is not None:
            raise LockedError(one.code)


async def _locked(code: str) -> Generated:
    raise LockedError(code)


async def _added(stores: Stores, record: SignalRecord, price: Price | None) -> Generated:
    return Generated(await stores.signals.add(record), price)


async def _known(idempotency: Idempotency | None, transactions: Transactions) -> Generated | None:
    if idempotency is None:
        return None
    async with transactions() as stores:
        decision = await stores.decisions.find(idempotency)
        return None if decision is None else await _of_decision(stores, decision)


async def _of_decision(stores: Stores, decision: StoredDecision) -> Generated:
    return Generated((await stores.signals.of_decision(decision.decision_id))[0])


def _forecast(answer: Answer) -> Forecast:
    return Forecast(
        track="liquid",
        score=answer.score,
        confidence=answer.confidence,
        tradeable=answer.tradeable,
        model_version=answer.explanation.model_version,
        why=None if answer.why is None else str(answer.why.reason),
        has_price=True,
    )


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
