from dataclasses import replace

import numpy as np

from marketsentry.core.backtest.contributions import symbol_pnl_curves
from marketsentry.core.backtest.funding import holding_cost
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.market.bars import BarSeries, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market

HOUR = parse_interval("1h")


def make_series(symbol, rng, n_bars=600):
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    open_ = np.concatenate(([100.0], close[:-1]))
    values = np.stack(
        [open_, np.maximum(open_, close), np.minimum(open_, close), close, np.full(n_bars, 1e6)], axis=1
    )
    return BarSeries(symbol, HOUR, "synthetic", np.arange(n_bars, dtype=np.int64) * HOUR.ns, values)


def test_symbols_add_up_to_the_account():
    rng = np.random.default_rng(11)
    panel = align_panel([make_series(s, rng) for s in ("BTC", "ETH", "SOL")])
    predictions = rng.normal(0, 0.01, (panel.n_bars, 3))
    result = replay(predictions, panel, params_for(HOUR, 4))
    holding = holding_cost(result.equity, result.weights, result.params, None)
    curves = symbol_pnl_curves(result.equity, result.weights, result.fills, holding)
    assert result.fills.size > 100
    np.testing.assert_allclose(curves.sum(axis=1), result.equity - result.params.capital_quote, atol=1e-6)
    np.testing.assert_allclose(curves[-1], result.pnl_quote, atol=1e-6)
    np.testing.assert_allclose(holding.sum(axis=0), result.funding_quote, rtol=1e-9)
    assert (result.funding_quote > 0).all()


def test_symbols_of_a_perpetual_account_add_up_with_their_funding():
    rng = np.random.default_rng(12)
    panel = align_panel([make_series(s, rng) for s in ("BTC-PERP", "ETH-PERP")])
    funding = np.zeros((panel.n_bars, 2))
    funding[7::8] = rng.normal(1e-4, 1e-3, funding[7::8].shape)
    funding[15:20], funding[15] = np.nan, np.inf
    params = params_for(
        HOUR, 4, market=Market.PERP, max_leverage=3.0, risk_budget=3.0, max_gross_exposure=3.0
    )
    result = replay(rng.normal(0, 0.01, (panel.n_bars, 2)), replace(panel, funding=funding), params)
    holding = holding_cost(result.equity, result.weights, params, funding)
    curves = symbol_pnl_curves(result.equity, result.weights, result.fills, holding)
    np.testing.assert_allclose(curves[-1], result.pnl_quote, atol=1e-6)
    np.testing.assert_allclose(holding.sum(axis=0), result.funding_quote, atol=1e-6)


def test_without_fills_nothing_is_earned():
    panel = align_panel([make_series("BTC", np.random.default_rng(1))])
    result = replay(np.full((panel.n_bars, 1), np.nan), panel, params_for(HOUR, 4))
    assert not symbol_pnl_curves(result.equity, result.weights, result.fills).any()
