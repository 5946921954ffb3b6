"""Sampling, reviewing and counting the quality of events (contract 1.9)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketsentry.core.quality.agreement import Agreement, measure_agreement
from marketsentry.core.quality.event_stats import QualityStats, summarise_quality
from marketsentry.core.quality.sampling import allocate
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.event_quality import QualityRow, ReviewEntry

STATS_DAYS = (1, 90)
CONSISTENCY_DAYS = (1, 365)


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Which quality records: at most `limit`, with a score (0..1) of at least `min_quality_score`.

    Without a seed the newest; with one a random sample, stratified by source and event type.
    """

    limit: int = 200
    min_quality_score: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Lookback:
    """A window that ends now: whole days within what is allowed, and its two ends."""

    days: int
    since: datetime
    now: datetime


async def sample_quality(request: SampleRequest, *, transactions: Transactions) -> tuple[QualityRow, ...]:
    """Choose quality records to look at.

    Parameters
    ----------
    request
        How many, which, and whether at random.
    transactions
        The record.

    Returns
    -------
    tuple of QualityRow
        Newest first, or in random order; the same records for the same seed while none is added.
    """
    least = request.min_quality_score
    async with transactions() as stores:
        if request.seed is None:
            return await stores.event_quality.newest(limit=request.limit, min_quality_score=least)
        sizes = await stores.event_quality.strata(min_quality_score=least)
        shares = allocate(list(sizes.values()), request.limit)
        places = dict(zip(sizes, shares, strict=True))
        return await stores.event_quality.draw(places, seed=request.seed, min_quality_score=least)


async def review_quality(
    audit_id: int, *, reviewer: str, verdict: str, note: str | None, transactions: Transactions, clock: Clock
) -> None:
    """Record what a reviewer says of a quality record: on the record, in its notes and in the log.

    Parameters
    ----------
    audit_id
        Row id of the quality record.
    reviewer
        Who says it.
    verdict
        `correct`, `incorrect` or `uncertain`.
    note
        Why, if the reviewer says so.
    transactions
        The record.
    clock
        Tells the time of the review; the time of the automatic audit stays.

    Raises
    ------
    NotFoundError
        If there is no such record.
    """
    remark = f"{reviewer}: {verdict}" + (f", {note}" if note else "")
    entry = ReviewEntry(audit_id, reviewer, verdict, note, remark, clock.now())
    async with transactions() as stores:
        await stores.event_quality.review(entry)


async def read_quality_stats(
    lookback_days: int, *, transactions: Transactions, clock: Clock
) -> tuple[Lookback, QualityStats]:
    """Measure the quality of the events audited in the last days, in all and by source.

    Parameters
    ----------
    lookback_days
        Clamped to `STATS_DAYS`.
    transactions
        The record.
    clock
        Tells the end of the window.

    Returns
    -------
    tuple of (Lookback, QualityStats)
        The window taken, and the figures.
    """
    window = _lookback(lookback_days, STATS_DAYS, clock)
    async with transactions() as stores:
        return window, summarise_quality(await stores.event_quality.counts(window.since))


async def read_consistency(
    lookback_days: int, *, transactions: Transactions, clock: Clock
) -> tuple[Lookback, Agreement]:
    """Measure how far reviewers agreed in the last days.

    Parameters
    ----------
    lookback_days
        Clamped to `CONSISTENCY_DAYS`.
    transactions
        The record.
    clock
        Tells the end of the window.

    Returns
    -------
    tuple of (Lookback, Agreement)
        The window taken, and the figures.
    """
    window = _lookback(lookback_days, CONSISTENCY_DAYS, clock)
    async with transactions() as stores:
        return window, measure_agreement(await stores.event_quality.reviews(window.since))


def _lookback(days: int, allowed: tuple[int, int], clock: Clock) -> Lookback:
    least, most = allowed
    taken = min(max(days, least), most)
    now = clock.now()
    return Lookback(taken, now - timedelta(days=taken), now)
