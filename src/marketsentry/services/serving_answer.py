"""The answer of a model on one row of features: predicted, explained by its own attributions, bounded."""

from collections.abc import Sequence
from typing import cast

import numpy as np

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


def answer_of(
    row: ServedRow,
    served: ServedModel,
    events: Sequence[ContextEvent],
    *,
    as_of_ns: int,
    is_replay: bool,
) -> Answer | Why:
    """Predict on a row.

    Parameters
    ----------
    row
        A row that may be predicted on.
    served
        The model.
    events
        Context of the target, for the explanation.
    as_of_ns
        When, UTC epoch ns.
    is_replay
        Whether this is about the past; then it never trades.

    Returns
    -------
    Answer or Why
        `not_finite` when the model gives no finite number, or attributions that do not add up to it. It may trade
        when the verdict of its version is a pass.
    """
    registered = served.scoring.registered.model
    model = served.scoring.models[-1]
    rows = row.values[None, :].copy()
    named = f"model {registered.name}:{registered.version}"
    predicted = np.asarray(model.predict(rows))
    if predicted.shape != (1,) or not np.isfinite(predicted).all():
        return Why(Reason.NOT_FINITE, f"{named} must predict one finite number, gave {predicted.tolist()}")
    expected = float(predicted[0])
    parts: tuple[tuple[FeatureContribution, ...], Attribution | None] = ((), None)
    if served.explains:
        try:
            told = np.asarray(cast(Explains, model).contributions(rows))[0]
            parts = attribute(served.scoring.feature_names, row.values, told, score=expected, scale="return")
        except InputError as error:
            return Why(Reason.NOT_FINITE, f"{named}: {error}")
    vol = vol_forecast(expected)
    confidence = signal_confidence(vol)
    missing = np.isnan(row.values)
    return Answer(
        source=Source.MODEL,
        score=expected,
        confidence=confidence,
        outputs={
            "expected_return": expected,
            "vol_forecast": vol,
            "signal_confidence": confidence,
            "bar_end": utc_text(row.event_time_ns),
            "model": f"{registered.name}:{registered.version}",
            "stack": {"nn": None, "tabular": expected, "alpha": 0.0},
            "missing_features": [served.scoring.feature_names[i] for i in np.flatnonzero(missing)],
        },
        explanation=explain(
            events,
            parts,
            as_of_ns=as_of_ns,
            model_version=f"{registered.name}-{registered.version}",
            feature_version=served.feature_set.schema.version,
        ),
        tradeable=not is_replay and registered.verdict.get("outcome") == Outcome.PASS,
    )
