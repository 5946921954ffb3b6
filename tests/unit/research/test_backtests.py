import json
import re

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay as replay_core
from marketsentry.core.backtest.summary import summarise
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.research import compare, plot, replay, sweep, synthetic_bars
from unit.reports.page import Page


@pytest.fixture(scope="module")
def bars():
    return synthetic_bars(symbols=("BTC", "ETH"), days=40, signal_strength=3.0)


@pytest.fixture(scope="module")
def trend(bars):
    close = bars.panel.close
    out = np.full(close.shape, np.nan)
    out[24:] = 0.3 * (close[24:] / close[:-24] - 1.0)
    return out


def test_a_replay_is_the_core_and_its_metrics(bars, trend):
    found = replay(trend, bars, horizon="4h", fee_bps=1.0)
    panel = bars.panel
    expected = replay_core(trend, panel, params_for(panel.interval, 4, fee_bps=1.0))
    np.testing.assert_array_equal(found.equity, expected.equity)
    assert dict(found.metrics) == summarise(expected, trend, panel)
    assert found.metrics["trades"] > 0


def test_predictions_before_the_traded_part_are_refused(bars, trend):
    with pytest.raises(InputError, match="must be NaN before traded_from, row 30"):
        replay(trend, bars, horizon="4h", traded_from=30)
    late = np.where(np.arange(trend.shape[0])[:, None] >= 30, trend, np.nan)
    assert replay(late, bars, horizon="4h", traded_from=30).account.traded_from_ns == bars.panel.ts_ns[30]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"horizon": "3h"}, "horizon must be one of 1h, 4h, 1d, 7d for 1h bars"),
        ({"horizon": "4h", "speed": 1}, "replay parameters must be known ones, was 'speed'"),
        ({"horizon": "4h", "fee_bps": -1.0}, "fee_bps must be >= 0"),
    ],
)
def test_what_cannot_be_replayed_is_refused(bars, trend, options, words):
    with pytest.raises(InputError, match=words):
        replay(trend, bars, **options)
    with pytest.raises(InputError, match="predictions must have the shape"):
        replay(trend[1:], bars, horizon="4h")


def test_a_sweep_finds_the_metrics_of_each_replay(bars, trend):
    found = sweep(trend, bars, {"fee_bps": [0.0, 5.0], "entry_edge_bps": [0.0, 20.0]}, horizon="4h")
    assert len(found.rows) == 4
    for row in found.rows:
        alone = replay(
            trend, bars, horizon="4h", fee_bps=row["fee_bps"], entry_edge_bps=row["entry_edge_bps"]
        )
        assert row["sharpe"] == pytest.approx(alone.metrics["sharpe"], rel=1e-9)
        assert row["trades"] == alone.metrics["trades"]
    assert found.best["sharpe"] == max(row["sharpe"] for row in found.rows)
    assert found.plateau.value == found.best["sharpe"]
    assert found.n_trials is None
    assert "nobody counted them" in found.page.html
    assert Page(found.page.html).errors == []


def test_a_sweep_over_what_is_unknown_is_refused(bars, trend):
    with pytest.raises(InputError, match="must be one of capital_quote, fee_bps"):
        sweep(trend, bars, {"speed": [1.0]}, horizon="4h")
    with pytest.raises(InputError, match="rank_by must be one of"):
        sweep(trend, bars, {"fee_bps": [1.0]}, horizon="4h", rank_by="luck")
    with pytest.raises(InputError, match="lang must be one of"):
        sweep(trend, bars, {"fee_bps": [1.0]}, horizon="4h", lang="xx")


def test_backtests_are_compared_and_drawn(bars, trend, tmp_path):
    runs = [replay(trend, bars, horizon="4h", name=f"fee {fee:g}", fee_bps=fee) for fee in (0.0, 20.0)]
    found = compare(*runs, n_resamples=200)
    assert found.found.metrics["fee"][0] == 0.0
    assert found.found.differences["replay.fee_bps"] == [0.0, 20.0]
    page = found.save(tmp_path / "compare.html")
    assert "Synthetic data" in page.read_text(encoding="utf-8")
    drawn = plot(*runs)
    series = json.loads(re.search(r'json">(.*?)</script>', drawn.html)[1])["series"]
    assert series[0]["values"][-1] == pytest.approx(runs[0].equity[-1] / 100_000.0 - 1.0, rel=1e-6)
    assert Page(drawn.html).errors == []
    assert drawn.save(tmp_path / "plot.html").read_text(encoding="utf-8") == drawn.html


def test_a_notebook_shows_a_page_in_a_frame_of_its_own(bars, trend):
    shown = replay(trend, bars, horizon="4h")._repr_html_()
    page = Page(shown)
    assert page.errors == []
    assert page.tags.count("iframe") == 1
    assert dict(page.attributes)["srcdoc"].startswith("<!doctype html>")


def test_too_few_and_too_many_are_refused(bars, trend):
    run = replay(trend, bars, horizon="4h")
    with pytest.raises(InputError, match="plot takes 1 to 8 backtests, had 0"):
        plot()
    with pytest.raises(InputError, match="plot takes 1 to 8 backtests, had 9"):
        plot(*[run] * 9)
    with pytest.raises(InputError, match="lang must be one of"):
        plot(run, lang="xx")
    with pytest.raises(InputError, match="2 to 8 runs, had 1"):
        compare(run)


def test_backtests_of_different_times_have_nothing_to_compare(bars, trend):
    first, last = bars.panel.window(0, 300), bars.panel.window(400, 900)
    runs = [
        replay(trend[rows], part, horizon="4h")
        for rows, part in ((slice(0, 300), first), (slice(400, 900), last))
    ]
    with pytest.raises(ConflictError, match="no bar in common"):
        compare(*runs)
