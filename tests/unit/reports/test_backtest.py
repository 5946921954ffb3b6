import re
import string
import time
from dataclasses import replace

import numpy as np
import pytest

from marketsentry.core.gates.verdict import Outcome
from marketsentry.reports.backtest import render_report
from marketsentry.reports.facts import CandidateFacts, CostFacts, EquityCurve, Lang, Report, Scheme
from marketsentry.reports.numbers import MISSING
from unit.reports.page import Page
from unit.reports.samples import (
    HOUR_NS,
    START_NS,
    accepted,
    random_walk,
    refused,
    sample_report,
    sample_run,
    with_curve,
)

EVIL = "<script>alert('x')</script>&\"</svg>"


@pytest.mark.parametrize("lang", list(Lang))
def test_a_report_is_well_formed_and_loads_nothing(lang):
    html = render_report(sample_report(), lang=lang)
    page = Page(html)
    assert page.errors == []
    assert page.loads == []
    assert "@import" not in html
    assert "url(" not in html
    assert not re.search(r"https?://", html)


def test_chinese_report_is_chinese_and_english_report_has_no_chinese():
    chinese = Page(render_report(sample_report(), lang=Lang.ZH)).text
    english = Page(render_report(sample_report(), lang=Lang.EN)).text
    assert "权益与回撤" in chinese
    assert "Equity and drawdown" in english
    assert not re.search(r"[\u4e00-\u9fff]", english.replace("红涨", ""))
    assert not set(string.ascii_lowercase) <= set(re.sub(r"\W|_", "", chinese)[:40])


def test_headline_numbers_are_those_of_the_run():
    run = sample_run()
    text = Page(render_report(sample_report(run), lang=Lang.EN)).text
    assert f"{abs(run.metrics['pnl_after_cost']) * 100:.2f}%" in text
    assert f"{run.metrics['max_drawdown'] * 100:.2f}%" in text
    assert "0.0213" in text
    assert "ms replay 17" in text
    assert "9b1c" * 16 in text


def test_gain_and_loss_colours_follow_the_language_unless_chosen():
    report = sample_report()
    assert '<html lang="en" data-scheme="us">' in render_report(report, lang=Lang.EN)
    assert '<html lang="zh-CN" data-scheme="cn">' in render_report(report, lang=Lang.ZH)
    assert 'data-scheme="cn"' in render_report(report, lang=Lang.EN, scheme=Scheme.CN)


def test_synthetic_data_is_said_and_recorded_data_is_not_called_synthetic():
    run = sample_run()
    recorded = replace(
        run,
        is_synthetic=False,
        sources=("binance_spot",),
        per_symbol=tuple(replace(s, source="binance_spot") for s in run.per_symbol),
    )
    assert "Synthetic data" in Page(render_report(sample_report(run), lang=Lang.EN)).text
    assert "ynthetic" not in Page(render_report(sample_report(recorded), lang=Lang.EN)).text


def test_text_from_data_is_escaped_everywhere():
    run = sample_run()
    run = replace(
        run,
        run_id=EVIL,
        run_name=EVIL,
        symbols=(EVIL,),
        interval=EVIL,
        sources=(EVIL,),
        replay_command=EVIL,
        reason=EVIL,
        per_symbol=tuple(replace(s, symbol=EVIL, source=EVIL) for s in run.per_symbol),
        assumptions={EVIL: EVIL},
        lineage={EVIL: EVIL},
    )
    leak = replace(refused().leaks[0], feature=EVIL, symbol=EVIL)
    candidate = CandidateFacts(EVIL, EVIL, Outcome.FAIL, (), (EVIL,), (leak,))
    html = render_report(Report(EVIL, run, candidate, (candidate,)), lang=Lang.EN)
    harmless = Page(render_report(sample_report(), lang=Lang.EN))
    page = Page(html)
    assert page.errors == []
    assert "<script>alert" not in html
    assert page.text.count(EVIL) >= 12
    assert page.tags.count("script") <= harmless.tags.count("script")


def test_missing_numbers_read_as_a_dash_and_never_as_zero():
    run = sample_run()
    blank = replace(
        run,
        metrics={"sharpe": float("nan"), "ic": None},
        costs=CostFacts(None, None, None, None, None),
        folds=tuple(
            replace(f, ic=None, rank_ic=None, pnl_frac=None, n_train=None, n_test=None) for f in run.folds
        ),
        per_symbol=tuple(
            replace(
                s,
                pnl_quote=None,
                cost_quote=float("nan"),
                n_trades=None,
                turnover=None,
                exposure_frac=None,
                ic=None,
                hit_rate=None,
            )
            for s in run.per_symbol
        ),
        assumptions={"fee_bps": None},
        lineage={"bars": None},
    )
    html = render_report(Report("0.1.0", blank, None), lang=Lang.EN)
    page = Page(html)
    tiles = re.findall(r"<dd[^>]*>([^<]*)</dd>", html.split('class="tiles"')[1].split("</dl>")[0])
    assert tiles.count(MISSING) == 6
    fold_cells = re.findall(
        r'<td class="num[^"]*">(?:<span>)?([^<]*)', html.split("Walk-forward folds")[1].split("</table>")[0]
    )
    assert set(fold_cells) == {MISSING}
    assert page.errors == []
    assert "nan" not in page.text.lower()
    assert "None" not in page.text


@pytest.mark.parametrize(
    "equity",
    [
        [],
        [100_000.0],
        [100_000.0] * 50,
        [float("nan")] * 10,
        [100_000.0, float("nan"), 99_000.0, float("nan"), float("nan"), 101_000.0],
        [100_000.0, -5_000.0, -20_000.0],
        [100_000.0, 4e6, 9e6, 3e5],
    ],
    ids=["empty", "one bar", "constant", "all unknown", "holes", "below zero", "thirtyfold"],
)
def test_odd_curves_still_make_a_whole_page(equity):
    values = np.array(equity, dtype=np.float64)
    ts_ns = START_NS + np.arange(values.size, dtype=np.int64) * HOUR_NS
    run = with_curve(sample_run(), EquityCurve(ts_ns, values))
    html = render_report(sample_report(run), lang=Lang.EN)
    assert Page(html).errors == []
    assert "nan" not in "".join(re.findall(r' d="[^"]*"', html)).lower()
    assert "NaN" not in "".join(re.findall(r'<script type="application/json">(.*?)</script>', html))
    has_curve = bool(values.size) and bool(np.isfinite(values).any())
    assert ("There is no equity curve." in html) is not has_curve


def test_a_run_without_trades_says_so_instead_of_drawing_nothing():
    run = replace(
        sample_run(), folds=(), bands=(), windows=(), per_symbol=(), costs=None, assumptions={}, lineage={}
    )
    text = Page(render_report(sample_report(run), lang=Lang.EN)).text
    assert "No results by symbol are recorded." in text
    assert "No costs are recorded." in text
    assert "No folds are recorded." in text


def test_a_failed_run_leads_with_its_reason_not_with_a_verdict():
    run = replace(
        with_curve(sample_run(), EquityCurve(np.array([], dtype=np.int64), np.array([]))),
        status="failed",
        reason="insufficient_prices",
    )
    text = Page(render_report(Report("0.1.0", run, accepted()), lang=Lang.EN)).text
    assert "The run failed" in text
    assert "too few prices" in text
    assert "Passed" not in text


def test_a_refusal_names_the_leak_its_bar_and_both_values():
    text = Page(render_report(sample_report(), lang=Lang.EN)).text
    assert "next_bar_return" in text
    assert "2021-01-26 00:00" in text
    assert "0.012300" in text
    assert "\u22120.045600" in text
    assert "Leaking features: measured 1, needs ≤ 0" in text
    assert "Sharpe ratio: not measured, needs ≥ 0.5" in text
    assert "blocked by data quality" in text


def test_the_runs_own_windows_stand_with_their_checks():
    text = Page(render_report(sample_report(), lang=Lang.EN)).text
    assert "The 2 reporting windows of this run, and their checks" in text
    assert "Windows n_windows 2 ≥ 3" in text
    assert "Largest drawdown, window 2 max_drawdown[1] 30.00% ≤ 20%" in text


def test_outcomes_differ_in_shape_and_word_not_only_in_colour():
    html = render_report(Report("0.1.0", None, refused()), lang=Lang.EN)
    shapes = re.findall(r'<td class="state"><span class="\w+"><svg[^>]*>(.*?)</svg>([^<]+)', html)
    assert [word for _, word in shapes] == ["fail", "too few", "fail"]
    assert shapes[0][0] != shapes[1][0]


def test_a_refusal_tells_its_reasons_before_it_shows_a_curve():
    passed = render_report(sample_report(), lang=Lang.EN)
    failed = render_report(Report("0.1.0", sample_run(), refused()), lang=Lang.EN)
    assert passed.index("<h2>Equity") < passed.index("<h2>Verdict")
    assert failed.index("<h2>Verdict") < failed.index("<h2>Equity")


def test_candidates_can_stand_alone_when_none_was_backtested():
    text = Page(render_report(Report("0.1.0", None, None, (refused(),)), lang=Lang.EN)).text
    assert "Candidates judged" in text
    assert "Candidates refused" in text


def test_a_million_bars_make_a_small_page_quickly():
    run = with_curve(sample_run(), random_walk(1_000_000))
    pnl = run.curve.equity_quote - 100_000.0
    run = replace(run, per_symbol=tuple(replace(s, pnl_curve_quote=pnl / 2) for s in sample_run().per_symbol))
    began = time.process_time()
    html = render_report(sample_report(run), lang=Lang.ZH)
    assert time.process_time() - began < 10
    assert len(html.encode()) < 1_000_000
    assert Page(html).errors == []
