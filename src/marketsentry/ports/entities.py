"""Where entities are read: who they are and what happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredEntity:
    """An entity as it stands, with its row id."""

    id: int
    entity_type: str
    name: str
    symbol: str | None
    country: str | None
    sector: str | None
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LinkedEvent:
    """An event from the side of an entity that it is about."""

    id: int
    event_type: str
    title: str
    occurred_at: datetime
    source_url: str | None
    role: str


class EntityStore(Protocol):
    """Entities; they are written with the events that name them."""

    async def get(self, entity_id: int) -> StoredEntity:
        """Read an entity; raises `NotFoundError`."""
        ...

    async def newest_events(self, entity_id: int, *, limit: int) -> tuple[LinkedEvent, ...]:
        """Read the events linked to an entity that occurred last, newest first."""
        ...
