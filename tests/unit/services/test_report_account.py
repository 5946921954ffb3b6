"""From a replay to what a report tells of it: bands, activity, trades, candles; and how large the page becomes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.stored import pack_run, read_run
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.gates.backtest import judge_windows
from marketsentry.core.market.bars import CLOSE, OPEN, BarPanel, BarState
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.stats.turnover import turnover
from marketsentry.ports.runs import RunRecord, StoredRun
from marketsentry.reports.backtest import render_report
from marketsentry.reports.facts import EquityCurve, Lang, Report
from marketsentry.services.backtest_outcome import bars_hash
from marketsentry.services.report_account import equity_band
from marketsentry.services.report_candles import MAX_CANDLES, candle_windows
from marketsentry.services.report_facts import run_facts
from marketsentry.services.report_market import RunMarket
from marketsentry.services.report_trades import run_trades, trade_lists

START_NS = 1_672_531_200_000_000_000  # 2023-01-01T00:00Z
MAX_BYTES = 3_000_000


def make_panel(n_bars, n_symbols, interval, seed=3):
    """A random walk of each symbol, one bar of the second lost."""
    bar = parse_interval(interval)
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.004, (n_bars, n_symbols)), axis=0))
    opened = np.concatenate((np.full((1, n_symbols), 100.0), close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    values = np.stack([opened, high, low, close, np.full_like(close, 1e6)], axis=2)
    state = np.full((n_bars, n_symbols), BarState.TRADED, dtype=np.uint8)
    if n_symbols > 1:
        values[50, 1], state[50, 1] = np.nan, BarState.LOST
    symbols = tuple(f"COIN{n}" for n in range(n_symbols))
    ts_ns = START_NS + np.arange(n_bars, dtype=np.int64) * bar.ns
    return BarPanel(symbols, bar, ("synthetic",) * n_symbols, ts_ns, values, state)


def run_on(panel, first=100):
    """A stored run of noise over a panel, as the backtest writes it."""
    shape = panel.close.shape
    predictions = np.random.default_rng(5).normal(0, 0.02, shape)
    predictions[:first] = np.nan
    params = params_for(panel.interval, 4)
    result = replay(predictions, panel, params)
    metrics = summarise(result, predictions, panel, traded_from=first)
    metrics["gate"] = judge_windows(metrics["folds"]).document()
    config = {
        "interval": panel.interval.name,
        "window": {"traded_from": ns_to_datetime(int(panel.ts_ns[first])).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "sources": dict(zip(panel.symbols, panel.sources, strict=True)),
        "replay": params.document(),
    }
    document = {"symbols": list(panel.symbols), "parts": {"bars": bars_hash(panel)}}
    wire = {"status": "completed", "reason": None, "targets": list(panel.symbols), **metrics}
    at = ns_to_datetime(START_NS)
    run = RunRecord("liquid-wf-1", "liquid", None, "completed", at, at, wire, config, "f" * 64, "x", "a" * 64)
    return StoredRun(1, at, run), read_run(pack_run(document, result, predictions))


def without_trades(files):
    """The same run in which nothing was traded."""
    return replace(files, trades=files.trades[:0], fills=files.fills[:0])


@pytest.fixture(scope="module")
def small():
    panel = make_panel(1_500, 2, "1h")
    stored, files = run_on(panel)
    return panel, files, run_facts(stored, files, None, RunMarket(panel))


def test_the_band_starts_at_the_capital_and_widens(small):
    facts = small[2]
    band = facts.band
    assert band.low_quote[0] == band.high_quote[0] == facts.capital_quote
    width = band.high_quote - band.low_quote
    assert (width[1:] > 0).all()
    assert width[-1] > width[len(width) // 4]
    assert band.rows[-1] == facts.curve.n_bars - 1
    assert band.block_bars >= 4


def test_no_band_where_returns_cannot_be_resampled(small):
    curve = small[2].curve
    for equity in (
        np.full(curve.n_bars, 100.0),
        np.where(np.arange(curve.n_bars) == 9, np.nan, curve.equity_quote),
        np.where(np.arange(curve.n_bars) > 9, -1.0, curve.equity_quote),
    ):
        assert equity_band(EquityCurve(curve.ts_ns, equity), horizon_bars=4) is None
    assert equity_band(curve, horizon_bars=curve.n_bars // 4) is None
    assert equity_band(EquityCurve(curve.ts_ns[:1], curve.equity_quote[:1]), horizon_bars=4) is None


def test_activity_adds_up_to_the_turnover_of_the_run(small):
    _, files, facts = small
    before = np.concatenate(([facts.capital_quote], files.equity[:-1]))
    expected = turnover(files.fills["qty"] * files.fills["reference_price"], before[files.fills["bar"]])
    assert facts.activity.traded_frac.sum() == pytest.approx(expected, rel=1e-12)
    assert facts.activity.gross_frac.size == facts.curve.n_bars
    np.testing.assert_allclose(facts.activity.gross_frac, np.abs(files.weights[99:]).sum(axis=1))


def test_the_universe_held_pays_its_costs_once_and_follows_the_closes(small):
    panel, _, facts = small
    held = facts.hold_quote
    assert held.size == facts.curve.n_bars
    assert held[0] == held[1] == facts.capital_quote
    entry = panel.values[101, :, OPEN]
    gross = (panel.close[-1] / entry).mean() * facts.capital_quote
    assert held[-1] == pytest.approx(gross, rel=0.01)
    assert held[-1] < gross


def test_trades_are_those_of_the_run_with_the_prices_of_their_fills(small):
    _, files, facts = small
    trades = files.trades
    lists = facts.trades
    closed = trades[trades["exit_bar"] >= 0]
    assert lists.n_trades == trades.size
    assert lists.n_open == trades.size - closed.size
    assert [one.pnl_quote for one in lists.best] == sorted(closed["pnl_quote"], reverse=True)[:10]
    assert [one.pnl_quote for one in lists.worst] == sorted(closed["pnl_quote"])[:10]
    best = lists.best[0]
    row = closed[np.argmax(closed["pnl_quote"])]
    fills = files.fills[files.fills["symbol"] == row["symbol"]]
    assert best.first_price == fills["price"][fills["bar"] == row["entry_bar"]][0]
    assert best.last_price == fills["price"][fills["bar"] == row["exit_bar"]][0]
    assert trade_lists(run_trades(without_trades(files))) is None


def test_windows_hold_their_trade_and_few_candles_and_lose_what_was_lost(small):
    panel, files, facts = small
    for one in facts.candles:
        n = panel.symbols.index(one.symbol)
        assert one.open_ns.size <= MAX_CANDLES + 1
        assert one.open_ns[0] <= one.chosen.entry_ns
        rows = np.searchsorted(panel.ts_ns, one.open_ns)
        np.testing.assert_array_equal(one.values[:, 0], panel.values[rows, n, OPEN])
        last = rows + one.interval_ns // panel.interval.ns - 1
        np.testing.assert_array_equal(one.values[:, 3], panel.values[last, n, CLOSE])
        assert np.isfinite(one.values).all()
        assert len({one.chosen, *one.others}) == 1 + len(one.others)
    assert {(one.symbol, one.why) for one in facts.candles} >= {("COIN0", "best"), ("COIN1", "worst")}
    assert candle_windows(panel, run_trades(without_trades(files))) == ()


@pytest.mark.parametrize(
    ("n_bars", "n_symbols", "interval"), [(3 * 365 * 24, 14, "1h"), (2 * 365 * 288, 3, "5m")]
)
def test_a_long_report_is_small_and_asks_no_network(n_bars, n_symbols, interval):
    panel = make_panel(n_bars, n_symbols, interval)
    stored, files = run_on(panel)
    facts = run_facts(stored, files, None, RunMarket(panel))
    assert len(facts.candles) >= 2 * n_symbols
    html = render_report(Report("0.1.0", facts, None), lang=Lang.ZH)
    assert len(html.encode()) < MAX_BYTES
    assert not re.search(r"(https?:)?//[\w.-]+\.\w", html)
    assert "url(" not in html


def test_the_same_run_gives_the_same_facts_and_bytes(small):
    panel, _, facts = small
    stored, files = run_on(panel)
    again = run_facts(stored, files, None, RunMarket(panel))
    pages = [render_report(Report("0.1.0", one, None), lang=Lang.ZH) for one in (facts, again)]
    assert pages[0] == pages[1]


def test_bars_that_changed_leave_the_account_and_take_the_market(small):
    panel = small[0]
    stored, files = run_on(panel)
    facts = run_facts(stored, files, None, RunMarket(None, ("bars_changed", "a → b")))
    assert facts.candles == ()
    assert facts.hold_quote is None
    assert facts.trades is not None
    html = render_report(Report("0.1.0", facts, None), lang=Lang.EN)
    assert "a → b" in html
    changed = replace(panel, values=np.where(panel.values == panel.values[7, 0, CLOSE], 1.0, panel.values))
    assert bars_hash(changed) != bars_hash(panel) == bars_hash(make_panel(1_500, 2, "1h"))
