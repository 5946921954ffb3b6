"""Quality of events and of feature snapshots over HTTP (contract section 1.9)."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from marketsentry.api.deps import SystemDep
from marketsentry.api.schemas.data_quality import (
    ConsistencyOut,
    LineageCheckIn,
    LineageCheckOut,
    ReviewIn,
    ReviewOut,
    SampleIn,
    SampleOut,
    StatsOut,
)
from marketsentry.core.quality.lineage_check import Tolerance
from marketsentry.ports.lineage import LineageQuery
from marketsentry.services.event_quality import (
    SampleRequest,
    read_consistency,
    read_quality_stats,
    review_quality,
    sample_quality,
)
from marketsentry.services.lineage_check import check_lineage

METRIC_DIGITS = 6
LINEAGE_DIGITS = 10

router = APIRouter(prefix="/data-quality", tags=["data quality"])


@router.post("/sample", summary="Choose quality records to review")
async def sample(body: SampleIn, system: SystemDep) -> SampleOut:
    """Answer the newest quality records or, with a seed, a random sample stratified by source and event type.

    The strata share the places by their sizes, each gets at least one while there are enough. The same seed gives the
    same sample until a record is added.
    """
    request = SampleRequest(body.limit, body.min_quality_score, body.seed)
    rows = await sample_quality(request, transactions=system.transactions)
    return SampleOut.model_validate({"items": [asdict(row) for row in rows], "limit": body.limit})


@router.post(
    "/audit",
    summary="Review a quality record",
    responses={404: {"description": "`data quality audit not found`"}},
)
async def audit(body: ReviewIn, system: SystemDep) -> ReviewOut:
    """Set reviewer, verdict and review time, append to the notes, and log the review."""
    await review_quality(
        body.audit_id,
        reviewer=body.reviewer,
        verdict=body.verdict,
        note=body.note,
        transactions=system.transactions,
        clock=system.clock,
    )
    return ReviewOut(audit_id=body.audit_id)


@router.get("/stats", summary="Quality of the newest events")
async def stats(system: SystemDep, lookback_days: int = 7) -> StatsOut:
    """Measure the records whose automatic audit lies in the last days; `lookback_days` is clamped to 1..90."""
    window, found = await read_quality_stats(
        lookback_days, transactions=system.transactions, clock=system.clock
    )
    return StatsOut.model_validate(
        {
            "lookback_days": window.days,
            "totals": _rounded(asdict(found.totals)),
            "by_source": [_rounded(asdict(one)) for one in found.by_source],
            "generated_at": window.now,
        }
    )


@router.get("/consistency", summary="Agreement of reviewers")
async def consistency(system: SystemDep, lookback_days: int = 30) -> ConsistencyOut:
    """Compare reviewers of the same events over the last days; `lookback_days` is clamped to 1..365."""
    window, found = await read_consistency(
        lookback_days, transactions=system.transactions, clock=system.clock
    )
    return ConsistencyOut.model_validate(
        {
            "lookback_days": window.days,
            "total_review_logs": found.total_reviews,
            "multi_review_events": found.multi_review_events,
            "pairwise_agreement": _round(found.pairwise_agreement, METRIC_DIGITS),
            "reviewer_pairs": [_rounded(asdict(pair)) for pair in found.reviewer_pairs],
            "generated_at": window.now,
        }
    )


@router.post("/lineage/check", summary="Prove that training and serving wrote the same features")
async def lineage_check(body: LineageCheckIn, system: SystemDep) -> LineageCheckOut:
    """Compare the snapshots of a training (`train-...`) or serving (`infer-...`) lineage with the other writer's.

    Two snapshots belong together when target, event time, feature version and data version are the same. A lineage
    of neither writer is checked by the two newest snapshots of each of its targets. With `other_lineage_id` the bars of
    those two lineages are compared, whoever wrote them.
    """
    target = body.target.upper() if body.target and body.track == "liquid" else body.target
    found = await check_lineage(
        LineageQuery(body.track, body.lineage_id, target, body.data_version),
        Tolerance(body.tolerance, strict=body.strict, max_keys=body.max_mismatch_keys),
        transactions=system.transactions,
        other_lineage_id=body.other_lineage_id,
    )
    return LineageCheckOut.model_validate(
        {
            **asdict(found),
            "track": body.track,
            "target": target,
            "lineage_id": body.lineage_id,
            "data_version": body.data_version,
            "max_abs_diff": _round(found.max_abs_diff, LINEAGE_DIGITS),
            "mean_abs_diff": _round(found.mean_abs_diff, LINEAGE_DIGITS),
            "mismatch_keys": list(found.mismatch_keys) if body.strict or target is None else [],
        }
    )


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: _round(value, METRIC_DIGITS) for name, value in figures.items()}


def _round(value: Any, digits: int) -> Any:  # a figure of any kind; only fractions are rounded
    return round(value, digits) if isinstance(value, float) else value
