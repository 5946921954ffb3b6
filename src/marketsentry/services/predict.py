"""Predict and explain: one service for the API, the command line and the worker (contract 1.3 and 4.6, K-61).

The configured version answers on features of the newest closed bar, computed by the step that training used. What
it cannot serve is answered by the cold-start rule, labelled and never tradeable; inputs that are missing or stale
make it abstain. Lineage, snapshot, prediction and explanation of all symbols are stored by one statement.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.cold_start import (
    Price,
    liquid_cold_start,
    price_outputs,
)
from marketsentry.core.serving.explain import explain
from marketsentry.core.serving.lineage_name import infer_lineage_id
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Artifacts, Clock, Stores, Transactions
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.predictions import PredictionRecord, ServedSnapshot, StoredPrediction
from marketsentry.ports.quick import quick
from marketsentry.ports.serving import TargetFacts
from marketsentry.services.serving import ServedModel, ServingCache, find_model, load_served, refusal

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from marketsentry.core.serving.readiness import ServedRow
    from marketsentry.services.serving_rows import OpenedRows

ABSTAINING = frozenset(
    {
        Reason.UNKNOWN_SCHEMA,
        Reason.NO_BARS,
        Reason.INSUFFICIENT_BARS,
        Reason.STALE_INPUTS,
        Reason.UNIVERSE_LATE,
        Reason.MISSING_FEATURES,
        Reason.NOT_FINITE,
    }
)


@dataclass(frozen=True, slots=True)
class LiquidRequest:
    """A traded symbol in upper case, and the horizon `1h`, `1d` or `7d`."""

    symbol: str
    horizon: str = "1d"


@dataclass(frozen=True, slots=True)
class ServingRules:
    """What is configured: the version by horizon, the names stamped, and when a bar is stale."""

    models: Mapping[str, tuple[str, str]]
    feature_version: str
    data_version: str
    stale_after_bars: int


@dataclass(frozen=True, slots=True)
class ServingParts:
    """The ports and the memory that predictions need."""

    transactions: Transactions
    artifacts: Artifacts
    clock: Clock
    cache: ServingCache
    rules: ServingRules


@dataclass(frozen=True, slots=True)
class Served:
    """A stored prediction; `price` is the one used, None for a company. `snapshot` holds what the model read."""

    stored: StoredPrediction
    price: Price | None
    snapshot: ServedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A liquid request with what was read for it."""

    request: LiquidRequest
    facts: TargetFacts
    now: datetime
    as_of_ns: int
    is_replay: bool

    @property
    def price(self) -> Price:
        assert self.facts.price is not None
        return self.facts.price


async def predict_liquid(
    request: LiquidRequest,
    parts: ServingParts,
    *,
    as_of: datetime | None = None,
    may_commit_late: bool = False,
) -> Served:
    """Predict the gross return of a symbol over a horizon, and store it with its explanation.

    Parameters
    ----------
    request
        What to predict.
    parts
        Ports, memory and rules.
    as_of
        Predict with what was known then; None means now. What is said of the past never trades.
    may_commit_late
        See `predict_universe`.

    Returns
    -------
    Served
        Also when it abstains.

    Raises
    ------
    InputError
        If no model and no rule is configured for the horizon.
    NotFoundError
        If the symbol has no price.
    """
    found = await predict_universe(
        [request.symbol], request.horizon, parts, as_of=as_of, may_commit_late=may_commit_late
    )
    if not found:
        raise NotFoundError(f"there is no price of {request.symbol}")
    return found[request.symbol]


async def predict_universe(
    symbols: Sequence[str],
    horizon: str,
    parts: ServingParts,
    *,
    as_of: datetime | None = None,
    may_commit_late: bool = False,
) -> Mapping[str, Served]:
    """Predict several symbols by one model: all is read by one round trip and stored by one statement.

    Parameters
    ----------
    symbols
        Distinct traded symbols in upper case.
    horizon
        One of those that are configured.
    parts
        Ports, memory and rules.
    as_of
        See `predict_liquid`.
    may_commit_late
        The caller commits something durable that rests on these predictions before it tells anybody: then their own
        commit does not wait for the disk; see `ServingStore.commit_late`.

    Returns
    -------
    mapping of str to Served
        Without the symbols that have no price.

    Raises
    ------
    InputError
        If no model and no rule is configured for the horizon.
    """
    known = parts.rules.models
    if horizon not in known:
        raise InputError(f"horizon must be one of {', '.join(known)}, was {horizon}")
    now = parts.clock.now()
    as_of_ns = datetime_to_ns(as_of or now)
    model = await find_model(*known[horizon], parts.cache, parts.transactions)
    chosen = {
        symbol: model if isinstance(model, Why) else refusal(model, symbol, horizon) or model
        for symbol in symbols
    }
    served: ServedModel | Why | None = None
    if not isinstance(model, Why) and any(one is model for one in chosen.values()):
        served = await load_served(model, parts.cache, parts.artifacts)
    async with _opened(symbols, served, parts, as_of_ns=as_of_ns, may_commit_late=may_commit_late) as read:
        asked = [
            _Asked(LiquidRequest(symbol, horizon), facts, now, as_of_ns, is_replay=as_of is not None)
            for symbol in symbols
            if (facts := read.facts[symbol]).price is not None
        ]
        told = [await _tell(one, chosen[one.request.symbol], served, read.rows, parts) for one in asked]
        return await _store(read.stores, asked, told, parts.rules) if asked else {}


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, and what it rests on."""

    answer: Answer
    model_id: int | None = None
    snapshot: ServedSnapshot | None = None


def _opened(
    symbols: Sequence[str],
    served: ServedModel | Why | None,
    parts: ServingParts,
    *,
    as_of_ns: int,
    may_commit_late: bool,
) -> "AbstractAsyncContextManager[OpenedRows]":
    from marketsentry.services.serving_rows import open_facts, open_rows

    if not isinstance(served, ServedModel):
        return open_facts(symbols, parts.transactions, as_of_ns=as_of_ns, may_commit_late=may_commit_late)
    return open_rows(
        served,
        symbols,
        parts.cache,
        parts.transactions,
        as_of_ns=as_of_ns,
        may_commit_late=may_commit_late,
    )


async def _tell(
    asked: _Asked,
    chosen: RegisteredModel | Why,
    served: ServedModel | Why | None,
    rows: "Mapping[str, ServedRow | Why]",
    parts: ServingParts,
) -> _Told:
    """Answer by the model, by the rule without one, or not at all."""
    if isinstance(chosen, Why):
        return _without_model(asked, chosen, parts)
    if isinstance(served, ServedModel):
        return await _by_model(asked, served, rows[asked.request.symbol], parts)
    assert served is not None
    if served.reason in ABSTAINING:
        return _abstained(asked, served, chosen, parts)
    return _without_model(asked, served, parts)


def _without_model(asked: _Asked, why: Why, parts: ServingParts) -> _Told:
    return _Told(
        liquid_cold_start(
            asked.facts.events,
            asked.request.horizon,
            as_of_ns=asked.as_of_ns,
            feature_version=parts.rules.feature_version,
            why=why,
        )
    )


def _abstained(asked: _Asked, why: Why, registered: RegisteredModel, parts: ServingParts) -> _Told:
    model = registered.model
    answer = Answer(
        source=Source.MODEL,
        score=None,
        confidence=None,
        outputs={"expected_return": None, "vol_forecast": None, "signal_confidence": None},
        explanation=explain(
            asked.facts.events,
            ((), None),
            as_of_ns=asked.as_of_ns,
            model_version=f"{model.name}-{model.version}",
            feature_version=parts.rules.feature_version,
        ),
        why=why,
    )
    return _Told(answer, registered.id)


async def _by_model(asked: _Asked, served: ServedModel, row: "ServedRow | Why", parts: ServingParts) -> _Told:
    from marketsentry.core.serving.readiness import judge_row
    from marketsentry.services.serving_answer import answer_of

    scoring = served.scoring
    why = (
        row
        if isinstance(row, Why)
        else judge_row(
            row,
            served.feature_set.schema,
            scoring.interval,
            as_of_ns=asked.as_of_ns,
            stale_after_bars=parts.rules.stale_after_bars,
            accepts_missing=scoring.models[-1].accepts_missing,
        )
    )
    if why is None:
        assert not isinstance(row, Why)
        run = quick if served.is_built_in else asyncio.to_thread
        found = await run(
            answer_of, row, served, asked.facts.events, as_of_ns=asked.as_of_ns, is_replay=asked.is_replay
        )
        if isinstance(found, Answer):
            return _Told(found, scoring.registered.id, _snapshot(asked, served, row, parts.rules))
        why = found
    return _abstained(asked, why, scoring.registered, parts)


def _snapshot(asked: _Asked, served: ServedModel, row: "ServedRow", rules: ServingRules) -> ServedSnapshot:
    return ServedSnapshot(
        event_time_ns=row.event_time_ns,
        as_of_ns=asked.as_of_ns,
        feature_version=served.feature_set.schema.version,
        data_version=rules.data_version,
        schema_hash=served.scoring.schema_hash,  # equal to that of the feature set, or it were not loaded
        names=served.scoring.feature_names,
        values=row.values,
    )


async def _store(
    stores: Stores, asked: Sequence[_Asked], told: Sequence[_Told], rules: ServingRules
) -> Mapping[str, Served]:
    """Store all together, each under a lineage of this second or of the next one that is free."""
    waiting = {one.request.symbol: (one, answered) for one, answered in zip(asked, told, strict=True)}
    stored: dict[str, StoredPrediction] = {}
    n_tried = 0
    while waiting:
        # the second try stays in its second: what another transaction was just writing may be equal
        later = timedelta(seconds=max(0, n_tried - 1))
        records = [_record(*one, second=one[0].now + later, rules=rules) for one in waiting.values()]
        stored.update(await stores.serving.add(records))
        waiting = {symbol: one for symbol, one in waiting.items() if symbol not in stored}
        n_tried += 1
    return {
        one.request.symbol: Served(stored[one.request.symbol], one.price, answered.snapshot)
        for one, answered in zip(asked, told, strict=True)
    }


def _record(asked: _Asked, told: _Told, *, second: datetime, rules: ServingRules) -> PredictionRecord:
    symbol, answer = asked.request.symbol, told.answer
    lineage_id = infer_lineage_id(second, "liquid", symbol)
    outputs: dict[str, Any] = {
        **answer.outputs,
        **price_outputs(asked.price),
        "symbol": symbol,
        "horizon": asked.request.horizon,
        "as_of": utc_text(asked.as_of_ns),
        "lineage_id": lineage_id,
        "data_version": rules.data_version,
    }
    return PredictionRecord(
        track="liquid",
        target=symbol,
        horizon=asked.request.horizon,
        answer=replace(answer, outputs=outputs),
        feature_set_id=answer.explanation.feature_version,
        lineage_id=lineage_id,
        model_id=told.model_id,
        snapshot=told.snapshot,
    )
