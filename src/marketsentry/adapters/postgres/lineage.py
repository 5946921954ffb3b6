"""Snapshots of two writers, side by side, from PostgreSQL."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.core.quality.lineage_check import Writer
from marketsentry.ports.lineage import LineageQuery, PayloadPair

# From the served bars, which are few, to their rows in the lineage
_TRAIN_AND_INFER = (
    ANEW  # noqa: S608 - fixed texts
    + """
SELECT mine.feature_payload, served.feature_payload
FROM (
    SELECT DISTINCT ON (target, event_time, feature_version, data_version)
        target, event_time, feature_version, data_version, feature_payload
    FROM feature_snapshots
    WHERE lineage_id LIKE 'infer-%%' AND track = %(track)s
      AND (%(target)s::text IS NULL OR target = %(target)s)
      AND (%(data_version)s::text IS NULL OR data_version = %(data_version)s)
    ORDER BY target, event_time, feature_version, data_version, id DESC
) AS served
JOIN feature_snapshots AS mine USING (target, event_time, feature_version, data_version)
WHERE mine.lineage_id = %(lineage_id)s AND mine.track = %(track)s
ORDER BY mine.event_time DESC, mine.target
LIMIT %(limit)s
"""
)

_INFER_AND_TRAIN = (
    ANEW  # noqa: S608 - fixed texts
    + """
SELECT mine.feature_payload, trained.feature_payload
FROM feature_snapshots AS mine
CROSS JOIN LATERAL (
    SELECT theirs.feature_payload
    FROM feature_snapshots AS theirs
    WHERE theirs.track = mine.track AND theirs.data_version = mine.data_version
      AND theirs.target = mine.target AND theirs.event_time = mine.event_time
      AND theirs.feature_version = mine.feature_version AND theirs.lineage_id LIKE 'train-%%'
    ORDER BY theirs.id DESC LIMIT 1
) AS trained
WHERE mine.lineage_id = %(lineage_id)s AND mine.track = %(track)s
  AND (%(target)s::text IS NULL OR mine.target = %(target)s)
  AND (%(data_version)s::text IS NULL OR mine.data_version = %(data_version)s)
ORDER BY mine.event_time DESC, mine.target
LIMIT %(limit)s
"""
)

_TWO_LINEAGES = (
    ANEW
    + """
SELECT mine.feature_payload, other.feature_payload
FROM feature_snapshots AS mine
JOIN feature_snapshots AS other USING (target, event_time, feature_version, data_version, track)
WHERE mine.lineage_id = %(lineage_id)s AND other.lineage_id = %(other_lineage_id)s AND track = %(track)s
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(data_version)s::text IS NULL OR data_version = %(data_version)s)
ORDER BY event_time DESC, target
LIMIT %(limit)s
"""
)

_NEWEST = (
    ANEW  # noqa: S608 - fixed texts
    + """
WITH ranked AS (
    SELECT target, feature_payload,
           row_number() OVER (PARTITION BY target ORDER BY as_of DESC, event_time DESC, id DESC) AS place
    FROM feature_snapshots
    WHERE lineage_id = %(lineage_id)s AND track = %(track)s
      AND (%(target)s::text IS NULL OR target = %(target)s)
      AND (%(data_version)s::text IS NULL OR data_version = %(data_version)s)
)
SELECT newest.feature_payload, before.feature_payload
FROM ranked AS newest JOIN ranked AS before USING (target)
WHERE newest.place = 1 AND before.place = 2
ORDER BY target
"""
)


class PostgresLineageStore:
    """`LineageStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def writer_pairs(
        self, query: LineageQuery, writer: Writer, *, limit: int
    ) -> tuple[PayloadPair, ...]:
        """Read what two writers wrote of the same bars; see `LineageStore.writer_pairs`."""
        statement = _TRAIN_AND_INFER if writer is Writer.TRAIN else _INFER_AND_TRAIN
        return await self._pairs(statement, {**asdict(query), "limit": limit})

    async def lineage_pairs(
        self, query: LineageQuery, other_lineage_id: str, *, limit: int
    ) -> tuple[PayloadPair, ...]:
        """Read what two lineages hold of the same bars."""
        given = {**asdict(query), "other_lineage_id": other_lineage_id, "limit": limit}
        return await self._pairs(_TWO_LINEAGES, given)

    async def newest_pairs(self, query: LineageQuery) -> tuple[PayloadPair, ...]:
        """Read the two newest snapshots of each target of a lineage."""
        return await self._pairs(_NEWEST, asdict(query))

    async def _pairs(self, query: str, values: Mapping[str, Any]) -> tuple[PayloadPair, ...]:
        return tuple((left, right) for left, right in await self._statements.tuples(query, values))
