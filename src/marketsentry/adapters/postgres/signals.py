"""Signals in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.exceptions import NotFoundError
from marketsentry.ports.signals import SignalRecord, StoredSignal

_SHAPE = """id, track, target, horizon, score, confidence, action, policy, strategy_bucket, strategy_id, decision_id,
       prediction_id, expires_at, metadata, created_at
"""

_ADD = (
    """
INSERT INTO signal_candidates (track, target, horizon, score, confidence, action, policy, strategy_bucket,
                               strategy_id, decision_id, prediction_id, expires_at, metadata)
SELECT track, target, horizon, score, confidence, action, policy, strategy_bucket, strategy_id, decision_id,
       prediction_id, expires_at, metadata
FROM unnest(%(track)s::text[], %(target)s::text[], %(horizon)s::text[], %(score)s::float8[], %(confidence)s::float8[],
            %(action)s::text[], %(policy)s::text[], %(strategy_bucket)s::text[], %(strategy_id)s::text[],
            %(decision_id)s::text[], %(prediction_id)s::bigint[], %(expires_at)s::timestamptz[],
            %(metadata)s::jsonb[]) WITH ORDINALITY
     AS given (track, target, horizon, score, confidence, action, policy, strategy_bucket, strategy_id, decision_id,
               prediction_id, expires_at, metadata, place)
ORDER BY place
RETURNING """
    + _SHAPE
)

_COLUMNS = "SELECT " + _SHAPE + "FROM signal_candidates\n"

_GET_MANY = _COLUMNS + "WHERE id = ANY(%(ids)s::bigint[])"

_OF_DECISION = _COLUMNS + "WHERE decision_id = %(decision_id)s ORDER BY id"

_PAGE = (
    ANEW
    + _COLUMNS
    + """
WHERE (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)

_GIVEN = tuple(one.name for one in fields(SignalRecord))


class PostgresSignalStore:
    """`SignalStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(self, signal: SignalRecord) -> StoredSignal:
        """Append a signal."""
        return (await self.add_many([signal]))[0]

    async def add_many(self, signals: Sequence[SignalRecord]) -> Sequence[StoredSignal]:
        """Append signals by one statement, in their order."""
        if not signals:
            return []
        return [StoredSignal(**row) for row in await self._statements.rows(_ADD, _columns(signals))]

    async def put_many(self, signals: Sequence[SignalRecord]) -> None:
        """Append signals without waiting; see `SignalStore.put_many`."""
        if signals:
            await self._statements.send(_ADD, _columns(signals))

    async def get(self, signal_id: int) -> StoredSignal:
        """Read a signal; see `SignalStore.get`."""
        found = await self.get_many([signal_id])
        if not found:
            raise NotFoundError("signal not found")
        return found[0]

    async def get_many(self, signal_ids: Sequence[int]) -> Sequence[StoredSignal]:
        """Read the signals that exist among these, in no order."""
        return [
            StoredSignal(**row) for row in await self._statements.rows(_GET_MANY, {"ids": list(signal_ids)})
        ]

    async def of_decision(self, decision_id: str) -> Sequence[StoredSignal]:
        """Read the signals of a decision, oldest first."""
        return [
            StoredSignal(**row)
            for row in await self._statements.rows(_OF_DECISION, {"decision_id": decision_id})
        ]

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
        return [StoredSignal(**row) for row in await self._statements.rows(_PAGE, given)]


def _columns(signals: Sequence[SignalRecord]) -> dict[str, list[Any]]:
    given: dict[str, list[Any]] = {
        name: [getattr(one, name) for one in signals] for name in _GIVEN if name != "metadata"
    }
    given["metadata"] = [Jsonb(dict(one.metadata)) for one in signals]
    return given
