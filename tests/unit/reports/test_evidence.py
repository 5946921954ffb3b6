"""The evidence section in both languages: every number shown, what is missing a dash, what is data escaped."""

from dataclasses import replace

import pytest

from marketsentry.core.evidence import pack as parts
from marketsentry.core.evidence import parts as more
from marketsentry.core.gates.verdict import at_least, at_most, decide
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.trend import Trend
from marketsentry.reports.evidence import evidence_section
from marketsentry.reports.evidence_page import EvidencePage, render_evidence
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
    assert page.count("<h3>") == 11


def test_a_version_whose_features_were_not_weighed_shows_no_table_of_them() -> None:
    assert evidence_section(replace(PACK, importance=()), texts(Lang.EN)).count("<h3>") == 10


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
