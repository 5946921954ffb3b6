"""Reading entities (contract 1.2)."""

from dataclasses import dataclass

from marketsentry.ports import Transactions
from marketsentry.ports.entities import LinkedEvent, StoredEntity

RECENT_EVENTS = 20


@dataclass(frozen=True, slots=True)
class EntityView:
    """An entity and the newest events about it, newest first."""

    entity: StoredEntity
    recent_events: tuple[LinkedEvent, ...]


async def read_entity(entity_id: int, *, transactions: Transactions) -> EntityView:
    """Read an entity and its newest events.

    Parameters
    ----------
    entity_id
        Row id.
    transactions
        The record.

    Returns
    -------
    EntityView
        With at most `RECENT_EVENTS` events.

    Raises
    ------
    NotFoundError
        If there is no such entity.
    """
    async with transactions() as stores:
        entity = await stores.entities.get(entity_id)
        return EntityView(entity, await stores.entities.newest_events(entity_id, limit=RECENT_EVENTS))
