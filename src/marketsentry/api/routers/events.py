"""Ingest of events, and the entities they are about, over HTTP (contract section 1.2)."""

from dataclasses import asdict

from fastapi import APIRouter

from marketsentry.api.deps import SystemDep
from marketsentry.api.schemas.events import EntityOut, EventsIn, IngestOut
from marketsentry.api.schemas.ids import RowId
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.services.entities import read_entity
from marketsentry.services.ingest import ingest_events

router = APIRouter(tags=["events"])


@router.post(
    "/ingest/events",
    summary="Store events with their entities",
    responses={422: {"description": "one event or entity is wrong: nothing of the call is stored"}},
)
async def ingest(body: EventsIn, system: SystemDep) -> IngestOut:
    """Store events in one transaction; an event that is there already is not stored again.

    An event is named by type, title, URL and instant. It counts as known from now on, whenever it happened, so no
    backtest reads it earlier. Each new one gets an automatic quality row.
    """
    now_ns = datetime_to_ns(system.clock.now())
    events = [event.to_event(now_ns=now_ns) for event in body.events]
    added = await ingest_events(events, now_ns=now_ns, transactions=system.transactions)
    return IngestOut(
        accepted=len(events),
        inserted=added.inserted,
        deduplicated=added.deduplicated,
        event_ids=list(added.event_ids),
    )


@router.get(
    "/entities/{entity_id}",
    summary="Read an entity and its newest events",
    responses={404: {"description": "`entity not found`"}},
)
async def read(entity_id: RowId, system: SystemDep) -> EntityOut:
    """Answer every column of the entity and the newest 20 events linked to it."""
    view = await read_entity(entity_id, transactions=system.transactions)
    recent = [asdict(event) for event in view.recent_events]
    return EntityOut.model_validate({**asdict(view.entity), "recent_events": recent})
