"""JSON shapes of ingest and entities (contract section 1.2)."""

from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from marketsentry.api.schemas.ids import MAX_ID
from marketsentry.api.schemas.texts import BLANK_IS_ABSENT, JsonObject, stored_text
from marketsentry.api.schemas.times import RequestTime, UtcTime
from marketsentry.core.market.events import Event, Mention, known_when_received
from marketsentry.core.market.timestamps import datetime_to_ns

MAX_EVENTS = 1000
MAX_ENTITIES = 100

EntityType = Literal["company", "investor", "asset"]
EventType = Literal["funding", "mna", "product", "regulatory", "market"]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Line = Annotated[Annotated[str, stored_text(256, min_length=0)] | None, BLANK_IS_ABSENT]
Url = Annotated[Annotated[str, stored_text(4096, min_length=0)] | None, BLANK_IS_ABSENT]
Country = Annotated[Annotated[str, stored_text(8, min_length=0)] | None, BLANK_IS_ABSENT]


def _upper(symbol: str | None) -> str | None:
    return symbol.upper() if symbol else None


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _iana(name: str) -> str:
    if name not in _time_zones():
        raise ValueError("time zone must be an IANA name such as Europe/Berlin")
    return name


class EntityIn(BaseModel):
    """Somebody or something that an event is about. What is null keeps what is known already."""

    id: int | None = Field(None, description="ignored")
    entity_type: EntityType
    name: Annotated[str, stored_text(512)] = Field(description="with the type, who it is")
    symbol: Annotated[Annotated[str, stored_text(20, min_length=0)] | None, AfterValidator(_upper)] = Field(
        None, description="ticker, upper-cased; features find the events of a symbol by it"
    )
    country: Country = None
    sector: Line = None
    metadata: JsonObject = Field(default_factory=dict, description="merged into what is known; new keys win")

    def to_mention(self) -> Mention:
        """Turn it into the form of the core."""
        return Mention(
            self.entity_type, self.name, self.symbol, self.country, self.sector, metadata=self.metadata
        )


class EventIn(BaseModel):
    """One thing that happened."""

    id: int | None = Field(None, description="ignored")
    event_type: EventType
    title: Annotated[str, stored_text(4096)]
    occurred_at: RequestTime = Field(description="ISO-8601; no offset means UTC")
    source_url: Url = None
    source_name: Line = None
    dedup_cluster_id: Line = None
    source_timezone: Annotated[str, Field(max_length=64), AfterValidator(_iana)] = Field(
        "UTC", description="IANA name of the clock of the source; `occurred_at` does not depend on it"
    )
    source_tier: int = Field(3, ge=1, le=5, description="1 is the best")
    confidence_score: Fraction = 0.5
    event_importance: Fraction = 0.5
    novelty_score: Fraction = 0.5
    entity_confidence: Fraction = 0.5
    latency_ms: int | None = Field(None, ge=0, le=MAX_ID)
    payload: JsonObject = Field(default_factory=dict)
    entities: list[EntityIn] = Field(default_factory=list, max_length=MAX_ENTITIES)

    def to_event(self, *, now_ns: int) -> Event:
        """Turn it into the form of the core, as received now."""
        occurred_at_ns = datetime_to_ns(self.occurred_at)
        return Event(
            event_type=self.event_type,
            title=self.title,
            occurred_at_ns=occurred_at_ns,
            known_at_ns=known_when_received(occurred_at_ns, now_ns=now_ns),
            source_name=self.source_name,
            source_url=self.source_url,
            source_timezone=self.source_timezone,
            source_tier=self.source_tier,
            confidence_score=self.confidence_score,
            event_importance=self.event_importance,
            novelty_score=self.novelty_score,
            entity_confidence=self.entity_confidence,
            latency_ms=self.latency_ms,
            dedup_cluster_id=self.dedup_cluster_id,
            payload=self.payload,
            mentions=tuple(entity.to_mention() for entity in self.entities),
        )


class EventsIn(BaseModel):
    """Events of one call: all are stored, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "event_type": "regulatory",
                            "title": "Regulator approves a spot Bitcoin fund",
                            "occurred_at": "2024-01-10T21:00:00Z",
                            "source_name": "example-wire",
                            "source_url": "https://example.org/news/1",
                            "source_tier": 1,
                            "confidence_score": 0.9,
                            "event_importance": 0.9,
                            "entities": [{"entity_type": "asset", "name": "Bitcoin", "symbol": "BTC"}],
                        }
                    ]
                }
            ]
        }
    )

    events: list[EventIn] = Field(max_length=MAX_EVENTS, description="may be empty")


class IngestOut(BaseModel):
    """What became of the events."""

    accepted: int = Field(description="events received")
    inserted: int = Field(description="rows newly created")
    deduplicated: int = Field(description="events that matched a row, or an earlier event of the call")
    event_ids: list[int] = Field(
        description="one per event in the order given, the existing one of a duplicate"
    )


class RecentEventOut(BaseModel):
    """An event about the entity."""

    id: int
    event_type: EventType
    title: str
    occurred_at: UtcTime
    source_url: str | None
    role: str


class EntityOut(BaseModel):
    """An entity and what happened to it."""

    id: int
    entity_type: EntityType
    name: str
    symbol: str | None
    country: str | None
    sector: str | None
    metadata: dict[str, Any]
    created_at: UtcTime
    updated_at: UtcTime
    recent_events: list[RecentEventOut] = Field(description="newest 20, the last that occurred first")
