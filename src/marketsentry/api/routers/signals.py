"""Signals and decisions over HTTP (contract section 1.4)."""

from dataclasses import fields
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from marketsentry.api.deps import MetricsDep, SystemDep
from marketsentry.api.idempotency import IdempotencyKey, idempotency_of
from marketsentry.api.refusals import documented
from marketsentry.api.schemas.ids import MAX_ID
from marketsentry.api.schemas.signals import (
    MAX_PAGE,
    DecisionOut,
    DecisionPageOut,
    Name,
    SignalIn,
    SignalOut,
    SignalPageOut,
    StoredSignalOut,
    Track,
)
from marketsentry.api.schemas.texts import stored_text
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.portfolio.terms import SignalPolicy
from marketsentry.ports.signals import StoredSignal
from marketsentry.services.signals import (
    SignalRequest,
    generate_signal,
    list_decisions,
    list_signals,
)

SCORE_DIGITS, CONFIDENCE_DIGITS = 10, 6
_STORED = tuple(one.name for one in fields(StoredSignal))

router = APIRouter(tags=["signals"])


@router.post(
    "/signals/generate", summary="Make a signal of a prediction", responses=documented(404, 409, 423)
)
async def generate(
    body: SignalIn, system: SystemDep, metrics: MetricsDep, idempotency_key: IdempotencyKey = None
) -> SignalOut:
    """Predict, decide and store: `buy` or `sell` beyond the dead band, else `hold` with its reason.

    An abstention, a cold start and a model that is not approved always hold. Companies need no price and always hold:
    their track is experimental.
    """
    started = perf_counter()
    request = SignalRequest(**{**body.model_dump(), "policy": SignalPolicy(body.policy)})
    told = await generate_signal(
        request, system.signals, idempotency=idempotency_of(idempotency_key, "signals/generate", body)
    )
    metrics.signal_latency.labels(body.track).observe(perf_counter() - started)
    if told.price is not None:
        age_ns = datetime_to_ns(system.clock.now()) - told.price.at_ns
        metrics.data_freshness.labels(told.signal.target).set(max(0.0, age_ns / 1e9))
    return SignalOut.model_validate({**_facts(told.signal), "signal_id": told.signal.id})


@router.get("/signals", summary="List signals")
async def list_page(
    system: SystemDep,
    track: Track | None = None,
    target: Annotated[Annotated[str, stored_text(512)] | None, Query(description="in upper case")] = None,
    strategy_id: Name | None = None,
    cursor: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next_cursor` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> SignalPageOut:
    """Answer signals, newest first; a page goes on where the one before it ended, whatever was added since."""
    page = await list_signals(
        track=track,
        target=target,
        strategy_id=strategy_id,
        before_id=cursor,
        limit=limit,
        transactions=system.transactions,
    )
    items = [StoredSignalOut.model_validate(_facts(one)) for one in page.items]
    return SignalPageOut(items=items, next_cursor=page.next_key)


@router.get("/decisions", summary="List decisions", responses=documented(404))
async def list_decision_page(
    system: SystemDep,
    track: Track | None = None,
    strategy_id: Name | None = None,
    cursor: Annotated[
        Annotated[str, stored_text(64)] | None, Query(description="`next_cursor` of a page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> DecisionPageOut:
    """Answer decisions of every source, newest first."""
    page = await list_decisions(
        track=track,
        strategy_id=strategy_id,
        before_id=cursor,
        limit=limit,
        transactions=system.transactions,
    )
    items = [DecisionOut.model_validate(one, from_attributes=True) for one in page.items]
    return DecisionPageOut(items=items, next_cursor=page.next_key)


def _facts(stored: StoredSignal) -> dict[str, Any]:
    columns = {name: getattr(stored, name) for name in _STORED}
    for name, digits in (("score", SCORE_DIGITS), ("confidence", CONFIDENCE_DIGITS)):
        columns[name] = None if columns[name] is None else round(columns[name], digits)
    return {**columns, "reason": stored.metadata.get("reason", "")}
