"""Recorded perpetuals with the funding that was really charged."""

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from marketsentry.core.backtest.funding import funding_of_bars, holding_cost, missing_share
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.features.context import KnownSeries
from marketsentry.core.market.bars import BarPanel, BarSeries, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.core.splits.walk_forward import walk_forward
from marketsentry.core.training.evaluation import evaluate
from marketsentry.core.training.market import panel_on_its_market
from marketsentry.exceptions import DataQualityError
from naive_replay import naive_replay

pytestmark = pytest.mark.realdata
HOUR = parse_interval("1h")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
YEAR = 8_760


def _read(path: Path, columns: str) -> dict[str, np.ndarray]:
    query = f"SELECT epoch_ns(ts) AS ts, {columns} FROM read_parquet(?) ORDER BY ts"
    return duckdb.execute(query, [str(path)]).fetchnumpy()


def _bars(realdata: Path, symbol: str) -> BarSeries:
    one = _read(realdata / "bars" / "binance_perp_1h" / f"{symbol}.parquet", "open, high, low, close, volume")
    values = np.column_stack([one[name] for name in ("open", "high", "low", "close", "volume")])
    return BarSeries(symbol, HOUR, "binance_perp", one["ts"].astype(np.int64), values)


@pytest.fixture(scope="module")
def panel(realdata: Path) -> BarPanel:
    return align_panel([_bars(realdata, symbol) for symbol in SYMBOLS])


@pytest.fixture(scope="module")
def rates(realdata: Path) -> dict[str, KnownSeries]:
    found = {}
    for symbol in SYMBOLS:
        one = _read(realdata / "funding" / "binance_perp" / f"{symbol}.parquet", "funding_rate")
        found[symbol] = KnownSeries(one["ts"].astype(np.int64), one["funding_rate"])
    return found


def _momentum(panel: BarPanel) -> np.ndarray:
    out = np.full(panel.close.shape, np.nan)
    out[24:] = 0.1 * (panel.close[24:] / panel.close[:-24] - 1.0)
    return out


def test_rates_are_known_but_for_the_recorded_gap(panel: BarPanel, rates: dict[str, KnownSeries]) -> None:
    """The record of SOL lacks 2024-12-04 to 2024-12-30, and every record ends before its last bar closes."""
    last = panel.window(panel.n_bars - YEAR - 1, panel.n_bars - 1)
    funding = funding_of_bars(last, rates)
    share = missing_share(funding)
    assert share[:2].tolist() == [0.0, 0.0]
    assert share[2] == pytest.approx(26 * 24 / YEAR, abs=0.005)
    assert np.isposinf(funding[:, 2]).sum() == pytest.approx(26 * 3, abs=3)


def test_a_year_of_holding_pays_what_the_venue_charged(
    panel: BarPanel, rates: dict[str, KnownSeries]
) -> None:
    part = align_panel([_bars_of(panel, 0)]).window(panel.n_bars - YEAR - 1, panel.n_bars - 1)
    funding = funding_of_bars(part, rates)
    params = params_for(HOUR, 24, market=Market.PERP, position_volatility_frac=None, max_single_weight=1.0,
                        max_turnover=9.0, rebalance_band_frac=0.99, taper_start_frac=0.98,
                        taper_stop_frac=0.99)  # fmt: skip
    result = replay(np.full((YEAR, 1), 0.05), replace(part, funding=funding), params)
    held = np.cumsum(
        np.bincount(result.fills["bar"], result.fills["side"] * result.fills["qty"], minlength=YEAR)
    )
    series, paid = rates["BTCUSDT"], 0.0
    for at_ns, rate in zip(series.known_at_ns.tolist(), series.values.tolist(), strict=True):
        row = (at_ns - int(part.ts_ns[0])) // HOUR.ns - 1
        if 0 <= row < YEAR:
            paid += rate * held[row] * part.close[row, 0]
    assert result.funding_quote[0] == pytest.approx(paid, rel=1e-9)
    assert 0.02 < paid / params.capital_quote < 0.3, "longs paid some 10 % in that year"


def test_momentum_on_leverage_adds_up_and_agrees_with_the_plain_rules(
    panel: BarPanel, rates: dict[str, KnownSeries]
) -> None:
    params = params_for(HOUR, 24, market=Market.PERP, max_leverage=10.0, risk_budget=10.0, max_gross_exposure=10.0,
                        max_single_weight=5.0, max_turnover=9.0, position_volatility_frac=3.0)  # fmt: skip
    predictions, funding = _momentum(panel), funding_of_bars(panel, rates)
    result = replay(predictions, replace(panel, funding=funding), params)
    assert result.n_liquidations >= 1
    assert result.fills["is_liquidation"].sum() >= result.n_liquidations
    assert result.equity[-1] == pytest.approx(100_000 + result.pnl_quote.sum(), abs=1e-4)
    assert summarise(result, predictions, panel)["cost_breakdown"]["funding"] != 0.0

    rows = slice(panel.n_bars - 1_500, panel.n_bars)
    part, seen = panel.window(rows.start, rows.stop), np.ascontiguousarray(predictions[rows])
    result = replay(seen, replace(part, funding=funding[rows]), params)
    equity, _, fills, _ = naive_replay(seen, part.values, params, funding=funding[rows])
    assert len(fills) == len(result.fills) > 50
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9)


def test_a_candidate_of_recorded_perpetuals_pays_what_it_was_charged(
    panel: BarPanel, rates: dict[str, KnownSeries]
) -> None:
    names = tuple(f"{symbol.removesuffix('USDT')}-PERP" for symbol in SYMBOLS[:2])
    part = panel.window(panel.n_bars - 4_000, panel.n_bars - 1)
    two = BarPanel(names, HOUR, part.sources[:2], part.ts_ns, part.values[:, :2], part.state[:, :2])
    renamed = {name: rates[symbol] for name, symbol in zip(names, SYMBOLS, strict=False)}
    held = panel_on_its_market(two, renamed)
    plan = walk_forward(two.n_bars, n_folds=3, horizon_bars=24, embargo_bars=0, final_bars=600)
    found = evaluate(plan, _momentum(two), held, params_for(HOUR, 24, market=Market.PERP))
    account = found.account
    charged = holding_cost(account.equity, account.weights, account.params, account.funding)
    assert account.funding_quote.tolist() == pytest.approx(charged.sum(axis=0).tolist(), rel=1e-9)
    assert (account.funding_quote != 0.0).all()
    with pytest.raises(DataQualityError, match="funding of ETH-PERP is unknown on"):
        panel_on_its_market(two, {"BTC-PERP": renamed["BTC-PERP"]})


def _bars_of(panel: BarPanel, n: int) -> BarSeries:
    known = np.isfinite(panel.close[:, n])
    return BarSeries(
        panel.symbols[n], panel.interval, panel.sources[n], panel.ts_ns[known], panel.values[known, n]
    )
