"""Entities in PostgreSQL."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

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
    """`EntityStore` over one open connection; the transaction belongs to the caller."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def get(self, entity_id: int) -> StoredEntity:
        """Read an entity; see `EntityStore.get`."""
        async with self._connection.cursor(row_factory=class_row(StoredEntity)) as cursor:
            await cursor.execute(_GET, {"entity_id": entity_id})
            found = await cursor.fetchone()
        if found is None:
            raise NotFoundError("entity not found")
        return found

    async def newest_events(self, entity_id: int, *, limit: int) -> tuple[LinkedEvent, ...]:
        """Read the events linked to an entity that occurred last, newest first."""
        given: Mapping[str, int] = {"entity_id": entity_id, "limit": limit}
        async with self._connection.cursor(row_factory=class_row(LinkedEvent)) as cursor:
            await cursor.execute(_NEWEST_EVENTS, given)
            return tuple(await cursor.fetchall())
