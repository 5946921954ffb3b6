"""The signals of a trader: why each order of a bar was wanted, down to the prediction and its snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.portfolio.signal import Forecast, bucket_of
from marketsentry.core.serving.readiness import signal_confidence, vol_forecast
from marketsentry.core.trading.orders import Wanted
from marketsentry.ports import Stores
from marketsentry.ports.predictions import BarPrediction, BarPredictions
from marketsentry.ports.signals import SignalRecord
from marketsentry.services.predict_told import store_told
from marketsentry.services.trader_parts import POLICY, TRACK, ClosedBar, TradedModel


@dataclass(frozen=True, slots=True)
class SignalSource:
    """Whose signals they are: symbols in the order of a bar's arrays, the model, the strategy."""

    symbols: tuple[str, ...]
    model: TradedModel
    strategy_id: str


def signals_of(
    decision_id: str,
    bar: ClosedBar,
    wanted: Sequence[Wanted],
    source: SignalSource,
    ids: Mapping[str, int],
) -> Sequence[SignalRecord]:
    """Make a signal for each target that trades, on its prediction.

    Parameters
    ----------
    decision_id
        The decision.
    bar
        With the predictions.
    wanted
        What trades.
    source
        Whose signals they are.
    ids
        Of the stored predictions by target.

    Returns
    -------
    sequence of SignalRecord
    """
    scores = _scores(bar, source)
    first: dict[str, Wanted] = {}
    for one in wanted:
        first.setdefault(one.target, one)
    return [_signal(decision_id, bar, one, scores.get(one.target), ids, source) for one in first.values()]


async def write_predictions(
    stores: Stores, decision_id: str, bar: ClosedBar, source: SignalSource
) -> Mapping[str, int]:
    """Store the predictions of a bar with their decision; names them by their targets.

    Raises `DataQualityError` if a snapshot that was predicted on is not stored.
    """
    if bar.told is not None:
        return {target: one.id for target, one in (await store_told(stores, bar.told)).items()}
    scores, model = _scores(bar, source), source.model
    if not scores:
        return {}
    rows = tuple(
        BarPrediction(
            target=symbol,
            feature_lineage_id=model.feature_lineages[symbol],
            score=score,
            confidence=signal_confidence(vol_forecast(score)),
            outputs={"expected_return": score, "bar_end": bar.end.isoformat()},
        )
        for symbol, score in scores.items()
    )
    return await stores.predictions.add_bar(
        BarPredictions(
            track=TRACK,
            horizon=model.horizon,
            model_id=model.id,
            model_version=model.name,
            feature_version=model.feature_version,
            decision_id=decision_id,
            event_time_ns=bar.end_ns,
            tradeable=model.is_tradeable,
            rows=rows,
        )
    )


def _scores(bar: ClosedBar, source: SignalSource) -> Mapping[str, float]:
    return {
        symbol: score
        for symbol, score in zip(source.symbols, bar.predictions.tolist(), strict=True)
        if np.isfinite(score)
    }


def _signal(
    decision_id: str,
    bar: ClosedBar,
    one: Wanted,
    score: float | None,
    ids: Mapping[str, int],
    source: SignalSource,
) -> SignalRecord:
    model = source.model
    confidence = None if score is None else signal_confidence(vol_forecast(score))
    trend = float(bar.trend[source.symbols.index(one.target)])
    forecast = Forecast(TRACK, score, confidence, model.is_tradeable, model.name)
    return SignalRecord(
        track=TRACK,
        target=one.target,
        horizon=model.horizon,
        score=score,
        confidence=confidence,
        action="hold"
        if score is None
        else str(one.side),  # without a prediction it is age or risk that closes
        policy=POLICY,
        strategy_bucket=str(bucket_of(forecast, trend if np.isfinite(trend) else None, confidence)),
        strategy_id=source.strategy_id,
        decision_id=decision_id,
        prediction_id=ids.get(one.target),
        expires_at=ns_to_datetime(2 * bar.end_ns - bar.ts_ns),
        metadata={"reason": f"policy={POLICY};model={model.name};score={score}"},
    )
