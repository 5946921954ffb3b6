"""Predictions appended with all they rest on: lineage, snapshot, prediction and explanation by one statement."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import InputError
from marketsentry.ports.predictions import PredictionRecord, ServedSnapshot, StoredPrediction

# The rows travel as one JSON text. A snapshot that is there already is shared if it is equal; of one that differs, or
# that another transaction is just writing, the prediction is left out
_ADD = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS row (
        track text, target text, score float8, confidence float8, outputs jsonb, horizon text, model_id bigint,
        feature_set_id text, lineage_id text, source text, tradeable boolean, reason text, events jsonb,
        features jsonb, links jsonb, attribution jsonb, model_version text, feature_version text,
        event_time timestamptz, as_of timestamptz, snapshot_version text, data_version text, schema_hash text,
        payload jsonb)
), named AS (
    INSERT INTO lineages (lineage_id, kind)
    SELECT DISTINCT lineage_id, 'infer' FROM given ORDER BY lineage_id
    ON CONFLICT (lineage_id) DO NOTHING
), added AS (
    INSERT INTO feature_snapshots (target, track, as_of, as_of_ts, event_time, feature_version, feature_payload,
                                   data_version, lineage_id, schema_hash)
    SELECT target, track, as_of, as_of, event_time, snapshot_version, payload, data_version, lineage_id, schema_hash
    FROM given
    WHERE payload IS NOT NULL
    ON CONFLICT (lineage_id, target, event_time) DO NOTHING
    RETURNING id, target
), snapshot AS (
    SELECT id, target FROM added
    UNION ALL
    SELECT kept.id, given.target
    FROM given
    CROSS JOIN LATERAL (  -- a row by its key each: joined as a whole, every snapshot of the span would be read
        SELECT id
        FROM feature_snapshots
        WHERE lineage_id = given.lineage_id AND target = given.target AND event_time = given.event_time
          AND event_time BETWEEN %(first)s AND %(last)s  -- says beforehand which partitions are looked into
          AND schema_hash = given.schema_hash AND data_version = given.data_version
          AND feature_payload = given.payload
        LIMIT 1
    ) AS kept
), stored AS (
    INSERT INTO predictions_v2 (track, target, score, confidence, outputs, horizon, model_id, feature_set_id,
                                decision_id, feature_snapshot_id, feature_event_time, lineage_id, source, tradeable,
                                reason)
    SELECT given.track, given.target, given.score, given.confidence, given.outputs, given.horizon, given.model_id,
           given.feature_set_id, given.lineage_id, snapshot.id, given.event_time, given.lineage_id, given.source,
           given.tradeable, given.reason
    FROM given
    LEFT JOIN snapshot ON snapshot.target = given.target
    WHERE given.payload IS NULL OR snapshot.id IS NOT NULL
    RETURNING id, target, created_at, feature_snapshot_id
), explained AS (
    INSERT INTO prediction_explanations (prediction_id, top_event_contributors, top_feature_contributors,
                                         evidence_links, attribution, model_version, feature_version)
    SELECT stored.id, given.events, given.features, given.links, given.attribution, given.model_version,
           given.feature_version
    FROM stored JOIN given ON given.target = stored.target
)
SELECT target, id, created_at, feature_snapshot_id FROM stored
"""


async def add_predictions(
    statements: Statements, predictions: Sequence[PredictionRecord]
) -> Mapping[str, StoredPrediction]:
    """Append predictions of distinct targets; see `ServingStore.add`."""
    ordered = sorted(
        predictions, key=lambda one: one.target
    )  # one order for everybody: no two calls lock crosswise
    documents = {one.target: one.answer.document() for one in ordered}
    rows = [_row(one, documents[one.target]) for one in ordered]
    times = [ns_to_datetime(one.snapshot.event_time_ns) for one in ordered if one.snapshot is not None]
    given = {
        "rows": orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY).decode(),
        "first": min(times, default=None),
        "last": max(times, default=None),
    }
    added = {row[0]: row[1:] for row in await statements.tuples(_ADD, given, is_binary=True)}
    return {
        one.target: _stored(one, documents[one.target], *added[one.target])
        for one in predictions
        if one.target in added
    }


def _row(prediction: PredictionRecord, outputs: Mapping[str, Any]) -> dict[str, Any]:
    answer = prediction.answer
    why = answer.explanation
    row = {
        "track": prediction.track,
        "target": prediction.target,
        "score": answer.score,
        "confidence": answer.confidence,
        "outputs": outputs,
        "horizon": prediction.horizon,
        "model_id": prediction.model_id,
        "feature_set_id": prediction.feature_set_id,
        "lineage_id": prediction.lineage_id,
        "source": str(answer.source),
        "tradeable": answer.tradeable,
        "reason": None if answer.why is None else str(answer.why.reason),
        "events": why.top_event_contributors,
        "features": why.top_feature_contributors,
        "links": why.evidence_links,
        "attribution": why.attribution,
        "model_version": why.model_version,
        "feature_version": why.feature_version,
    }
    return row if prediction.snapshot is None else {**row, **_snapshot_row(prediction.snapshot)}


def _snapshot_row(snapshot: ServedSnapshot) -> dict[str, Any]:
    """Spell features as the COPY of training rows does: shortest exact decimals, null for missing."""
    infinite = np.isinf(snapshot.values)
    if infinite.any():
        name = snapshot.names[int(infinite.argmax())]
        raise InputError(f"feature {name} must be finite or NaN")
    return {
        "event_time": ns_to_datetime(snapshot.event_time_ns),
        "as_of": ns_to_datetime(snapshot.as_of_ns),
        "snapshot_version": snapshot.feature_version,
        "data_version": snapshot.data_version,
        "schema_hash": snapshot.schema_hash,
        "payload": dict(zip(snapshot.names, snapshot.values.tolist(), strict=True)),
    }


def _stored(
    prediction: PredictionRecord, outputs: dict[str, Any], id_: int, created_at: Any, snapshot_id: int | None
) -> StoredPrediction:
    answer = prediction.answer
    return StoredPrediction(
        id=id_,
        track=prediction.track,
        target=prediction.target,
        score=answer.score,
        confidence=answer.confidence,
        outputs=outputs,
        created_at=created_at,
        horizon=prediction.horizon,
        model_id=prediction.model_id,
        feature_set_id=prediction.feature_set_id,
        decision_id=prediction.lineage_id,
        feature_snapshot_id=snapshot_id,
        lineage_id=prediction.lineage_id,
        source=str(answer.source),
        tradeable=answer.tradeable,
        reason=None if answer.why is None else str(answer.why.reason),
        explanation=answer.explanation,
    )
