"""The quality of events in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.quality.agreement import Review
from marketsentry.core.quality.event_stats import QualityCounts
from marketsentry.exceptions import NotFoundError
from marketsentry.ports.event_quality import QualityRow, ReviewEntry, Stratum

Row = TypeVar("Row", QualityRow, QualityCounts, Review)

_NEWEST = """
SELECT audit.id, audit.event_id, audit.source_name, audit.freshness_sec, audit.entity_coverage,
       audit.quality_score, audit.notes, audit.reviewer, audit.verdict, audit.reviewed_at, audit.audited_at,
       audit.created_at, events.title, events.event_type, events.source_url, events.occurred_at
FROM data_quality_audit AS audit JOIN events ON events.id = audit.event_id
WHERE audit.quality_score >= %(min_quality_score)s
ORDER BY audit.audited_at DESC, audit.id DESC
LIMIT %(limit)s
"""

_STRATA = """
SELECT coalesce(audit.source_name, 'unknown') AS source, events.event_type, count(*)
FROM data_quality_audit AS audit JOIN events ON events.id = audit.event_id
WHERE audit.quality_score >= %(min_quality_score)s
GROUP BY source, events.event_type
ORDER BY source, events.event_type
"""

# The order of a stratum is that of a hash of seed and id: random, and the same whoever asks
_DRAW = """
WITH shuffled AS (
    SELECT audit.id, coalesce(audit.source_name, 'unknown') AS source, events.event_type,
           hashtextextended(audit.id::text, %(seed)s) AS draw
    FROM data_quality_audit AS audit JOIN events ON events.id = audit.event_id
    WHERE audit.quality_score >= %(min_quality_score)s
), ranked AS (
    SELECT id, source, event_type, draw,
           row_number() OVER (PARTITION BY source, event_type ORDER BY draw, id) AS place
    FROM shuffled
)
SELECT audit.id, audit.event_id, audit.source_name, audit.freshness_sec, audit.entity_coverage,
       audit.quality_score, audit.notes, audit.reviewer, audit.verdict, audit.reviewed_at, audit.audited_at,
       audit.created_at, events.title, events.event_type, events.source_url, events.occurred_at
FROM unnest(%(source)s::text[], %(event_type)s::text[], %(places)s::bigint[]) AS wanted (source, event_type, places)
JOIN ranked USING (source, event_type)
JOIN data_quality_audit AS audit ON audit.id = ranked.id
JOIN events ON events.id = audit.event_id
WHERE ranked.place <= wanted.places
ORDER BY ranked.draw, audit.id
"""

_REVIEW = """
WITH reviewed AS (
    UPDATE data_quality_audit
    SET reviewer = %(reviewer)s, verdict = %(verdict)s, reviewed_at = %(reviewed_at)s,
        notes = concat_ws(E'\\n', nullif(notes, ''), %(remark)s::text)
    WHERE id = %(audit_id)s
    RETURNING id, event_id
)
INSERT INTO data_quality_review_logs (audit_id, event_id, reviewer, verdict, note, created_at)
SELECT id, event_id, %(reviewer)s, %(verdict)s, %(note)s, %(reviewed_at)s FROM reviewed
"""

_COUNTS = """
SELECT coalesce(source_name, 'unknown') AS source_name, count(*) AS samples,
       count(*) FILTER (WHERE verdict = 'correct') AS correct,
       count(*) FILTER (WHERE verdict = 'incorrect') AS incorrect,
       count(*) FILTER (WHERE verdict = 'uncertain') AS uncertain,
       sum(quality_score) AS quality_sum, sum(entity_coverage) AS coverage_sum,
       sum(freshness_sec)::float8 AS freshness_sum_s
FROM data_quality_audit
WHERE audited_at >= %(since)s
GROUP BY 1
"""

_REVIEWS = """
SELECT event_id, reviewer, verdict
FROM data_quality_review_logs
WHERE created_at >= %(since)s AND event_id IS NOT NULL
ORDER BY created_at, id
"""


class PostgresEventQualityStore:
    """`EventQualityStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def newest(self, *, limit: int, min_quality_score: float) -> tuple[QualityRow, ...]:
        """Read the records audited last, newest first."""
        return await self._rows(QualityRow, _NEWEST, {"limit": limit, "min_quality_score": min_quality_score})

    async def strata(self, *, min_quality_score: float) -> Mapping[Stratum, int]:
        """Count the records of each stratum, in a fixed order."""
        rows = await self._statements.tuples(_STRATA, {"min_quality_score": min_quality_score})
        return {(source, kind): count for source, kind, count in rows}

    async def draw(
        self, places: Mapping[Stratum, int], *, seed: int, min_quality_score: float
    ) -> tuple[QualityRow, ...]:
        """Read so many random records of each stratum, in random order."""
        given = {
            "source": [source for source, _ in places],
            "event_type": [kind for _, kind in places],
            "places": list(places.values()),
            "seed": seed,
            "min_quality_score": min_quality_score,
        }
        return await self._rows(QualityRow, _DRAW, given)

    async def review(self, entry: ReviewEntry) -> None:
        """Record a review; see `EventQualityStore.review`."""
        if not await self._statements.count(_REVIEW, asdict(entry)):
            raise NotFoundError("data quality audit not found")

    async def counts(self, since: datetime) -> Sequence[QualityCounts]:
        """Count and add up the records audited since a time, per source."""
        return await self._rows(QualityCounts, _COUNTS, {"since": since})

    async def reviews(self, since: datetime) -> Sequence[Review]:
        """Read the reviews logged since a time, oldest first."""
        return await self._rows(Review, _REVIEWS, {"since": since})

    async def _rows(self, kind: type[Row], query: str, values: Mapping[str, Any]) -> tuple[Row, ...]:
        return tuple(kind(**row) for row in await self._statements.rows(query, values))
