"""The evidence section in both languages: every number shown, what is missing a dash, what is data escaped."""

import re
from dataclasses import replace

import numpy as np
import pytest

from marketsentry.core.evidence import pack as parts
from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.paths import PathRow, Paths
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.pbo import BacktestOverfitting
from marketsentry.reports.evidence import evidence_section
from marketsentry.reports.evidence_plots import calibration_plot, skill_plots, trials_plot
from marketsentry.reports.facts import Lang
from marketsentry.reports.texts import texts

EVIL = "<script>alert(1)</script>"
ROW = parts.SkillRow("0", 1_234, 0.0456, Bounds(0.01, 0.08), 0.05, None, 34)
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
    ):
        assert shown in page, shown
    assert "2024-05-06 07:08" in page
    assert "—" in page
    assert page.count("<h3>") == 6


CHOICE = BacktestOverfitting(64, 16, 12_870, 0.37, 0.21, None, 2.22, -0.44, (1_287,) * 10)
PATH = PathRow(0.0456, None, -0.123, 0.2, 1.23)
CROSSED = replace(
    PACK,
    overfitting=Overfitting(64, ("cost_multiple",), 17, "peak_alone", 0.4, 0.5, 0.81, CHOICE),
    kfold=(ROW, replace(ROW, name="1")),
    paths=Paths(
        6, 2, 15, 24, (PATH, replace(PATH, sharpe=None)), 0.5, 1.23, 1.23, 1.23,
        (1_700_000_000_000_000_000, 1_710_000_000_000_000_000), ((1.0, 0.877), (1.0, 1.0)),
    ),
)  # fmt: skip


@pytest.mark.parametrize("lang", list(Lang))
def test_overfitting_and_cross_validation_are_shown_where_they_were_measured(lang: Lang) -> None:
    page = evidence_section(CROSSED, texts(lang))
    assert page.count("<h3>") == 9
    for shown in ("37%", "21%", "81%", "17", "2.22", "\u22120.44", "12,870", "1.23", "\u221212.30%", "50%"):
        assert shown in page, shown
    assert page.count('class="curve equity"') == 2
    assert "2023-12-01" in page


def test_many_paths_are_drawn_in_part_and_listed_whole() -> None:
    assert CROSSED.paths is not None
    many = replace(CROSSED.paths, rows=(PATH,) * 40, curves=tuple((1.0, 1.0 + k / 100) for k in range(40)))
    page = evidence_section(replace(CROSSED, paths=many), texts(Lang.EN))
    assert page.count('class="curve equity"') == 12
    assert page.count("<td>40</td>") == 1


def test_paths_without_equity_and_settings_without_a_ratio_are_told_in_words() -> None:
    assert CROSSED.paths is not None
    assert CROSSED.overfitting is not None
    lost = replace(CROSSED.paths, curves=((np.nan, np.nan),) * 2)
    none = replace(CROSSED.overfitting, choice=None, rank=None, shape="none")
    page = evidence_section(replace(CROSSED, paths=lost, overfitting=none), texts(Lang.EN))
    assert "There was nothing to choose from" in page
    assert "No setting has a value" in page
    assert 'class="curve equity"' not in page


def test_a_version_whose_features_were_not_weighed_shows_no_table_of_them() -> None:
    assert evidence_section(replace(PACK, importance=()), texts(Lang.EN)).count("<h3>") == 5


def dots(drawn: str) -> list[tuple[float, float]]:
    """Places of the dots: percent across, pixels from the top."""
    return [(float(x), float(y)) for x, y in re.findall(r'class="dots" cx="([\d.]+)%" cy="([\d.]+)"', drawn)]


def test_skill_is_drawn_by_fold_and_by_month_on_one_axis() -> None:
    months = tuple(parts.SkillRow(f"2024-{m:02d}", 10, 0.01 * m, None, None, None, 5) for m in range(1, 13))
    skill = replace(PACK.skill, folds=(ROW, replace(ROW, name="1", ic=None, ic_bounds=None)), months=months)
    drawn = skill_plots(replace(PACK, skill=skill), texts(Lang.EN))
    by_fold, by_month = drawn.split("IC by month, with its interval</figcaption>")
    assert len(dots(by_fold)) == 2  # a fold without an IC has no dot; the last block has one
    assert len(dots(by_month)) == 12
    assert by_fold.count('class="whisker"') == 2
    assert [y for _, y in dots(by_month)] == sorted((y for _, y in dots(by_month)), reverse=True)
    assert "1: IC 0.0456 (n = 1,234)" in by_fold


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
