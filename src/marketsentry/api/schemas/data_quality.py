"""JSON shapes of the data-quality endpoints (contract section 1.9)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from marketsentry.api.schemas.ids import RowId
from marketsentry.api.schemas.texts import BLANK_IS_ABSENT, stored_text
from marketsentry.api.schemas.times import UtcTime

Verdict = Literal["correct", "incorrect", "uncertain"]
Target = Annotated[Annotated[str, stored_text(64, min_length=0)] | None, BLANK_IS_ABSENT]
Note = Annotated[Annotated[str, stored_text(4096, min_length=0)] | None, BLANK_IS_ABSENT]
MAX_SEED = 2**53 - 1


class SampleIn(BaseModel):
    """Which quality records to look at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"limit": 50, "seed": 7}]})

    limit: int = Field(200, ge=1, le=1000)
    min_quality_score: float = Field(0, ge=0, le=1, allow_inf_nan=False)
    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="asks for a random sample, stratified by source and event type; null means the newest",
    )


class QualityRowOut(BaseModel):
    """The quality record of an event, and the event."""

    id: int
    event_id: int
    source_name: str | None
    freshness_sec: int = Field(description="age of the event when it was stored")
    entity_coverage: float
    quality_score: float
    notes: str
    reviewer: str | None = Field(description="who reviewed it last")
    verdict: Verdict | None
    reviewed_at: UtcTime | None
    audited_at: UtcTime = Field(description="time of the automatic audit; no review changes it")
    created_at: UtcTime
    title: str
    event_type: str
    source_url: str | None
    occurred_at: UtcTime


class SampleOut(BaseModel):
    """Newest first, or in random order when a seed was given."""

    items: list[QualityRowOut]
    limit: int


class ReviewIn(BaseModel):
    """What a reviewer says of a quality record."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"audit_id": 1, "reviewer": "ann", "verdict": "correct", "note": "read the source"}]
        }
    )

    audit_id: RowId
    reviewer: Annotated[str, stored_text(128)]
    verdict: Verdict
    note: Note = None


class ReviewOut(BaseModel):
    """The review is recorded."""

    status: Literal["ok"] = "ok"
    audit_id: int


class SourceFigures(BaseModel):
    """Figures of one source; null where there is nothing to divide by."""

    source_name: str = Field(description="`unknown` where none was told")
    samples: int
    reviewed_samples: int
    precision: float | None = Field(description="judged correct, as a fraction of the reviewed")
    incorrect_rate: float | None
    avg_quality_score: float | None
    avg_freshness_sec: float | None


class TotalFigures(BaseModel):
    """Figures of all records of the window; null where there is nothing to divide by."""

    samples: int
    reviewed_samples: int
    review_coverage: float | None
    precision: float | None = Field(description="judged correct, as a fraction of the reviewed")
    incorrect_rate: float | None
    uncertain_rate: float | None
    avg_quality_score: float | None
    avg_entity_coverage: float | None
    avg_freshness_sec: float | None


class StatsOut(BaseModel):
    """Quality of the events audited in the window."""

    lookback_days: int = Field(description="as taken, 1..90")
    totals: TotalFigures
    by_source: list[SourceFigures] = Field(description="at most 50, most samples first")
    generated_at: UtcTime


class ReviewerPairOut(BaseModel):
    """Two reviewers who judged the same events."""

    reviewer_a: str
    reviewer_b: str
    pairs: int
    agreement: float


class ConsistencyOut(BaseModel):
    """How far reviewers agree, by the first review of each of an event."""

    lookback_days: int = Field(description="as taken, 1..365")
    total_review_logs: int
    multi_review_events: int
    pairwise_agreement: float | None = Field(description="null without two reviewers of one event")
    reviewer_pairs: list[ReviewerPairOut] = Field(description="at most 50, most events in common first")
    generated_at: UtcTime


class LineageCheckIn(BaseModel):
    """Which snapshots to compare, and how much may differ."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"track": "liquid", "target": "BTC", "lineage_id": "train-20260101000000-BTC"}]
        }
    )

    track: Literal["vc", "liquid"]
    target: Target = Field(None, description="null means every target of the lineage")
    lineage_id: Annotated[str, stored_text(64, min_length=6)]
    other_lineage_id: Annotated[str, stored_text(64, min_length=6)] | None = Field(
        None,
        description="compare with this lineage, whoever wrote it; null means the newest of the other writer",
    )
    data_version: Annotated[str, stored_text(64)] | None = None
    strict: bool = Field(True, description="bound the largest difference; false bounds the mean")
    max_mismatch_keys: int = Field(20, ge=1, le=200)
    tolerance: float = Field(1e-6, ge=0, le=1, allow_inf_nan=False)


class LineageCheckOut(BaseModel):
    """What differs; the differences are null when nothing was compared."""

    passed: bool
    track: Literal["vc", "liquid"]
    target: str | None
    lineage_id: str
    data_version: str | None
    compared_snapshots: int
    max_abs_diff: float | None
    mean_abs_diff: float | None
    mismatch_keys: list[str] = Field(
        description="features that differ by more than the tolerance, sorted; empty when one target is not `strict`"
    )
    reason: Literal["ok", "payload_mismatch", "insufficient_snapshots"]
