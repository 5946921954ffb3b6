"""The evidence section in both languages: every number shown, what is missing a dash, what is data escaped."""

import re
from dataclasses import replace

import numpy as np
import pytest

from marketsentry.core.evidence import pack as parts
from marketsentry.core.evidence import parts as more
from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.paths import PathRow, Paths
from marketsentry.core.gates.verdict import at_least, at_most, decide
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.pbo import BacktestOverfitting
from marketsentry.core.stats.trend import Trend
from marketsentry.reports.evidence import evidence_section
from marketsentry.reports.evidence_page import EvidencePage, render_evidence
from marketsentry.reports.evidence_plots import calibration_plot, skill_plots, trials_plot
from marketsentry.reports.facts import Lang
from marketsentry.reports.texts import texts
from unit.reports.page import Page

EVIL = "<script>alert(1)</script>"
ROW = parts.SkillRow("0", 1_234, 0.0456, Bounds(0.01, 0.08), 0.05, None, 34)
EARNED = more.PerformanceRow(
    "walk_forward", 900, 800, 0.53, 0.123, 40.0, 0.4, 0.07, 1.21, Bounds(0.11, 2.31), 1.9, 1.05, -0.031, -0.4, 5.5, 61
)  # fmt: skip
UNKNOWN = more.PerformanceRow(
    EVIL, 9, 0, None, None, 0.0, None, None, None, None, None, None, None, None, None, 0
)
POINTS = (
    more.CapacityPoint(1e4, 0.2, 2_000.0, 1.6, 9.0, 0.001, 60, 0.0),
    more.CapacityPoint(1e6, 0.1, 100_000.0, 0.9, 9.0, 0.05, 60, 0.25),
    more.CapacityPoint(1e9, -0.1, -1e8, None, 1.0, 0.2, 50, 0.97),
)
SANITY = decide(
    "sanity",
    (at_most("sharpe_plausible", 12.5, 10.0, "less three standard errors"), at_least("n_trades", 61, 30)),
    floors=frozenset(),
    proofs=frozenset(),
)
CHOICE = BacktestOverfitting(64, 16, 12_870, 0.37, 0.21, None, 2.22, -0.44, (1_287,) * 10)
NEAR = Overfitting(64, ("cost_multiple",), 17, "peak_alone", 0.4, 0.5, 0.81, CHOICE)
PACK = parts.EvidencePack(
    recipe_hash="r",
    symbols=(EVIL,),
    interval="5m",
    horizon="1h",
    seed=1,
    level=0.95,
    n_resamples=500,
    skill=parts.Skill(ROW, ROW, (ROW,), (parts.SkillRow(EVIL, 0, None, None, None, None, 12),), ()),
    trials=parts.TrialEvidence(
        7, 3, 0.5, 0.87, 1.5, Bounds(0.2, 2.8), 0.91,
        (parts.TrialRow(EVIL, "train", "2024-05-06T07:08:09+00:00", None, False),),
    ),
    baselines=(
        parts.Baseline("ridge", 0.1, 0.2, 3.0, 0.01, 1.1, 0.4, Bounds(-0.5, 1.3), 0.77, 0.05, None),
    ),
    scenarios=(
        parts.Scenario("costs_x2", -0.03, -0.4, 0.1, 2.0, 55),
        parts.Scenario(f"without:{EVIL}", None, None, None, 0.0, 0),
    ),
    calibration=parts.Calibration(0.62, (parts.CalibrationBin(12, -0.001, 0.0005, None),)),
    importance=(parts.FeatureImportance(EVIL, 0.25, 0.0123),),
    performance=more.PerformanceTable(EARNED, EARNED, (replace(EARNED, name="0"),), (UNKNOWN,)),
    stability=more.Stability(
        120, (more.WindowSkill(0, 0.02),), 0.71, Trend(-0.013, 0.42), 0.031, 0.022, -0.009, Bounds(-0.03, 0.01), 0.37
    ),
    intervals=more.IntervalEvidence(
        (more.CoverageRow("final", 0.8, 700, 0.774, Bounds(0.74, 0.81), 0.0123),),
        (more.DirectionRow("final", 700, 0.2489, 0.2501, 0.0012, None),),
        (more.ReliabilityBin(70, 0.34, 0.41, Bounds(0.36, 0.47)), more.ReliabilityBin(71, 0.66, 0.57, None)),
    ),
    capacity=more.Capacity(POINTS, 2.5e6, None),
    sanity=SANITY,
    overfitting=NEAR,
)  # fmt: skip


@pytest.mark.parametrize("lang", list(Lang))
def test_every_part_is_shown_and_data_is_escaped(lang: Lang) -> None:
    page = evidence_section(PACK, texts(lang))
    assert "<script" not in page
    for shown in (
        "0.0456",
        "0.010 … 0.080",
        "0.87",
        "0.910",
        "0.20 … 2.80",
        "+0.40",
        "0.77",
        "0.62",
        "0.0123",
        "+12.30%",
        "0.11 … 2.31",
        "\u22123.10%",
        "77.4%",
        "74.0% … 81.0%",
        "+0.0012",
        "0.42",
        "2,500,000",
        "97.0%",
        "12.500",
    ):
        assert shown in page, shown
    assert "2024-05-06 07:08" in page
    assert "—" in page
    assert page.count("<h3>") == 12


PATH = PathRow(0.0456, None, -0.123, 0.2, 1.23)
CROSSED = replace(
    PACK,
    kfold=(ROW, replace(ROW, name="1")),
    paths=Paths(
        6, 2, 15, 24, (PATH, replace(PATH, sharpe=None)), 0.5, 1.23, 1.23, 1.23,
        (1_700_000_000_000_000_000, 1_710_000_000_000_000_000), ((1.0, 0.877), (1.0, 1.0)),
    ),
)  # fmt: skip


def n_curves(page: str) -> int:
    return page.count('class="curve equity"')


@pytest.mark.parametrize("lang", list(Lang))
def test_overfitting_and_cross_validation_are_shown_where_they_were_measured(lang: Lang) -> None:
    page = evidence_section(CROSSED, texts(lang))
    assert page.count("<h3>") == 14
    for shown in ("37%", "21%", "81%", "17", "2.22", "\u22120.44", "12,870", "1.23", "\u221212.30%", "50%"):
        assert shown in page, shown
    assert n_curves(page) == n_curves(evidence_section(PACK, texts(lang))) + 2
    assert "2023-12-01" in page


def test_many_paths_are_drawn_in_part_and_listed_whole() -> None:
    assert CROSSED.paths is not None
    many = replace(CROSSED.paths, rows=(PATH,) * 40, curves=tuple((1.0, 1.0 + k / 100) for k in range(40)))
    page = evidence_section(replace(CROSSED, paths=many), texts(Lang.EN))
    assert n_curves(page) == n_curves(evidence_section(PACK, texts(Lang.EN))) + 12
    assert page.count("<td>40</td>") == 1


def test_paths_without_equity_and_settings_without_a_ratio_are_told_in_words() -> None:
    assert CROSSED.paths is not None
    lost = replace(CROSSED.paths, curves=((np.nan, np.nan),) * 2)
    none = replace(CROSSED.overfitting, choice=None, rank=None, shape="none")
    page = evidence_section(replace(CROSSED, paths=lost, overfitting=none), texts(Lang.EN))
    assert "There was nothing to choose from" in page
    assert "No setting has a value" in page
    assert n_curves(page) == n_curves(evidence_section(PACK, texts(Lang.EN)))


def test_a_version_whose_features_were_not_weighed_shows_no_table_of_them() -> None:
    assert evidence_section(replace(PACK, importance=()), texts(Lang.EN)).count("<h3>") == 11


def dots(drawn: str) -> list[tuple[float, float]]:
    """Places of the dots: percent across, pixels from the top."""
    return [(float(x), float(y)) for x, y in re.findall(r'class="dots" cx="([\d.]+)%" cy="([\d.]+)"', drawn)]


def test_skill_is_drawn_by_fold_and_by_month_on_one_axis() -> None:
    months = tuple(parts.SkillRow(f"2024-{m:02d}", 10, 0.01 * m, None, None, None, 5) for m in range(1, 13))
    skill = replace(PACK.skill, folds=(ROW, replace(ROW, name="1", ic=None, ic_bounds=None)), months=months)
    drawn = skill_plots(replace(PACK, skill=skill), texts(Lang.EN))
    by_fold, by_month = drawn.split("IC by month, with its interval; faint")
    assert len(dots(by_fold)) == 2  # a fold without an IC has no dot; the last block has one
    assert len(dots(by_month)) == 12
    assert by_fold.count('class="whisker"') == 2
    assert [y for _, y in dots(by_month)] == sorted((y for _, y in dots(by_month)), reverse=True)
    assert "1: IC 0.0456 (n = 1,234)" in by_fold


def test_months_with_few_label_windows_are_faint_and_the_caption_says_so() -> None:
    """At 5 m and a horizon of 1 h a window has 12 bars; with two symbols 30 of them are 720 samples."""
    months = tuple(
        parts.SkillRow(f"2024-0{k}", n, 0.01, Bounds(-9.0, 9.0) if n < 720 else None, None, None, 5)
        for k, n in ((1, 719), (2, 720))
    )
    pack = replace(PACK, symbols=("BTC", "ETH"), skill=replace(PACK.skill, months=months))
    drawn = skill_plots(pack, texts(Lang.EN))
    assert re.findall(r"<title>(2024-0\d)[^<]*</title></g>", drawn) == ["2024-01", "2024-02"]
    assert re.findall(r'<g class="few">.*?<title>(2024-0\d)', drawn) == ["2024-01"]
    assert "IC by month, with its interval; faint: fewer than 30 label windows" in drawn
    bare = tuple(replace(one, ic_bounds=None) for one in months)
    assert drawn == skill_plots(replace(pack, skill=replace(pack.skill, months=bare)), texts(Lang.EN))
    enough = skill_plots(replace(pack, skill=replace(PACK.skill, months=months[1:])), texts(Lang.EN))
    assert "faint" not in enough
    assert 'class="few"' not in enough


@pytest.mark.parametrize(
    ("n", "told"), [(1, "1 trial of this track: this one."), (2, "2 trials of this track,")]
)
def test_trials_are_counted_in_the_right_number(n: int, told: str) -> None:
    pack = replace(PACK, trials=replace(PACK.trials, n_trials=n))
    assert told in evidence_section(pack, texts(Lang.EN))


def test_calibration_that_means_what_it_says_lies_on_the_diagonal() -> None:
    tenths = tuple(parts.CalibrationBin(9, v, v, Bounds(v - 0.001, v + 0.001)) for v in (-0.01, 0.0, 0.02))
    pack = replace(PACK, calibration=parts.Calibration(1.0, tenths))
    drawn = calibration_plot(pack, texts(Lang.EN))
    assert drawn is not None
    (x0, y0), (x1, y1), (x2, y2) = dots(drawn)
    assert (x1 - x0) / (x2 - x1) == pytest.approx(0.5, abs=0.01)
    assert (y0 - y1) / (y1 - y2) == pytest.approx(0.5, abs=0.01)
    assert calibration_plot(PACK, texts(Lang.EN)) is None


def test_the_score_stands_among_its_trials_with_luck_as_a_line() -> None:
    assert trials_plot(PACK, texts(Lang.EN)) is None  # the only earlier trial has no ratio
    earlier = tuple(parts.TrialRow(f"m{k}", "train", "2024", s, k > 0) for k, s in enumerate((0.2, 0.9)))
    drawn = trials_plot(replace(PACK, trials=replace(PACK.trials, newest=earlier)), texts(Lang.EN))
    assert drawn is not None
    assert len(dots(drawn)) == 3
    assert dots(drawn)[-1][1] == min(y for _, y in dots(drawn))
    assert drawn.count('class="unsound"') == 1
    assert 'class="rule luck"' in drawn


@pytest.mark.parametrize("lang", list(Lang))
def test_the_page_of_a_pack_opens_offline_and_escapes_what_is_data(lang: Lang) -> None:
    shown = EvidencePage(EVIL, "v1", SANITY, PACK, "ab" * 32)
    html = render_evidence(shown, program_version="1.0", lang=lang)
    page = Page(html)
    assert page.errors == []
    assert page.loads == []
    assert "<script>alert" not in html
    assert "ab" * 32 in page.text
    assert EVIL in page.text
    assert "nan" not in page.text.lower().replace("finance", "")
    assert html == render_evidence(shown, program_version="1.0", lang=lang)
    assert len(html) < 200_000


def test_a_finding_is_told_with_its_figure_and_limit() -> None:
    page = Page(
        render_evidence(EvidencePage("m", "v1", SANITY, PACK, "0"), program_version="1", lang=Lang.EN)
    )
    assert "Sharpe not too good to be true: measured 12.500, needs \u2264 10" in page.text
    sound = replace(
        PACK, sanity=decide("sanity", (at_least("n_trades", 61, 30),), floors=frozenset(), proofs=frozenset())
    )
    told = Page(
        render_evidence(EvidencePage("m", "v1", SANITY, sound, "0"), program_version="1", lang=Lang.EN)
    ).text
    assert "Nothing suspicious was found" in told


def test_a_pack_of_too_short_a_history_says_so() -> None:
    short = replace(
        PACK,
        intervals=more.IntervalEvidence((), (), ()),
        stability=more.Stability(10, (), None, None, None, None, None, None, None),
    )
    told = Page(
        render_evidence(EvidencePage("m", "v1", SANITY, short, "0"), program_version="1", lang=Lang.EN)
    ).text
    assert "Too few errors were seen to test an interval." in told
    assert "Reliability" not in told
