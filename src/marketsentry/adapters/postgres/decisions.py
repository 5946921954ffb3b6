"""Decisions and their target books in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports.decisions import (
    AddedDecision,
    BookEntry,
    Decision,
    DecisionSource,
    Idempotency,
    StoredBookEntry,
    StoredDecision,
)

_SHAPE = """decision_id, track, strategy_id, source, as_of, is_approved, capital, violations, metadata, created_at,
       request_hash
"""

_ADD = (
    """
INSERT INTO decisions (decision_id, track, strategy_id, source, as_of, is_approved, capital, violations, metadata,
                       idempotency_key, request_hash)
VALUES (%(decision_id)s, %(track)s, %(strategy_id)s, %(source)s, %(as_of)s, %(is_approved)s, %(capital)s,
        %(violations)s, %(metadata)s, %(key)s, %(request_hash)s)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING """
    + _SHAPE
)

_COLUMNS = "SELECT " + _SHAPE + "FROM decisions\n"

_FIND = _COLUMNS + "WHERE idempotency_key = %(key)s"

_GET = _COLUMNS + "WHERE decision_id = %(decision_id)s"

_PAGE = (
    ANEW
    + _COLUMNS
    + """
WHERE (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(before_at)s::timestamptz IS NULL OR (created_at, decision_id) < (%(before_at)s, %(before_id)s))
ORDER BY created_at DESC, decision_id DESC
LIMIT %(limit)s
"""
)

_ADD_BOOK = """
INSERT INTO positions_snapshots (decision_id, target, track, weight, sector, style_bucket, reason)
SELECT %(decision_id)s, target, track, weight, sector, style_bucket, reason
FROM unnest(%(targets)s::text[], %(tracks)s::text[], %(weights)s::float8[], %(sectors)s::text[], %(styles)s::text[],
            %(reasons)s::text[]) WITH ORDINALITY AS given (target, track, weight, sector, style_bucket, reason, place)
ORDER BY place
"""

_PUT = "WITH decided AS (" + _ADD + ")" + _ADD_BOOK

_BOOK = """
SELECT id, decision_id, target, track, weight, sector, style_bucket, reason, created_at
FROM positions_snapshots
WHERE decision_id = %(decision_id)s
ORDER BY id
"""


class PostgresDecisionStore:
    """`DecisionStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(self, decision: Decision) -> AddedDecision:
        """Append a decision, or give the stored one of its key; see `DecisionStore.add`."""
        known = decision.idempotency
        rows = await self._statements.rows(_ADD, _columns(decision))
        if rows:
            return AddedDecision(_stored(rows[0]), is_new=True)
        found = None if known is None else await self.find(known)
        if found is None:
            raise ConflictError(f"decision {decision.decision_id} was not stored")
        return AddedDecision(found, is_new=False)

    async def find(self, idempotency: Idempotency) -> StoredDecision | None:
        """Read the decision of a key; see `DecisionStore.find`."""
        rows = await self._statements.rows(_FIND, {"key": idempotency.key})
        if not rows:
            return None
        if rows[0]["request_hash"] != idempotency.request_hash:
            raise ConflictError(f"idempotency key {idempotency.key!r} was used for another request")
        return _stored(rows[0])

    async def get(self, decision_id: str) -> StoredDecision:
        """Read a decision; see `DecisionStore.get`."""
        rows = await self._statements.rows(_GET, {"decision_id": decision_id})
        if not rows:
            raise NotFoundError("decision not found")
        return _stored(rows[0])

    async def page(
        self, *, track: str | None, strategy_id: str | None, before_id: str | None, limit: int
    ) -> Sequence[StoredDecision]:
        """List decisions, newest first; see `DecisionStore.page`."""
        before_at = None if before_id is None else (await self.get(before_id)).created_at
        given = {
            "track": track,
            "strategy_id": strategy_id,
            "before_at": before_at,
            "before_id": before_id,
            "limit": limit,
        }
        return [_stored(row) for row in await self._statements.rows(_PAGE, given)]

    async def put(self, decision: Decision, entries: Sequence[BookEntry]) -> None:
        """Append a decision and the weights that it wants; see `DecisionStore.put`."""
        await self._statements.send(_PUT, {**_columns(decision), **_book_columns(entries)})

    async def add_book(self, decision_id: str, entries: Sequence[BookEntry]) -> None:
        """Append the weights that a decision wants."""
        await self._statements.send(_ADD_BOOK, {"decision_id": decision_id, **_book_columns(entries)})

    async def book(self, decision_id: str) -> Sequence[StoredBookEntry]:
        """Read the weights that a decision wants, in the order in which they were added."""
        return [
            StoredBookEntry(**row) for row in await self._statements.rows(_BOOK, {"decision_id": decision_id})
        ]


def _columns(decision: Decision) -> dict[str, Any]:
    known = decision.idempotency
    return {
        "decision_id": decision.decision_id,
        "track": decision.track,
        "strategy_id": decision.strategy_id,
        "source": str(decision.source),
        "as_of": decision.as_of,
        "is_approved": decision.is_approved,
        "capital": decision.capital,
        "violations": Jsonb([dict(one) for one in decision.violations]),
        "metadata": Jsonb(dict(decision.metadata)),
        "key": None if known is None else known.key,
        "request_hash": None if known is None else known.request_hash,
    }


def _book_columns(entries: Sequence[BookEntry]) -> dict[str, Any]:
    return {
        "targets": [one.target for one in entries],
        "tracks": [one.track for one in entries],
        "weights": [one.weight for one in entries],
        "sectors": [one.sector for one in entries],
        "styles": [one.style_bucket for one in entries],
        "reasons": [one.reason for one in entries],
    }


def _stored(row: dict[str, Any]) -> StoredDecision:
    del row["request_hash"]
    source, violations = DecisionSource(row.pop("source")), tuple(row.pop("violations"))
    return StoredDecision(**row, source=source, violations=violations)
