"""How good events are by their automatic scores and by what reviewers said."""

from collections.abc import Sequence
from dataclasses import dataclass

VERDICTS = ("correct", "incorrect", "uncertain")
MAX_SOURCES = 50


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """Quality rows of one source, counted and added up. A row has at most one verdict, its last."""

    source_name: str
    samples: int
    correct: int
    incorrect: int
    uncertain: int
    quality_sum: float
    coverage_sum: float
    freshness_sum_s: float


@dataclass(frozen=True, slots=True)
class QualityFigures:
    """Figures of some quality rows; None where there is nothing to divide by.

    `review_coverage` is a fraction of the samples; `precision` (judged correct), `incorrect_rate` and
    `uncertain_rate` are fractions of the reviewed ones and add up to 1; the averages are over all samples.
    """

    source_name: str
    samples: int
    reviewed_samples: int
    review_coverage: float | None
    precision: float | None
    incorrect_rate: float | None
    uncertain_rate: float | None
    avg_quality_score: float | None
    avg_entity_coverage: float | None
    avg_freshness_sec: float | None


@dataclass(frozen=True, slots=True)
class QualityStats:
    """Figures of all quality rows, and of the sources with the most of them, most first."""

    totals: QualityFigures
    by_source: tuple[QualityFigures, ...]


def summarise_quality(sources: Sequence[QualityCounts]) -> QualityStats:
    """Turn counts into figures.

    Parameters
    ----------
    sources : sequence of QualityCounts
        One per source, in any order.

    Returns
    -------
    QualityStats
        At most `MAX_SOURCES` sources; of equals the first by name. The totals are over all of them.
    """
    every = QualityCounts(
        source_name="",
        samples=sum(one.samples for one in sources),
        correct=sum(one.correct for one in sources),
        incorrect=sum(one.incorrect for one in sources),
        uncertain=sum(one.uncertain for one in sources),
        quality_sum=sum(one.quality_sum for one in sources),
        coverage_sum=sum(one.coverage_sum for one in sources),
        freshness_sum_s=sum(one.freshness_sum_s for one in sources),
    )
    largest = sorted(sources, key=lambda one: (-one.samples, one.source_name))[:MAX_SOURCES]
    return QualityStats(_figures(every), tuple(_figures(one) for one in largest))


def _figures(counts: QualityCounts) -> QualityFigures:
    reviewed = counts.correct + counts.incorrect + counts.uncertain
    return QualityFigures(
        source_name=counts.source_name,
        samples=counts.samples,
        reviewed_samples=reviewed,
        review_coverage=_ratio(reviewed, counts.samples),
        precision=_ratio(counts.correct, reviewed),
        incorrect_rate=_ratio(counts.incorrect, reviewed),
        uncertain_rate=_ratio(counts.uncertain, reviewed),
        avg_quality_score=_ratio(counts.quality_sum, counts.samples),
        avg_entity_coverage=_ratio(counts.coverage_sum, counts.samples),
        avg_freshness_sec=_ratio(counts.freshness_sum_s, counts.samples),
    )


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None
