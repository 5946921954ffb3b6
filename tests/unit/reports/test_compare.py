import json
import re
from dataclasses import replace

import numpy as np
import pytest

from compared_runs import compared
from marketsentry.core.backtest.compare import MAX_RUNS, compare_runs
from marketsentry.reports.compare import ComparisonPage, overlay, render_comparison
from marketsentry.reports.facts import Lang
from marketsentry.reports.texts import texts
from unit.reports.page import Page


@pytest.fixture(scope="module")
def facts():
    runs = [
        compared(1, 300, name="run 1", config={"replay": {"fee_bps": 5.0}, "model": "<a>"}),
        compared(2, 320, name="run 2", config={"replay": {"fee_bps": 1.0}, "model": "x" * 64}),
        compared(3, 300, name="run 3", config={"replay": {"fee_bps": 1.0}, "model": None}),
    ]
    comparison = compare_runs(runs, n_resamples=200)
    return ComparisonPage(comparison, ("<panel>:v1", "panel:v2", "ridge:v1"), False, "0.1")


@pytest.mark.parametrize("lang", list(Lang))
def test_the_page_is_whole_and_loads_nothing(facts, lang):
    html = render_comparison(facts, lang=lang)
    page = Page(html)
    assert page.errors == []
    assert [load for load in page.loads if not load.startswith(("data:", "#"))] == []
    assert "<panel>" not in html
    assert "<panel>:v1" in page.text
    assert "replay.fee_bps" in page.text
    assert "20" in page.text, "the bars that are left out of the longer run"
    words = texts(Lang.ZH if lang is Lang.EN else Lang.EN)
    assert words("compare.tests") not in page.text


def test_every_run_has_a_curve_of_its_own_above_and_below(facts):
    html = render_comparison(facts, lang=Lang.EN)
    for i in range(3):
        assert html.count(f'class="curve run{i}"') == 2
        assert html.count(f'class="key run{i}"') == 1


def test_the_read_out_holds_what_the_accounts_were_worth(facts):
    drawn = overlay(
        np.arange(3, dtype=np.int64) * 3_600_000_000_000,
        np.array([[1.0, 1.0], [1.1, 0.5], [0.99, 0.75]]),
        ("a", "b"),
        text=texts(Lang.EN),
        lang=Lang.EN,
    )
    series = json.loads(re.search(r'json">(.*?)</script>', drawn)[1])["series"]
    assert [one["label"] for one in series] == ["a Return", "b Return", "a Drawdown", "b Drawdown"]
    assert series[0]["values"] == [0.0, 0.1, -0.01]
    assert series[1]["values"] == [0.0, -0.5, -0.25]
    np.testing.assert_allclose(series[2]["values"], [0.0, 0.0, -0.1], atol=1e-12)
    np.testing.assert_allclose(series[3]["values"], [0.0, -0.5, -0.25])


def test_the_best_of_a_row_is_starred(facts):
    html = render_comparison(facts, lang=Lang.EN)
    n_best = sum(len(runs) for runs in facts.comparison.best.values())
    assert html.count("★ ") == n_best > 0


def test_a_synthetic_market_is_named_so(facts):
    assert "Synthetic data" in render_comparison(replace(facts, is_synthetic=True), lang=Lang.EN)
    assert "Synthetic data" not in render_comparison(facts, lang=Lang.EN)


def test_runs_that_were_made_alike_say_so():
    run = compared(1, 100)
    comparison = compare_runs([run] * MAX_RUNS, n_resamples=100)
    html = render_comparison(ComparisonPage(comparison, ("m:v1",) * MAX_RUNS, False, "0.1"), lang=Lang.EN)
    assert "Configuration and data are the same" in html
