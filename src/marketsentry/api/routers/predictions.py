"""Predictions and their explanations over HTTP (contract section 1.3)."""

from dataclasses import asdict, fields
from typing import Annotated, Any

from fastapi import APIRouter, Query

from marketsentry.api.deps import MetricsDep, SystemDep
from marketsentry.api.schemas.ids import MAX_ID, RowId
from marketsentry.api.schemas.predictions import (
    MAX_PAGE,
    ExplainedPredictionOut,
    LiquidIn,
    PredictionOut,
    PredictionPageOut,
    StoredPredictionOut,
    Track,
    VcIn,
)
from marketsentry.api.schemas.texts import stored_text
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.ports.predictions import StoredPrediction
from marketsentry.services.predict import LiquidRequest, predict_liquid
from marketsentry.services.predict_vc import VcRequest, predict_vc
from marketsentry.services.predictions import list_predictions, read_prediction

PRICE_DIGITS = 8
RETURN_DIGITS = 10
METRIC_DIGITS = 6
_DIGITS = {"current_price": PRICE_DIGITS, "expected_return": RETURN_DIGITS, "tabular": RETURN_DIGITS}
_STORED = tuple(one.name for one in fields(StoredPrediction) if one.name != "explanation")

router = APIRouter(tags=["predictions"])


@router.post("/predict/vc", summary="Estimate the next round and the exit of a company (experimental)")
async def predict_company(body: VcIn, system: SystemDep) -> PredictionOut:
    """Count the newest events about a company. Experimental: no outcomes are recorded to train a model on.

    The answer is always a `heuristic` and never tradeable.
    """
    served = await predict_vc(VcRequest(**body.model_dump()), system.serving)
    return _prediction(served.stored)


@router.post(
    "/predict/liquid",
    summary="Predict the return of a symbol",
    responses={404: {"description": "the symbol has no price"}},
)
async def predict_symbol(body: LiquidIn, system: SystemDep, metrics: MetricsDep) -> PredictionOut:
    """Predict with the version configured for the horizon, on features of the newest closed bar.

    `expected_return` is the gross return over the horizon. `current_price` is the newest spot price or close of a
    bar, whichever is newer; `price_source` says which. Without a version that can serve the symbol the cold-start rule
    answers (`source` `heuristic`, `reason` says why). Missing or stale inputs make it abstain: the numbers are null.
    """
    served = await predict_liquid(LiquidRequest(**body.model_dump()), system.serving)
    if served.price is not None:
        age_ns = datetime_to_ns(system.clock.now()) - served.price.at_ns
        metrics.data_freshness.labels(served.stored.target).set(max(0.0, age_ns / 1e9))
    return _prediction(served.stored)


@router.get(
    "/predictions/{prediction_id}/explanation",
    summary="Read a prediction and why it says so",
    responses={404: {"description": "`prediction not found`"}},
)
async def explanation(prediction_id: RowId, system: SystemDep) -> ExplainedPredictionOut:
    """Answer a stored prediction with its explanation: events, attributions of the model, links."""
    stored = await read_prediction(prediction_id, transactions=system.transactions)
    return ExplainedPredictionOut.model_validate({**_columns(stored), "explanation": _explanation(stored)})


@router.get("/predictions", summary="List predictions")
async def list_page(
    system: SystemDep,
    track: Track | None = None,
    target: Annotated[
        Annotated[str, stored_text(512)] | None, Query(description="as it is stored; a symbol in upper case")
    ] = None,
    cursor: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next_cursor` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> PredictionPageOut:
    """Answer predictions, newest first; a page goes on where the one before it ended, whatever was added since."""
    page = await list_predictions(
        track=track, target=target, before_id=cursor, limit=limit, transactions=system.transactions
    )
    items = [StoredPredictionOut.model_validate(_columns(one)) for one in page.items]
    return PredictionPageOut(items=items, next_cursor=page.next_key)


def _prediction(stored: StoredPrediction) -> PredictionOut:
    return PredictionOut.model_validate(
        {**_columns(stored), "prediction_id": stored.id, "explanation": _explanation(stored)}
    )


def _columns(stored: StoredPrediction) -> dict[str, Any]:
    columns = {name: getattr(stored, name) for name in _STORED}
    for name, digits in (("score", RETURN_DIGITS), ("confidence", METRIC_DIGITS)):
        columns[name] = _rounded(columns[name], digits)
    return {**columns, "outputs": _rounded(stored.outputs, METRIC_DIGITS), "abstained": stored.score is None}


def _explanation(stored: StoredPrediction) -> dict[str, Any]:
    return dict(_rounded(asdict(stored.explanation), RETURN_DIGITS))


def _rounded(
    value: Any, digits: int
) -> Any:  # any JSON value; rounding is presentation, the record keeps all digits
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {name: _rounded(one, _DIGITS.get(name, digits)) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one, digits) for one in value]
    return value
