"""Entities in PostgreSQL."""

from collections.abc import Mapping

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.exceptions import NotFoundError
from marketsentry.ports.entities import LinkedEvent, StoredEntity

_GET = """
SELECT id, entity_type, name, symbol, country, sector, metadata, created_at, updated_at
FROM entities WHERE id = %(entity_id)s
"""

_NEWEST_EVENTS = """
SELECT events.id, events.event_type, events.title, events.occurred_at, events.source_url, event_links.role
FROM event_links JOIN events ON events.id = event_links.event_id
WHERE event_links.entity_id = %(entity_id)s
ORDER BY events.occurred_at DESC, events.id DESC, event_links.role
LIMIT %(limit)s
"""


class PostgresEntityStore:
    """`EntityStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get(self, entity_id: int) -> StoredEntity:
        """Read an entity; see `EntityStore.get`."""
        found = await self._statements.row(_GET, {"entity_id": entity_id})
        if found is None:
            raise NotFoundError("entity not found")
        return StoredEntity(**found)

    async def newest_events(self, entity_id: int, *, limit: int) -> tuple[LinkedEvent, ...]:
        """Read the events linked to an entity that occurred last, newest first."""
        given: Mapping[str, int] = {"entity_id": entity_id, "limit": limit}
        return tuple(LinkedEvent(**row) for row in await self._statements.rows(_NEWEST_EVENTS, given))
