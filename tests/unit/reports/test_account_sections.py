"""The sections on account and trades: numbers as computed, marks where they belong, nothing drawn without bars."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from marketsentry.reports import svg
from marketsentry.reports.account import CandleWindow, EquityBand, TradeFacts, TradeLists
from marketsentry.reports.candles import candle_chart, candles_section
from marketsentry.reports.drawdowns import drawdown_table
from marketsentry.reports.equity import equity_chart, equity_section
from marketsentry.reports.facts import CostFacts, EquityCurve, Lang
from marketsentry.reports.rolling import days_section, histogram_edges, rolling_section
from marketsentry.reports.stylesheet import CSS
from marketsentry.reports.texts import texts
from marketsentry.reports.trades import trades_section
from marketsentry.reports.waterfall import costs_section
from unit.reports.page import Page
from unit.reports.samples import HOUR_NS, START_NS, random_walk, sample_run, with_curve

EN = texts(Lang.EN)
EVIL = "<script>alert(1)</script>"


def trade(**changes):
    values = {
        "symbol": "BTC",
        "side": 1,
        "entry_ns": START_NS + 10 * HOUR_NS,
        "exit_ns": START_NS + 20 * HOUR_NS,
        "n_bars": 10,
        "qty": 2.0,
        "entry_price": 100.0,
        "exit_price": 110.0,
        "cost_quote": 0.5,
        "pnl_quote": 19.5,
        "first_price": 99.0,
        "last_price": 112.0,
        **changes,
    }
    return TradeFacts(**values)


def window(chosen=None, others=(), n=40):
    opened = 90.0 + np.arange(n, dtype=np.float64)
    close = opened + np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    values = np.stack([opened, opened + 2.0, opened - 2.0, close], axis=1)
    return CandleWindow(
        "BTC",
        "best",
        chosen or trade(),
        tuple(others),
        0,
        "1h",
        HOUR_NS,
        START_NS + np.arange(n) * HOUR_NS,
        values,
    )


def points(drawn):
    return json.loads(re.search(r'json">(.*?)</script>', drawn)[1])


def test_the_band_and_the_universe_are_drawn_and_can_be_read():
    run = sample_run()
    rows = np.arange(run.curve.n_bars)
    band = EquityBand(rows, run.curve.equity_quote * 0.9, run.curve.equity_quote * 1.1, 0.9, 1_000, 24)
    run = replace(run, band=band, hold_quote=run.curve.equity_quote * 1.2)
    html = equity_section(run, EN, Lang.EN)
    assert html.count('class="ribbon likely"') == 2  # once on either axis
    assert html.count('class="curve hold"') == 2
    labels = {one["label"]: one for one in points(html)["series"]}
    equity = np.array(labels["Equity"]["values"])
    np.testing.assert_allclose(labels["Band, low"]["values"], equity * 0.9, rtol=1e-5)
    np.testing.assert_allclose(labels["Universe bought and held"]["values"], equity * 1.2, rtol=1e-5)
    text = Page(html).text
    assert "90% of 1,000 paths" in text
    assert "blocks of 24 bars" in text


def test_without_a_band_or_bars_the_chart_says_what_it_lacks():
    text = Page(equity_section(sample_run(), EN, Lang.EN)).text
    assert "Without a band" in text
    assert "bought and held" not in text.lower()


def test_both_axes_draw_the_same_points_and_one_of_them_is_chosen():
    html = equity_chart(sample_run(), text=EN, lang=Lang.EN)
    drawings = re.findall(r'json">(.*?)</script>', html)
    assert len(drawings) == 2
    linear, log = (json.loads(one)["series"] for one in drawings)
    assert [one["values"] for one in linear] == [one["values"] for one in log]
    assert [linear[0]["log"], log[0]["log"]] == [False, True]
    assert html.count("checked=") == 1


def test_equity_that_falls_to_nothing_has_no_logarithmic_axis():
    curve = EquityCurve(START_NS + np.arange(3) * HOUR_NS, np.array([100_000.0, -5.0, -20.0]))
    html = equity_chart(with_curve(sample_run(), curve), text=EN, lang=Lang.EN)
    assert 'value="log"' not in html


def test_drawdowns_are_named_with_dates_and_length():
    day = 24 * HOUR_NS
    equity = np.array([100.0, 120.0, 90.0, 120.0, 130.0, 117.0, 120.0])
    curve = EquityCurve(START_NS + np.arange(7) * day, equity)
    cells = re.findall(r"<td[^>]*>(?:<b>)?([^<]*)", drawdown_table(curve, EN))
    first, second = cells[:7], cells[7:]
    assert [first[k] for k in (0, 1, 3, 4, 5, 6)] == [
        "1",
        "25.00%",
        "2021-01-02",
        "2021-01-03",
        "2021-01-04",
        "2.0",
    ]
    assert [second[k] for k in (0, 1, 5, 6)] == ["2", "10.00%", "not yet", "2.0"]
    assert drawdown_table(EquityCurve(curve.ts_ns, np.sort(equity)), EN) is None


def test_rolling_figures_need_a_whole_window():
    run = sample_run(n_bars=24 * 60)
    html = rolling_section(run, EN, Lang.EN)
    series = {one["label"]: one["values"] for one in points(html)["series"]}
    assert "90 days" not in series
    assert "too short for a window of 90 days" in Page(html).text
    equity = run.curve.equity_quote
    returns = equity[-720:] / equity[-721:-1] - 1.0
    expected = returns.mean() / returns.std(ddof=1) * np.sqrt(8_760)
    assert series["30 days"][-1] == pytest.approx(expected, rel=1e-5)
    assert rolling_section(sample_run(n_bars=24 * 29), EN, Lang.EN) is None


def test_long_runs_show_both_windows():
    html = rolling_section(sample_run(n_bars=24 * 200), EN, Lang.EN)
    series = {one["label"]: one["values"] for one in points(html)["series"]}
    assert series["90 days"][0] is None
    assert series["90 days"][-1] is not None
    assert 'class="ribbon second"' in html


def test_histogram_counts_every_day_once():
    run = sample_run(n_bars=24 * 100)
    html = days_section(run, EN)
    shown = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", html))
    # The first value is known at midnight and belongs to the day that it ends.
    assert shown["Days"] == "101"
    assert days_section(sample_run(n_bars=24 * 15), EN) is None
    values = np.random.default_rng(0).normal(size=500)
    edges = histogram_edges(values)
    assert np.histogram(values, edges)[0].sum() == 500
    assert 8 <= edges.size - 1 <= 60
    assert histogram_edges(np.array([0.0] * 30 + [1.0])).size == 9


def test_costs_by_symbol_take_gross_apart_and_funding_shows_only_where_there_is_some():
    run = sample_run()
    costs = CostFacts(1_000.0, 100.0, 50.0, 25.0, 825.0)
    symbols = tuple(replace(one, costs=costs, cost_quote=175.0) for one in run.per_symbol)
    text = Page(costs_section(replace(run, per_symbol=symbols), EN)).text
    assert "BTC +1,000 \u2212100.00 \u221250.00 \u221225.00 +825.00 17.5%" in text
    assert "Funding" not in text
    funded = replace(costs, funding_quote=-75.0, net_quote=900.0)
    run = replace(run, costs=funded, per_symbol=tuple(replace(one, costs=funded) for one in symbols))
    text = Page(costs_section(run, EN)).text
    assert "Funding and borrowing +75.00" in text


def test_candles_lie_on_their_prices_and_marks_on_their_fills():
    chart = candle_chart(window(), text=EN, lang=Lang.EN)
    assert chart.count('class="mark') == 2
    entry, end = re.findall(r'<svg class="mark (\w+)[^"]*" x="([\d.]+)%" y="([\d.]+)"', chart)
    data = points(chart)
    low, high, top, height = (data["series"][0][name] for name in ("low", "high", "top", "height"))
    for found, at, price in ((entry, 10, 99.0), (end, 20, 112.0)):
        assert float(found[1]) == pytest.approx(100 * at / 40, abs=0.01)
        assert float(found[2]) == pytest.approx(top + height * (high - price) / (high - low), abs=0.06)
    assert entry[0] == "entry"
    assert data["at"][10] == "2021-01-01 10:00"
    assert [one["label"] for one in data["series"]] == ["Open", "High", "Low", "Close"]
    wicks = re.findall(r'class="wick (\w+)" d="([^"]*)"', chart)
    assert {css: d.count("M") for css, d in wicks} == {"gain": 20, "loss": 20}
    assert data["spans"][0]["text"] == "long 2.00000 @ 100.000 → 110.000: +19.50"


def test_an_open_trade_has_an_entry_only_and_leads_to_the_last_price():
    chart = candle_chart(
        window(trade(exit_ns=None, exit_price=None, last_price=None, side=-1)), text=EN, lang=Lang.EN
    )
    assert re.findall(r'class="mark (\w+)', chart) == ["entry"]
    assert svg.SHAPES["down"] in chart
    assert "still open" in chart
    assert chart.count('class="link') == 1


def test_other_trades_in_the_window_are_pale_and_those_outside_do_not_stretch_it():
    other = trade(entry_ns=START_NS + 30 * HOUR_NS, exit_ns=START_NS + 90 * HOUR_NS, last_price=9_999.0)
    chart = candle_chart(window(others=[other]), text=EN, lang=Lang.EN)
    assert len(re.findall(r'class="mark entry other"', chart)) == 1
    assert points(chart)["series"][0]["high"] < 200


def test_bars_that_changed_are_refused_and_named():
    run = replace(sample_run(), market_refusal=("bars_changed", "aaaa → bbbb"), candles=(window(),))
    html = candles_section(run, EN, Lang.EN)
    assert "no trade is drawn" in Page(html).text
    assert "aaaa → bbbb" in Page(html).text
    assert "<svg" not in html
    assert candles_section(sample_run(), EN, Lang.EN) is None


@pytest.mark.parametrize("lang", list(Lang))
def test_trades_and_candles_are_well_formed_and_escape_what_is_data(lang):
    evil = trade(symbol=EVIL)
    run = replace(
        sample_run(),
        trades=TradeLists((evil,), (trade(pnl_quote=-3.0),), (evil,), 3, 1),
        candles=(replace(window(evil), symbol=EVIL), window()),
    )
    html = trades_section(run, texts(lang)) + candles_section(run, texts(lang), lang)
    page = Page(html)
    assert page.errors == []
    assert "<script>alert" not in html
    assert page.text.count("BTC") >= 2


def test_a_profit_and_a_loss_read_with_sign_and_return():
    run = replace(sample_run(), trades=TradeLists((trade(),), (trade(pnl_quote=-3.0),), (trade(),), 2, 0))
    text = Page(trades_section(run, EN)).text
    assert "2 round trips, 0 of them still open" in text
    assert "100.000 110.000 0.50 +9.75% +19.50" in text
    assert "\u22121.50% \u22123.00" in text
    assert trades_section(sample_run(), EN) is None


def test_a_flat_curve_has_neither_histogram_nor_ratio():
    flat = EquityCurve(random_walk(24 * 60).ts_ns, np.full(24 * 60, 100_000.0))
    run = with_curve(sample_run(), flat)
    assert days_section(run, EN) is None
    assert "NaN" not in rolling_section(run, EN, Lang.EN)


def luminance(colour):
    """Relative luminance of `#rrggbb`, `#rgb` or `r,g,b` by WCAG 2."""
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
        parts = [int(digits[k : k + 2], 16) for k in (0, 2, 4)]
    else:
        parts = [int(one) for one in colour.split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (p / 255 for p in parts)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_words_stand_out_from_the_page_by_day_and_by_night():
    light, dark = re.findall(r":root\{\s*(?:color-scheme:light dark;\s*)?(--page.*?)\}", CSS, re.DOTALL)
    for block in (light, dark):
        colours = dict(re.findall(r"--([\w-]+):([^;]+);", block))
        page = luminance(colours["page"])
        for name in ("ink", "soft", "faint", "green", "red", "pass", "fail", "few"):
            bright, dim = sorted((luminance(colours[name]), page), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, name
