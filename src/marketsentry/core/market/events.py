"""Events about assets: their identity, their quality, and the form in which features read them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import NS_PER_S
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import InputError

EVENT_TYPES = ("funding", "mna", "product", "regulatory", "market")
ENTITY_TYPES = ("company", "investor", "asset")
AUDIT_NOTE = "auto_audit_v1"
DECAY_HOURS = 12.0
"""Time constant of the weight of an event: after so many hours it is 1/e."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity that an event is about. `symbol` is canonical, None where the entity is not traded.

    None in `symbol`, `country` or `sector`, and a key that `metadata` lacks, mean "not told here".
    """

    entity_type: str
    name: str
    symbol: str | None = None
    country: str | None = None
    sector: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.entity_type not in ENTITY_TYPES:
            raise InputError(f"entity_type must be one of {ENTITY_TYPES}, was {self.entity_type!r}")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. Times are UTC epoch ns; scores are fractions 0..1; tier 1 is the best source.

    `known_at_ns` is the earliest instant at which it could have been read: never before `occurred_at_ns`.
    `source_timezone` is the IANA name of the source's own clock; `latency_ms` is what its collector measured.
    """

    event_type: str
    title: str
    occurred_at_ns: int
    known_at_ns: int
    source_name: str | None = None
    source_url: str | None = None
    source_timezone: str = "UTC"
    source_tier: int = 3
    confidence_score: float = 0.5
    event_importance: float = 0.5
    novelty_score: float = 0.5
    entity_confidence: float = 0.5
    latency_ms: int | None = None
    dedup_cluster_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    mentions: tuple[Mention, ...] = ()

    def __post_init__(self) -> None:
        if self.event_type not in EVENT_TYPES:
            raise InputError(f"event_type must be one of {EVENT_TYPES}, was {self.event_type!r}")
        if not self.title.strip():
            raise InputError("title of an event must not be blank")
        if self.known_at_ns < self.occurred_at_ns:
            raise InputError("an event cannot be known before it happened")


@dataclass(frozen=True, slots=True)
class EventSeries:
    """Events about one symbol, ordered by when they were known.

    All arrays (n,). `occurred_at_ns`, `known_at_ns` int64; `event_type` int8 index into `EVENT_TYPES`;
    `source_tier` int8; `importance`, `confidence`, `novelty` float64 in 0..1.
    """

    symbol: str
    occurred_at_ns: NDArray[np.int64]
    known_at_ns: NDArray[np.int64]
    event_type: NDArray[np.int8]
    source_tier: NDArray[np.int8]
    importance: NDArray[np.float64]
    confidence: NDArray[np.float64]
    novelty: NDArray[np.float64]


def event_fingerprint(event: Event) -> str:
    """Name an event by what makes it the same one: type, title, address and instant.

    Parameters
    ----------
    event : Event
        Its other fields do not matter.

    Returns
    -------
    str
        SHA-256 in hex over type, trimmed lower-case title, URL (empty if none) and the instant in UTC, so the
        same moment written with two offsets is one event.
    """
    instant = ns_to_datetime(event.occurred_at_ns).isoformat(timespec="microseconds")
    parts = (event.event_type, event.title.strip().lower(), event.source_url or "", instant)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def known_when_received(occurred_at_ns: int, *, now_ns: int) -> int:
    """Say from when on an event that arrives now may be used, UTC epoch ns.

    That is now, also for an old event: nobody here could have read it before. One that is announced for the
    future may be used when it happens.
    """
    return max(now_ns, occurred_at_ns)


def merge_mentions(mentions: Iterable[Mention]) -> dict[tuple[str, str], Mention]:
    """Gather what several mentions tell of each entity.

    Parameters
    ----------
    mentions : iterable of Mention
        In the order told.

    Returns
    -------
    dict of (str, str) to Mention
        By entity type and name. A later value replaces an earlier one, None never does; metadata are merged
        key by key, the later value of a key wins.
    """
    merged: dict[tuple[str, str], Mention] = {}
    for new in mentions:
        old = merged.get((new.entity_type, new.name), new)
        merged[new.entity_type, new.name] = Mention(
            new.entity_type,
            new.name,
            symbol=new.symbol or old.symbol,
            country=new.country or old.country,
            sector=new.sector or old.sector,
            metadata={**old.metadata, **new.metadata},
        )
    return merged


@dataclass(frozen=True, slots=True)
class EventQuality:
    """Automatic quality of one event: coverage and score are fractions, freshness is whole seconds."""

    entity_coverage: float
    quality_score: float
    freshness_sec: int


def judge_event(event: Event, *, now_ns: int) -> EventQuality:
    """Score an event: 0.30 confidence + 0.25 importance + 0.25 novelty + 0.20 coverage (4 entities)."""
    coverage = min(1.0, len(event.mentions) / 4)
    score = (
        0.30 * event.confidence_score
        + 0.25 * event.event_importance
        + 0.25 * event.novelty_score
        + 0.20 * coverage
    )
    return EventQuality(coverage, score, max(0, (now_ns - event.occurred_at_ns) // NS_PER_S))
