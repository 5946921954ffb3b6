"""Predictions with their explanations in PostgreSQL, and what is read to make them."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.newest_price import NEWEST_PRICE
from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.serving.cold_start import Price
from marketsentry.core.serving.explain import (
    Attribution,
    ContextEvent,
    EventContribution,
    Explanation,
    FeatureContribution,
)
from marketsentry.exceptions import DataQualityError, NotFoundError
from marketsentry.ports.predictions import (
    BarPredictions,
    ContextQuery,
    StoredPrediction,
)

_NEWEST_PRICE = (
    """
SELECT known.price, known.at, known.named
FROM (SELECT %(symbol)s::text AS symbol) AS asked
CROSS JOIN LATERAL ("""
    + NEWEST_PRICE
    + ") AS known"
)

_CONTEXT = """
SELECT id, event_type, title, occurred_at, source_url
FROM events
WHERE known_at <= %(as_of)s AND occurred_at <= %(as_of)s
  AND EXISTS (
    SELECT FROM event_links JOIN entities ON entities.id = event_links.entity_id
    WHERE event_links.event_id = events.id
      AND (lower(entities.name) = ANY(%(names)s::text[]) OR upper(entities.symbol) = ANY(%(symbols)s::text[]))
      AND (%(country)s::text IS NULL OR entities.country IS NULL OR upper(entities.country) = upper(%(country)s))
      AND (%(sector)s::text IS NULL OR entities.sector IS NULL OR lower(entities.sector) = lower(%(sector)s)))
ORDER BY occurred_at DESC, id DESC
LIMIT %(limit)s
"""

_SHAPE = """
       p.id, p.track, p.target, p.score, p.confidence, p.outputs, p.created_at, p.horizon, p.model_id,
       p.feature_set_id, p.decision_id, p.feature_snapshot_id, p.lineage_id, p.source, p.tradeable, p.reason,
       e.top_event_contributors, e.top_feature_contributors, e.evidence_links, e.attribution, e.model_version,
       e.feature_version
"""

_ADD_BAR = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS r (
        target text, lineage_id text, score float8, confidence float8, outputs jsonb)
), added AS (
    INSERT INTO predictions_v2 (track, target, score, confidence, outputs, horizon, model_id, feature_set_id,
                                decision_id, feature_snapshot_id, feature_event_time, lineage_id, source, tradeable)
    SELECT %(track)s, given.target, given.score, given.confidence, given.outputs, %(horizon)s, %(model_id)s,
           %(feature_version)s, %(decision_id)s, snapshot.id, snapshot.event_time, given.lineage_id, 'model',
           %(tradeable)s
    FROM given
    JOIN feature_snapshots AS snapshot ON snapshot.lineage_id = given.lineage_id
        AND snapshot.target = given.target AND snapshot.event_time = %(event_time)s
    RETURNING id, target
), explained AS (
    INSERT INTO prediction_explanations (prediction_id, top_event_contributors, top_feature_contributors,
                                         evidence_links, model_version, feature_version)
    SELECT id, '[]', '[]', '[]', %(model_version)s, %(feature_version)s FROM added
)
SELECT target, id FROM added
"""

_COLUMNS = (
    "SELECT "
    + _SHAPE
    + "FROM predictions_v2 AS p JOIN prediction_explanations AS e ON e.prediction_id = p.id\n"
)

_GET = _COLUMNS + "WHERE p.id = %(prediction_id)s"

_FEATURES = """
SELECT s.feature_payload
FROM predictions_v2 AS p
JOIN feature_snapshots AS s ON s.id = p.feature_snapshot_id AND s.event_time = p.feature_event_time
WHERE p.id = %(prediction_id)s
"""

_PAGE = (
    ANEW
    + _COLUMNS
    + """
WHERE (%(track)s::text IS NULL OR p.track = %(track)s)
  AND (%(target)s::text IS NULL OR p.target = %(target)s)
  AND (%(before_id)s::bigint IS NULL OR p.id < %(before_id)s)
ORDER BY p.id DESC
LIMIT %(limit)s
"""
)


class PostgresPredictionStore:
    """`PredictionStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def newest_price(self, symbol: str, *, as_of_ns: int) -> Price | None:
        """Read the newest price known; see `PredictionStore.newest_price`."""
        rows = await self._statements.rows(
            _NEWEST_PRICE, {"symbol": symbol, "as_of": ns_to_datetime(as_of_ns)}
        )
        if not rows:
            return None
        return Price(rows[0]["price"], datetime_to_ns(rows[0]["at"]), rows[0]["named"])

    async def context_events(self, query: ContextQuery, *, limit: int) -> Sequence[ContextEvent]:
        """Read the newest events about a target; see `PredictionStore.context_events`."""
        given = {
            "names": [name.lower() for name in query.names],
            "symbols": [symbol.upper() for symbol in query.symbols],
            "as_of": ns_to_datetime(query.as_of_ns),
            "country": query.country,
            "sector": query.sector,
            "limit": limit,
        }
        return [
            ContextEvent(
                row["id"],
                row["event_type"],
                row["title"],
                datetime_to_ns(row["occurred_at"]),
                row["source_url"],
            )
            for row in await self._statements.rows(_CONTEXT, given)
        ]

    async def add_bar(self, predictions: BarPredictions) -> Mapping[str, int]:
        """Append the predictions of one bar; see `PredictionStore.add_bar`."""
        given = {
            "track": predictions.track,
            "horizon": predictions.horizon,
            "model_id": predictions.model_id,
            "model_version": predictions.model_version,
            "feature_version": predictions.feature_version,
            "decision_id": predictions.decision_id,
            "event_time": ns_to_datetime(predictions.event_time_ns),
            "tradeable": predictions.tradeable,
            "rows": Jsonb(
                [
                    {
                        "target": row.target,
                        "lineage_id": row.feature_lineage_id,
                        "score": row.score,
                        "confidence": row.confidence,
                        "outputs": row.outputs,
                    }
                    for row in predictions.rows
                ]
            ),
        }
        added = {row["target"]: int(row["id"]) for row in await self._statements.rows(_ADD_BAR, given)}
        missing = [row.target for row in predictions.rows if row.target not in added]
        if missing:
            end = ns_to_datetime(predictions.event_time_ns)
            raise DataQualityError(
                f"the snapshot of {', '.join(missing)} at {end:%Y-%m-%dT%H:%MZ} is not stored"
            )
        return added

    async def get(self, prediction_id: int) -> StoredPrediction:
        """Read a prediction; see `PredictionStore.get`."""
        rows = await self._statements.rows(_GET, {"prediction_id": prediction_id})
        if not rows:
            raise NotFoundError("prediction not found")
        return _stored(rows[0])

    async def features(self, prediction_id: int) -> Mapping[str, float | None]:
        """Read the feature row that a prediction stored; see `PredictionStore.features`."""
        rows = await self._statements.rows(_FEATURES, {"prediction_id": prediction_id})
        return dict(rows[0]["feature_payload"]) if rows else {}

    async def page(
        self, *, track: str | None, target: str | None, before_id: int | None, limit: int
    ) -> Sequence[StoredPrediction]:
        """List predictions, newest first."""
        given = {"track": track, "target": target, "before_id": before_id, "limit": limit}
        return [_stored(row) for row in await self._statements.rows(_PAGE, given)]


def _stored(row: dict[str, Any]) -> StoredPrediction:
    explanation = Explanation(
        top_event_contributors=tuple(EventContribution(**one) for one in row.pop("top_event_contributors")),
        top_feature_contributors=tuple(
            FeatureContribution(**one) for one in row.pop("top_feature_contributors")
        ),
        evidence_links=tuple(row.pop("evidence_links")),
        attribution=None if (told := row.pop("attribution")) is None else Attribution(**told),
        model_version=row.pop("model_version"),
        feature_version=row.pop("feature_version"),
    )
    return StoredPrediction(**row, explanation=explanation)
