"""The answers of a model on rows of features: predicted, explained by its own attributions, bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.market.timestamps import utc_text
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.explain import (
    Attribution,
    ContextEvent,
    FeatureContribution,
    attribute,
    explain,
)
from marketsentry.core.serving.readiness import ServedRow, signal_confidence, vol_forecast
from marketsentry.exceptions import InputError
from marketsentry.models.protocol import Explains
from marketsentry.services.serving import ServedModel


def answers_of(
    rows: Sequence[ServedRow],
    served: ServedModel,
    events: Sequence[Sequence[ContextEvent]],
    *,
    as_of_ns: int,
    is_replay: bool,
) -> Sequence[Answer | Why]:
    """Predict on rows: a model of ours on all by one call, a user's own on each alone, for it may mix them.

    Parameters
    ----------
    rows
        Rows that may be predicted on, at least one.
    served
        The model.
    events
        Context of each target, for the explanation.
    as_of_ns
        When, UTC epoch ns.
    is_replay
        Whether this is about the past; then it never trades.

    Returns
    -------
    sequence of Answer or Why
        `not_finite` when the model gives no finite number, or attributions that do not add up to it. It may trade
        when the verdict of its version is a pass.
    """
    n_at_once = len(rows) if served.is_built_in else 1
    found: list[Answer | Why] = []
    for start in range(0, len(rows), n_at_once):
        block = rows[start : start + n_at_once]
        given = np.stack([row.values for row in block])
        told = _predicted(served, given)
        found += [
            one if isinstance(one, Why) else _answer(row, served, one, about, as_of_ns, is_replay=is_replay)
            for row, one, about in zip(block, told, events[start : start + n_at_once], strict=True)
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Predicted:
    score: float
    features: tuple[FeatureContribution, ...] = ()
    attribution: Attribution | None = None


def _predicted(served: ServedModel, given: NDArray[np.float64]) -> Sequence[_Predicted | Why]:
    """Predict rows (n, F) and attribute the predictions to the features."""
    model, registered = served.scoring.models[-1], served.scoring.registered.model
    named = f"model {registered.name}:{registered.version}"
    scores = np.asarray(model.predict(given.copy()))
    if scores.shape != (len(given),) or not np.isfinite(scores).any():
        return [_not_finite(named, scores)] * len(given)
    if not served.explains:
        return [_Predicted(float(one)) if np.isfinite(one) else _not_finite(named, one) for one in scores]
    try:
        contributions = np.asarray(cast(Explains, model).contributions(given.copy()))
    except InputError as error:
        return [Why(Reason.NOT_FINITE, f"{named}: {error}")] * len(given)
    names = served.scoring.feature_names
    return [_explained(named, names, *one) for one in zip(given, scores, contributions, strict=True)]


def _explained(
    named: str,
    names: Sequence[str],
    values: NDArray[np.float64],
    score: np.float64,
    contributions: NDArray[np.float64],
) -> _Predicted | Why:
    if not np.isfinite(score):
        return _not_finite(named, score)
    try:
        parts = attribute(names, values, contributions, score=float(score), scale="return")
    except InputError as error:
        return Why(Reason.NOT_FINITE, f"{named}: {error}")
    return _Predicted(float(score), *parts)


def _not_finite(named: str, scores: NDArray[np.float64] | np.float64) -> Why:
    return Why(
        Reason.NOT_FINITE, f"{named} must predict one finite number, gave {np.atleast_1d(scores).tolist()}"
    )


def _answer(
    row: ServedRow,
    served: ServedModel,
    told: _Predicted,
    events: Sequence[ContextEvent],
    as_of_ns: int,
    *,
    is_replay: bool,
) -> Answer:
    registered = served.scoring.registered.model
    vol = vol_forecast(told.score)
    confidence = signal_confidence(vol)
    names = served.scoring.feature_names
    return Answer(
        source=Source.MODEL,
        score=told.score,
        confidence=confidence,
        outputs={
            "expected_return": told.score,
            "vol_forecast": vol,
            "signal_confidence": confidence,
            "bar_end": utc_text(row.event_time_ns),
            "model": f"{registered.name}:{registered.version}",
            "stack": {"nn": None, "tabular": told.score, "alpha": 0.0},
            "missing_features": [names[i] for i in np.flatnonzero(np.isnan(row.values))],
        },
        explanation=explain(
            events,
            (told.features, told.attribution),
            as_of_ns=as_of_ns,
            model_version=f"{registered.name}-{registered.version}",
            feature_version=served.feature_set.schema.version,
        ),
        tradeable=not is_replay and registered.verdict.get("outcome") == Outcome.PASS,
    )
