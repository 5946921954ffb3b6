"""Where the quality of events is kept: the automatic record, what reviewers said of it, and every review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from marketsentry.core.quality.agreement import Review
from marketsentry.core.quality.event_stats import QualityCounts

Stratum = tuple[str, str]
"""Source name (`unknown` where none is told) and event type."""


@dataclass(frozen=True, slots=True)
class QualityRow:
    """The quality record of one event, with what a reviewer needs to see of the event."""

    id: int
    event_id: int
    source_name: str | None
    freshness_sec: int
    entity_coverage: float
    quality_score: float
    notes: str
    reviewer: str | None
    verdict: str | None
    reviewed_at: datetime | None
    audited_at: datetime
    created_at: datetime
    title: str
    event_type: str
    source_url: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """What a reviewer says of a quality record. `remark` is the line that its notes get."""

    audit_id: int
    reviewer: str
    verdict: str
    note: str | None
    remark: str
    reviewed_at: datetime


class EventQualityStore(Protocol):
    """Quality records of events. A review changes neither their scores nor the time of the automatic audit."""

    async def newest(self, *, limit: int, min_quality_score: float) -> tuple[QualityRow, ...]:
        """Read the records audited last, newest first."""
        ...

    async def strata(self, *, min_quality_score: float) -> Mapping[Stratum, int]:
        """Count the records of each stratum, in a fixed order."""
        ...

    async def draw(
        self, places: Mapping[Stratum, int], *, seed: int, min_quality_score: float
    ) -> tuple[QualityRow, ...]:
        """Read so many random records of each stratum, in random order; the same for the same seed and records."""
        ...

    async def review(self, entry: ReviewEntry) -> None:
        """Record a review on its row and in the log; raises `NotFoundError` for an unknown id."""
        ...

    async def counts(self, since: datetime) -> Sequence[QualityCounts]:
        """Count and add up the records audited since a time, per source."""
        ...

    async def reviews(self, since: datetime) -> Sequence[Review]:
        """Read the reviews logged since a time, oldest first."""
        ...
