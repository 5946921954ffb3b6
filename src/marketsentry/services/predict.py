"""Predict and explain: one service for the API, the command line and the worker (contract 1.3 and 4.6, K-61).

The configured version answers on features of the newest closed bar, computed by the step that training used. What
it cannot serve is answered by the cold-start rule, labelled and never tradeable; inputs that are missing or stale
make it abstain. Snapshot, prediction and explanation are stored in one transaction.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from marketsentry.core.market.symbols import base_of
from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.cold_start import (
    VC_FEATURE_VERSION,
    Price,
    liquid_cold_start,
    price_outputs,
    vc_cold_start,
)
from marketsentry.core.serving.explain import ContextEvent, explain
from marketsentry.core.serving.lineage_name import infer_lineage_id
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Artifacts, Clock, Stores, Transactions
from marketsentry.ports.datasets import SnapshotStamp
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.predictions import ContextQuery, PredictionRecord, SnapshotRef, StoredPrediction
from marketsentry.services.serving import ServedModel, ServingCache, choose_models, load_served, read_rows

if TYPE_CHECKING:
    from marketsentry.core.serving.readiness import ServedRow

CONTEXT_EVENTS = 8
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
class VcRequest:
    """A company as it is written, and 6, 12 or 24 months.

    An entity of which another country or sector is known is not the company asked for: its events do not count.
    """

    company_name: str
    horizon_months: int = 12
    country: str | None = None
    sector: str | None = None


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
    """A stored prediction; `price` is the one used, None for a company."""

    stored: StoredPrediction
    price: Price | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A liquid request with what was read for it."""

    request: LiquidRequest
    price: Price
    events: Sequence[ContextEvent]
    now: datetime
    as_of_ns: int
    is_replay: bool


async def predict_liquid(
    request: LiquidRequest, parts: ServingParts, *, as_of: datetime | None = None
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
    found = await predict_universe([request.symbol], request.horizon, parts, as_of=as_of)
    if not found:
        raise NotFoundError(f"there is no price of {request.symbol}")
    return found[request.symbol]


async def predict_universe(
    symbols: Sequence[str], horizon: str, parts: ServingParts, *, as_of: datetime | None = None
) -> Mapping[str, Served]:
    """Predict several symbols by one model: what they share is read once, and all is stored in one transaction.

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
    asked: list[_Asked] = []
    async with parts.transactions() as stores:
        for symbol in symbols:
            price = await stores.predictions.newest_price(symbol, as_of_ns=as_of_ns)
            if price is None:
                continue
            names = (symbol, base_of(symbol))
            events = await stores.predictions.context_events(
                ContextQuery(names, names, as_of_ns), limit=CONTEXT_EVENTS
            )
            request = LiquidRequest(symbol, horizon)
            asked.append(_Asked(request, price, events, now, as_of_ns, is_replay=as_of is not None))
        chosen = await choose_models(stores, [one.request.symbol for one in asked], horizon, known)
    told = await _told(asked, chosen, parts)
    async with parts.transactions() as stores:
        return {
            one.request.symbol: await _store(stores, one, answered, parts)
            for one, answered in zip(asked, told, strict=True)
        }


async def predict_vc(request: VcRequest, parts: ServingParts) -> Served:
    """Estimate the next round and the exit of a company: experimental, never tradeable (K-68).

    Parameters
    ----------
    request
        What to estimate.
    parts
        Ports and rules.

    Returns
    -------
    Served
    """
    now = parts.clock.now()
    as_of_ns = datetime_to_ns(now)
    name = request.company_name
    query = ContextQuery((name,), (name,), as_of_ns, request.country, request.sector)
    async with parts.transactions() as stores:
        events = await stores.predictions.context_events(query, limit=CONTEXT_EVENTS)
        why = Why(
            Reason.EXPERIMENTAL_TRACK,
            "there are no recorded outcomes to train a venture model on: this counts events, and is no forecast",
        )
        answer = vc_cold_start(events, request.horizon_months, as_of_ns=as_of_ns, why=why)
        lineage_id = infer_lineage_id(now, "vc", name)
        outputs = {
            **answer.outputs,
            "as_of": utc_text(as_of_ns),
            "horizon_months": request.horizon_months,
            "country": request.country,
            "sector": request.sector,
            "n_events": len(events),
            "lineage_id": lineage_id,
            "data_version": parts.rules.data_version,
        }
        record = PredictionRecord(
            track="vc",
            target=name,
            horizon=f"{request.horizon_months}m",
            answer=replace(answer, outputs=outputs),
            feature_set_id=VC_FEATURE_VERSION,
            lineage_id=lineage_id,
        )
        await stores.predictions.add_lineage(lineage_id)
        return Served(await stores.predictions.add(record), None)


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, and what it rests on."""

    answer: Answer
    model_id: int | None = None
    served: ServedModel | None = None
    row: "ServedRow | None" = None


async def _told(
    asked: Sequence[_Asked], chosen: Mapping[str, RegisteredModel | Why], parts: ServingParts
) -> Sequence[_Told]:
    """Answer each by its model, by the rule without one, or not at all."""
    registered = next((one for one in chosen.values() if not isinstance(one, Why)), None)
    served: ServedModel | Why | None = None
    rows: Mapping[str, ServedRow | Why] = {}
    if registered is not None:
        served = await load_served(registered, parts.cache, parts.artifacts)
    if isinstance(served, ServedModel):
        rows = await read_rows(
            served,
            [symbol for symbol, one in chosen.items() if not isinstance(one, Why)],
            as_of_ns=asked[0].as_of_ns,
            cache=parts.cache,
            transactions=parts.transactions,
        )
    told = []
    for one in asked:
        found = chosen[one.request.symbol]
        if isinstance(found, Why):
            told.append(_without_model(one, found, parts))
        elif isinstance(served, ServedModel):
            told.append(await _by_model(one, served, rows[one.request.symbol], parts))
        else:
            assert served is not None
            is_abstaining = served.reason in ABSTAINING
            told.append(
                _abstained(one, served, found, parts) if is_abstaining else _without_model(one, served, parts)
            )
    return told


def _without_model(asked: _Asked, why: Why, parts: ServingParts) -> _Told:
    return _Told(
        liquid_cold_start(
            asked.events,
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
            asked.events,
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
        found = await asyncio.to_thread(
            answer_of, row, served, asked.events, as_of_ns=asked.as_of_ns, is_replay=asked.is_replay
        )
        if isinstance(found, Answer):
            return _Told(found, scoring.registered.id, served, row)
        why = found
    return _abstained(asked, why, scoring.registered, parts)


async def _store(stores: Stores, asked: _Asked, told: _Told, parts: ServingParts) -> Served:
    """Store snapshot, prediction and explanation together, under a lineage of this second or the next free one."""
    rules, symbol, second, answer = parts.rules, asked.request.symbol, asked.now, told.answer
    lineage_id, snapshot = infer_lineage_id(second, "liquid", symbol), None
    if told.served is None or told.row is None:
        await stores.predictions.add_lineage(lineage_id)
    else:
        while (
            snapshot := await _add_snapshot(stores, lineage_id, asked, told.served, told.row, rules)
        ) is None:
            second += timedelta(seconds=1)
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
    record = PredictionRecord(
        track="liquid",
        target=symbol,
        horizon=asked.request.horizon,
        answer=replace(answer, outputs=outputs),
        feature_set_id=answer.explanation.feature_version,
        lineage_id=lineage_id,
        model_id=told.model_id,
        snapshot=snapshot,
    )
    return Served(await stores.predictions.add(record), asked.price)


async def _add_snapshot(
    stores: Stores,
    lineage_id: str,
    asked: _Asked,
    served: ServedModel,
    row: "ServedRow",
    rules: ServingRules,
) -> SnapshotRef | None:
    schema = served.feature_set.schema
    stamp = SnapshotStamp(
        target=asked.request.symbol,
        track="liquid",
        feature_version=schema.version,
        data_version=rules.data_version,
        schema_hash=schema.hash,
        lineage_id=lineage_id,
        dataset_id=None,
    )
    return await stores.predictions.add_snapshot(
        stamp, schema.names, row.values, event_time_ns=row.event_time_ns, as_of_ns=asked.as_of_ns
    )
