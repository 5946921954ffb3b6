"""Figures of quality rows."""

import statistics
from dataclasses import astuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marketsentry.core.quality.event_stats import (
    MAX_SOURCES,
    VERDICTS,
    QualityCounts,
    QualityFigures,
    summarise_quality,
)

ROW = st.tuples(
    st.sampled_from("abc"), st.sampled_from((*VERDICTS, None)), st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**7)
)  # fmt: skip
Rows = list[tuple[str, str | None, float, float, int]]


def counted(source: str, rows: Rows) -> QualityCounts:
    said = [verdict for _, verdict, *_ in rows]
    sums = (sum(row[i] for row in rows) for i in (2, 3, 4))  # type: ignore[misc]  # columns of numbers
    return QualityCounts(source, len(rows), *(said.count(verdict) for verdict in VERDICTS), *sums)


def naive_figures(source: str, rows: Rows) -> QualityFigures:
    reviewed = [verdict for _, verdict, *_ in rows if verdict is not None]

    def share(wanted: str) -> float | None:
        return sum(verdict == wanted for verdict in reviewed) / len(reviewed) if reviewed else None

    means = (statistics.fmean(row[i] for row in rows) if rows else None for i in (2, 3, 4))  # type: ignore[misc]
    coverage = len(reviewed) / len(rows) if rows else None
    return QualityFigures(
        source, len(rows), len(reviewed), coverage, *(share(verdict) for verdict in VERDICTS), *means
    )


def assert_same(figures: QualityFigures, expected: QualityFigures) -> None:
    assert astuple(figures) == tuple(
        pytest.approx(value, abs=1e-6) if isinstance(value, float) else value for value in astuple(expected)
    )


@given(st.lists(ROW, max_size=30))
def test_figures_agree_with_going_through_the_rows(rows: Rows) -> None:
    of = {source: [row for row in rows if row[0] == source] for source in {row[0] for row in rows}}
    stats = summarise_quality([counted(source, mine) for source, mine in of.items()])
    assert_same(stats.totals, naive_figures("", rows))
    for figures in stats.by_source:
        assert_same(figures, naive_figures(figures.source_name, of[figures.source_name]))
    order = [(-figures.samples, figures.source_name) for figures in stats.by_source]
    assert order == sorted(order)
    assert len(order) == len(of)


def test_what_cannot_be_divided_is_absent() -> None:
    totals = summarise_quality([]).totals
    assert (totals.samples, totals.reviewed_samples) == (0, 0)
    assert set(astuple(totals)[3:]) == {None}
    unreviewed = summarise_quality([QualityCounts("a", 2, 0, 0, 0, 1.0, 0.5, 10.0)]).totals
    assert (unreviewed.precision, unreviewed.review_coverage, unreviewed.avg_freshness_sec) == (
        None,
        0.0,
        5.0,
    )


def test_only_the_largest_sources_are_listed_and_all_are_counted() -> None:
    sources = [QualityCounts(f"s{n:03d}", 1 + n % 3, 1, 0, 0, 0.5, 0.5, 1.0) for n in range(60)]
    stats = summarise_quality(sources)
    assert len(stats.by_source) == MAX_SOURCES == 50
    assert (stats.totals.samples, stats.by_source[0].source_name) == (120, "s002")
