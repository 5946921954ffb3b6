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
from marketsentry.ports.predictions import ContextQuery, PredictionRecord, SnapshotRef, StoredPrediction
from marketsentry.services.serving import ServedModel, ServingCache, choose_model, load_served, read_row

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
    known = parts.rules.models
    if request.horizon not in known:
        raise InputError(f"horizon must be one of {', '.join(known)}, was {request.horizon}")
    now = parts.clock.now()
    as_of_ns = datetime_to_ns(as_of or now)
    symbol = request.symbol
    names = (symbol, base_of(symbol))
    async with parts.transactions() as stores:
        price = await stores.predictions.newest_price(symbol, as_of_ns=as_of_ns)
        if price is None:
            raise NotFoundError(f"there is no price of {symbol}")
        events = await stores.predictions.context_events(
            ContextQuery(names, names, as_of_ns), limit=CONTEXT_EVENTS
        )
        chosen = await choose_model(stores, symbol, request.horizon, known)
    asked = _Asked(request, price, events, now, as_of_ns, is_replay=as_of is not None)
    served = chosen if isinstance(chosen, Why) else await load_served(chosen, parts.cache, parts.artifacts)
    if isinstance(served, Why) and served.reason not in ABSTAINING:
        return await _answer_without_model(asked, served, parts)
    if isinstance(served, Why):
        assert not isinstance(chosen, Why)
        model = chosen.model
        return await _abstain(asked, served, f"{model.name}-{model.version}", chosen.id, parts)
    row = await read_row(
        served, symbol, as_of_ns=as_of_ns, cache=parts.cache, transactions=parts.transactions
    )
    return await _answer_by_model(asked, served, row, parts)


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


async def _answer_without_model(asked: _Asked, why: Why, parts: ServingParts) -> Served:
    answer = liquid_cold_start(
        asked.events,
        asked.request.horizon,
        as_of_ns=asked.as_of_ns,
        feature_version=parts.rules.feature_version,
        why=why,
    )
    return await _store(asked, answer, None, parts)


async def _abstain(asked: _Asked, why: Why, model_version: str, model_id: int, parts: ServingParts) -> Served:
    answer = Answer(
        source=Source.MODEL,
        score=None,
        confidence=None,
        outputs={"expected_return": None, "vol_forecast": None, "signal_confidence": None},
        explanation=explain(
            asked.events,
            ((), None),
            as_of_ns=asked.as_of_ns,
            model_version=model_version,
            feature_version=parts.rules.feature_version,
        ),
        why=why,
    )
    return await _store(asked, answer, model_id, parts)


async def _answer_by_model(
    asked: _Asked, served: ServedModel, row: "ServedRow | Why", parts: ServingParts
) -> Served:
    from marketsentry.core.serving.readiness import judge_row
    from marketsentry.services.serving_answer import answer_of

    scoring = served.scoring
    model = scoring.registered.model
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
            return await _store(asked, found, scoring.registered.id, parts, served=served, row=row)
        why = found
    return await _abstain(asked, why, f"{model.name}-{model.version}", scoring.registered.id, parts)


async def _store(
    asked: _Asked,
    answer: Answer,
    model_id: int | None,
    parts: ServingParts,
    *,
    served: ServedModel | None = None,
    row: "ServedRow | None" = None,
) -> Served:
    """Store snapshot, prediction and explanation together, under a lineage of this second or the next free one."""
    rules, symbol, second = parts.rules, asked.request.symbol, asked.now
    async with parts.transactions() as stores:
        lineage_id, snapshot = infer_lineage_id(second, "liquid", symbol), None
        if served is None or row is None:
            await stores.predictions.add_lineage(lineage_id)
        else:
            while (snapshot := await _add_snapshot(stores, lineage_id, asked, served, row, rules)) is None:
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
            model_id=model_id,
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
