"""Signals in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from marketsentry.exceptions import NotFoundError
from marketsentry.ports.signals import SignalRecord, StoredSignal

_ADD = """
INSERT INTO signal_candidates (track, target, horizon, score, confidence, action, policy, strategy_bucket,
                               strategy_id, decision_id, prediction_id, expires_at, metadata)
VALUES (%(track)s, %(target)s, %(horizon)s, %(score)s, %(confidence)s, %(action)s, %(policy)s, %(strategy_bucket)s,
        %(strategy_id)s, %(decision_id)s, %(prediction_id)s, %(expires_at)s, %(metadata)s)
RETURNING id
"""

_COLUMNS = """
SELECT id, track, target, horizon, score, confidence, action, policy, strategy_bucket, strategy_id, decision_id,
       prediction_id, expires_at, metadata, created_at
FROM signal_candidates
"""

_GET_MANY = _COLUMNS + "WHERE id = ANY(%(ids)s::bigint[])"

_OF_DECISION = _COLUMNS + "WHERE decision_id = %(decision_id)s ORDER BY id"

_PAGE = (
    _COLUMNS
    + """
WHERE (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)


class PostgresSignalStore:
    """`SignalStore` over one open connection; the transaction belongs to the caller."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def add(self, signal: SignalRecord) -> StoredSignal:
        """Append a signal."""
        rows = await self._rows(
            _ADD,
            {
                "track": signal.track,
                "target": signal.target,
                "horizon": signal.horizon,
                "score": signal.score,
                "confidence": signal.confidence,
                "action": signal.action,
                "policy": signal.policy,
                "strategy_bucket": signal.strategy_bucket,
                "strategy_id": signal.strategy_id,
                "decision_id": signal.decision_id,
                "prediction_id": signal.prediction_id,
                "expires_at": signal.expires_at,
                "metadata": Jsonb(dict(signal.metadata)),
            },
        )
        return await self.get(rows[0]["id"])

    async def get(self, signal_id: int) -> StoredSignal:
        """Read a signal; see `SignalStore.get`."""
        found = await self.get_many([signal_id])
        if not found:
            raise NotFoundError("signal not found")
        return found[0]

    async def get_many(self, signal_ids: Sequence[int]) -> Sequence[StoredSignal]:
        """Read the signals that exist among these, in no order."""
        return [StoredSignal(**row) for row in await self._rows(_GET_MANY, {"ids": list(signal_ids)})]

    async def of_decision(self, decision_id: str) -> Sequence[StoredSignal]:
        """Read the signals of a decision, oldest first."""
        return [StoredSignal(**row) for row in await self._rows(_OF_DECISION, {"decision_id": decision_id})]

    async def page(
        self,
        *,
        track: str | None,
        target: str | None,
        strategy_id: str | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[StoredSignal]:
        """List signals, newest first."""
        given = {
            "track": track,
            "target": target,
            "strategy_id": strategy_id,
            "before_id": before_id,
            "limit": limit,
        }
        return [StoredSignal(**row) for row in await self._rows(_PAGE, given)]

    async def _rows(self, query: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, given)
            return await cursor.fetchall()
