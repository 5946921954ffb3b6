import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import ReplayParams, params_for, params_from
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.backtest.sweep import METRICS, metrics_document, sweep
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.core.risk.liquidation import liquidation_price
from marketsentry.exceptions import InputError
from naive_replay import naive_replay

HOUR = parse_interval("1h")
perpetuals_any = st.builds(
    ReplayParams,
    periods_per_year=st.just(HOUR.periods_per_year),
    horizon_bars=st.integers(1, 30),
    impact_coefficient=st.sampled_from([0.0, 1.0]),
    participation_frac=st.sampled_from([0.05, math.inf]),
    latency_bars=st.integers(1, 3),
    cost_multiple=st.sampled_from([0.0, 1.0]),
    allow_short=st.booleans(),
    position_volatility_frac=st.sampled_from([None, 0.8]),
    volatility_warmup_bars=st.integers(1, 3),
    taper_start_frac=st.sampled_from([0.01, 0.9]),
    taper_stop_frac=st.just(0.95),
    risk_budget=st.sampled_from([1.0, 9.0]),
    max_single_weight=st.sampled_from([0.2, 5.0]),
    max_gross_exposure=st.sampled_from([1.0, 9.0]),
    max_turnover=st.sampled_from([0.35, 9.0]),
    rebalance_band_frac=st.sampled_from([0.0, 0.2]),
    market=st.just(Market.PERP),
    max_leverage=st.sampled_from([1.0, 3.0, 9.0]),
    maintenance_margin_frac=st.sampled_from([0.004, 0.05]),
    liquidation_fee_bps=st.sampled_from([0.0, 100.0]),
    missing_funding_bps=st.sampled_from([0.0, 75.0]),
)
seeds = st.integers(0, 2**32 - 1)


def random_funding(seed, shape, *, deviation=1e-3, missing=0.05):
    """Rates at every eighth bar; some are missing, and unknown until the next."""
    rng = np.random.default_rng(seed)
    rates = np.zeros(shape)
    rates[7::8] = rng.normal(0.0, deviation, rates[7::8].shape)
    gone = rng.random(shape) < missing
    rates[gone] = np.where(rates[gone] == 0.0, np.nan, np.inf)
    return rates


def wild_panel(seed, n_bars, n_targets, *, deviation=0.03, holes=0.05):
    """Bars whose extremes reach beyond open and close."""
    panel = random_panel(seed, n_bars, n_targets, deviation=deviation, holes=holes)
    reach = np.exp(np.abs(np.random.default_rng(seed + 1).normal(0.0, deviation, (2, n_bars, n_targets))))
    panel.values[:, :, 1] *= reach[0]
    panel.values[:, :, 2] /= reach[1]
    return panel


@settings(deadline=None, max_examples=120)
@given(seed=seeds, n_bars=st.integers(1, 60), n_targets=st.integers(1, 3), params=perpetuals_any,
       deviation=st.sampled_from([0.01, 0.05, 0.2]))  # fmt: skip
def test_perpetuals_agree_with_the_plain_statement_of_the_rules(seed, n_bars, n_targets, params, deviation):
    panel = wild_panel(seed, n_bars, n_targets, deviation=deviation)
    predictions = random_predictions(seed, (n_bars, n_targets))
    funding = random_funding(seed, predictions.shape)

    result = replay(predictions, dataclasses.replace(panel, funding=funding), params)
    equity, weights, fills, positions = naive_replay(predictions, panel.values, params, funding=funding)

    scale = 1e-9 * params.capital_quote
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(result.weights, weights, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(result.funding_quote, [p.funding for p in positions], rtol=1e-9, atol=scale)
    assert result.funding_gaps == sum(p.gaps for p in positions)
    assert result.n_liquidations == positions[0].liquidations
    assert len(result.fills) == len(fills)


@settings(deadline=None, max_examples=80)
@given(seed=seeds, params=perpetuals_any)
def test_money_is_neither_made_nor_lost(seed, params):
    panel, predictions = wild_panel(seed, 80, 3, deviation=0.05), random_predictions(seed, (80, 3))
    result = replay(predictions, dataclasses.replace(panel, funding=random_funding(seed, (80, 3))), params)

    scale = 1e-9 * params.capital_quote
    assert result.equity[-1] == pytest.approx(params.capital_quote + result.pnl_quote.sum(), abs=scale)
    for name in ("pnl_quote", "fee_quote", "funding_quote"):
        assert result.trades[name].sum() == pytest.approx(getattr(result, name).sum(), abs=scale)
    fills = result.fills
    held, spent = np.zeros(3), fills["side"] * fills["qty"] * fills["reference_price"]
    np.add.at(held, fills["symbol"], fills["side"] * fills["qty"])
    marks = np.array([c[np.isfinite(c)][-1] if np.isfinite(c).any() else 0.0 for c in panel.close.T])
    costs = result.fee_quote.sum() + result.slippage_quote.sum() + result.impact_quote.sum()
    moved = held @ marks - spent.sum()
    assert params.capital_quote + moved - costs - result.funding_quote.sum() == pytest.approx(
        result.equity[-1], abs=scale
    )


@settings(deadline=None, max_examples=60)
@given(seed=seeds, params=perpetuals_any)
def test_without_funding_and_leverage_a_perpetual_is_spot_to_the_bit(seed, params):
    panel, predictions = wild_panel(seed, 60, 2), random_predictions(seed, (60, 2))
    spot = dataclasses.replace(params, market=Market.SPOT, max_leverage=1.0, allow_short=False)
    perpetual = dataclasses.replace(spot, market=Market.PERP, maintenance_margin_frac=1e-9)

    one = replay(predictions, panel, spot)
    other = replay(predictions, dataclasses.replace(panel, funding=np.zeros((60, 2))), perpetual)

    assert other.n_liquidations == 0
    for name in ("equity", "weights", "fills", "trades", "pnl_quote", "funding_quote"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


ALL_IN = {
    "position_volatility_frac": 1e4,
    "volatility_warmup_bars": 1,
}  # sized beyond what the leverage allows


def _buy_and_hold(**changes):
    free = {"position_volatility_frac": None, "max_turnover": 99.0, "rebalance_band_frac": 0.99,
            "impact_coefficient": 0.0, "participation_frac": math.inf, "taper_start_frac": 0.99,
            "taper_stop_frac": 1.0, "market": Market.PERP, "max_single_weight": 99.0,
            "max_gross_exposure": 99.0}  # fmt: skip
    leverage = changes.get("max_leverage", 1.0)
    return params_for(HOUR, 1, **{**free, "risk_budget": leverage, **changes})


@settings(deadline=None, max_examples=40)
@given(seed=seeds, more=st.floats(0.0, 1e-3), side=st.sampled_from([-1.0, 1.0]))
def test_higher_funding_never_helps_a_long_nor_hurts_a_short(seed, more, side):
    panel, predictions = random_panel(seed, 60, 1, deviation=0.003, holes=0.0), np.full((60, 1), 0.05 * side)
    params = _buy_and_hold(risk_budget=0.5)
    rates = random_funding(seed, (60, 1), missing=0.0)
    low, high = (
        replay(predictions, dataclasses.replace(panel, funding=one), params)
        for one in (rates, rates + more * (rates != 0))
    )
    assert (side * (low.equity - high.equity) >= -1e-7).all()
    assert side * (high.funding_quote[0] - low.funding_quote[0]) >= -1e-9


def test_a_long_pays_rate_times_notional_at_the_close_for_what_it_holds_there():
    panel, rates = random_panel(3, 20, 1, holes=0.0, deviation=0.002), np.zeros((20, 1))
    rates[[0, 9], 0] = 0.001  # at row 0 nothing is held yet
    result = replay(np.full((20, 1), 0.05), dataclasses.replace(panel, funding=rates), _buy_and_hold())
    assert result.funding_quote[0] == pytest.approx(0.001 * result.fills["qty"][0] * panel.close[9, 0])
    assert result.trades["funding_quote"][0] == result.funding_quote[0]


@settings(deadline=None, max_examples=60)
@given(seed=seeds, leverage=st.sampled_from([3.0, 9.0]), band=st.sampled_from([0.02, 0.99]))
def test_a_position_is_liquidated_at_its_price_and_not_before(seed, leverage, band):
    panel = wild_panel(seed, 80, 1, deviation=0.03, holes=0.0)
    predictions = random_predictions(seed, (80, 1), missing=0.0, repeat=0.9)
    params = _buy_and_hold(max_leverage=leverage, rebalance_band_frac=band, **ALL_IN)
    result = replay(predictions, dataclasses.replace(panel, funding=np.zeros((80, 1))), params)

    held, before, equity = 0.0, 0.0, params.capital_quote
    for t, (open_, high, low, close, _) in enumerate(panel.values[:, 0]):
        fills = result.fills[result.fills["bar"] == t]
        ordered, taken = fills[~fills["is_liquidation"]], fills[fills["is_liquidation"]]
        margin = (
            equity + held * (open_ - before) - ordered["fee_quote"].sum() - ordered["slippage_quote"].sum()
        )
        held += (ordered["side"] * ordered["qty"]).sum()
        price = None
        if abs(held) > 1e-9:
            price = liquidation_price(held, open_, margin_quote=margin, maintenance_frac=0.01)
        if price is None or not (low < price if held > 0 else high > price):
            assert len(taken) == 0
        else:
            assert taken["price"].tolist() == pytest.approx([(min if held > 0 else max)(open_, price)])
            assert (taken["side"] * taken["qty"]).sum() == pytest.approx(-held)
            assert result.weights[t, 0] == 0.0
            held = 0.0
        before, equity = close, result.equity[t]
        if not equity > 0:
            break


def test_a_gap_beyond_the_equity_is_shown_as_a_shortfall():
    panel = random_panel(3, 20, 1, holes=0.0, deviation=0.001)
    panel.values[10:, :, :4] *= 0.6
    panel = dataclasses.replace(panel, funding=np.zeros((20, 1)))
    result = replay(np.full((20, 1), 0.05), panel, _buy_and_hold(max_leverage=5.0, **ALL_IN))
    metrics = summarise(result, np.full((20, 1), 0.05), panel)
    assert result.n_liquidations == 1
    assert result.fills[-1]["reference_price"] == panel.values[10, 0, 0]
    assert result.fills[-1]["fee_quote"] == 0.0
    assert metrics["shortfall"] == pytest.approx(-result.equity[-1] / 100_000.0)
    assert metrics["shortfall"] > 0.5
    assert metrics["liquidations"] == 1
    assert (result.equity[10:] == result.equity[10]).all(), "without equity nothing trades"


def test_nothing_opens_while_the_rate_is_unknown_and_a_charge_goes_against_us():
    panel, predictions = random_panel(3, 40, 1, holes=0.0, deviation=0.001), np.full((40, 1), 0.05)
    unknown = np.zeros((40, 1))
    unknown[:20] = np.nan
    late = replay(predictions, dataclasses.replace(panel, funding=unknown), _buy_and_hold())
    assert late.fills["bar"].tolist() == [21]

    for side in (1, -1):
        rates = np.zeros((40, 1))
        rates[20:], rates[25] = np.nan, np.inf
        held = replay(
            side * predictions,
            dataclasses.replace(panel, funding=rates),
            _buy_and_hold(missing_funding_bps=50.0),
        )
        assert held.funding_gaps == 1
        assert held.funding_quote[0] == pytest.approx(0.005 * held.fills["qty"][0] * panel.close[25, 0])
        assert summarise(held, side * predictions, panel)["funding_gaps"] == 1


def test_short_spot_positions_pay_for_what_they_borrow():
    panel, predictions = random_panel(3, 49, 1, holes=0.0, deviation=1e-9), np.full((49, 1), -0.05)
    params = dataclasses.replace(_buy_and_hold(), market=Market.SPOT, borrow_bps_per_day=24.0)
    result = replay(predictions, panel, params)
    assert result.funding_quote[0] == pytest.approx(48 * 1e-4 * params.capital_quote, rel=1e-4)
    assert replay(-predictions, panel, params).funding_quote[0] == 0.0


@settings(deadline=None, max_examples=30)
@given(seed=seeds, sets=st.lists(perpetuals_any, min_size=1, max_size=3))
def test_a_sweep_of_perpetuals_is_its_replays(seed, sets):
    panel, predictions = wild_panel(seed, 600, 2, deviation=0.05), random_predictions(seed, (600, 2))
    panel = dataclasses.replace(panel, funding=random_funding(seed, (600, 2)))
    rows = sweep(predictions, panel, sets, n_threads=1)
    for row, params in zip(rows, sets, strict=True):
        whole = summarise(replay(predictions, panel, params), predictions, panel)
        expected, found = {**whole, **whole["cost_breakdown"]}, metrics_document(row)
        for name in METRICS:
            if expected[name] is None or found[name] is None:
                assert found[name] is expected[name], name
            else:
                assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name


def test_parameters_come_back_from_their_document():
    params = _buy_and_hold(max_leverage=3.0)
    assert params_from(params.document()) == params
    assert params.document()["market"] == "perp"
    before = {k: v for k, v in params_for(HOUR, 1).document().items() if k not in ("market", "max_leverage")}
    assert params_from(before).market is Market.SPOT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_leverage": 2.0}, "max_leverage must be 1 on spot, was 2"),
        ({"market": Market.PERP, "max_leverage": 0.5}, "max_leverage must be >= 1 and finite, was 0.5"),
        ({"market": Market.PERP, "max_leverage": 200.0}, "below the initial margin 0.005, was 0.01"),
        ({"maintenance_margin_frac": math.nan}, "maintenance_margin_frac must be > 0"),
        ({"market": "future"}, "market must be one of spot, perp, was future"),
        ({"borrow_bps_per_day": -1.0}, "borrow_bps_per_day must be >= 0 and finite, was -1"),
    ],
)
def test_parameters_that_make_no_account_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        params_for(HOUR, 1, **changes)


def test_funding_belongs_to_perpetuals():
    panel, predictions = random_panel(3, 9, 1), np.zeros((9, 1))
    with pytest.raises(InputError, match="market perp must get funding"):
        replay(predictions, panel, _buy_and_hold())
    with pytest.raises(InputError, match="market spot"):
        replay(predictions, dataclasses.replace(panel, funding=predictions), params_for(HOUR, 1))
    with pytest.raises(InputError, match="funding must have the shape"):
        replay(predictions, dataclasses.replace(panel, funding=np.zeros((8, 1))), _buy_and_hold())
    sets, rated = [_buy_and_hold(), params_for(HOUR, 1)], dataclasses.replace(panel, funding=predictions)
    with pytest.raises(InputError, match="one market"):
        sweep(predictions, rated, sets, n_threads=1)


def test_a_window_cuts_the_rates_with_the_bars():
    panel = dataclasses.replace(random_panel(3, 30, 2), funding=random_funding(3, (30, 2)))
    np.testing.assert_array_equal(panel.window(7, 20).funding, panel.funding[7:20])
    assert random_panel(3, 30, 2).window(7, 20).funding is None
