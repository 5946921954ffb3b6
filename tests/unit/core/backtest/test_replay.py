import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.exceptions import InputError
from naive_replay import naive_replay

HOUR = parse_interval("1h")

params_any = st.builds(
    ReplayParams,
    periods_per_year=st.just(HOUR.periods_per_year),
    horizon_bars=st.integers(1, 30),
    capital_quote=st.sampled_from([1_000.0, 100_000.0, 5e6]),
    fee_bps=st.sampled_from([0.0, 5.0, 40.0]),
    half_spread_bps=st.sampled_from([0.0, 3.0]),
    impact_coefficient=st.sampled_from([0.0, 1.0, 3.0]),
    participation_frac=st.sampled_from([0.01, 0.1, 1.0, math.inf]),
    latency_bars=st.integers(1, 3),
    entry_edge_bps=st.sampled_from([0.0, 20.0]),
    exit_edge_bps=st.sampled_from([-30.0, 0.0]),
    cost_multiple=st.sampled_from([0.0, 1.0]),
    full_conviction_sigmas=st.sampled_from([0.0, 0.5]),
    min_confidence=st.sampled_from([0.0, 0.4]),
    prediction_ttl_bars=st.integers(0, 3),
    allow_short=st.booleans(),
    position_volatility_frac=st.sampled_from([None, 0.15, 0.8]),
    volatility_halflife_bars=st.sampled_from([2.0, 10.0]),
    volatility_warmup_bars=st.integers(1, 5),
    taper_start_frac=st.sampled_from([0.01, 0.1]),
    taper_stop_frac=st.sampled_from([0.15, 0.5]),
    taper_floor_frac=st.sampled_from([0.0, 0.25]),
    risk_budget=st.sampled_from([0.5, 1.0]),
    max_single_weight=st.sampled_from([0.2, 1.0, 3.0]),
    max_gross_exposure=st.sampled_from([0.4, 1.0, 4.0]),
    max_turnover=st.sampled_from([0.1, 0.35, 9.0]),
    max_sector_exposure=st.sampled_from([0.3, 1.0]),
    max_style_exposure=st.sampled_from([0.3, 1.0]),
    rebalance_band_frac=st.sampled_from([0.0, 0.02, 0.2]),
    min_notional_quote=st.sampled_from([0.0, 10.0, 500.0]),
    borrow_bps_per_day=st.sampled_from([0.0, 3.0, 200.0]),
)
seeds = st.integers(0, 2**32 - 1)
profiles_any = st.builds(
    Profile,
    st.sampled_from([None, "crypto", "Crypto", "equity"]),
    st.sampled_from([None, "core"]),
    st.sampled_from([None, "trend", "event"]),
)


@settings(deadline=None, max_examples=150)
@given(seed=seeds, n_bars=st.integers(1, 40), n_targets=st.integers(1, 4), params=params_any, data=st.data())
def test_replay_agrees_with_the_plain_statement_of_the_rules(seed, n_bars, n_targets, params, data):
    panel = random_panel(seed, n_bars, n_targets, deviation=data.draw(st.sampled_from([0.002, 0.02, 0.3])))
    predictions = random_predictions(seed + 1, (n_bars, n_targets))
    confidence = None
    if data.draw(st.booleans()):
        confidence = np.random.default_rng(seed).choice([np.nan, 0.05, 0.4, 1.0], predictions.shape)
    profiles = data.draw(st.none() | st.lists(profiles_any, min_size=n_targets, max_size=n_targets))
    caps = BucketCaps()

    result = replay(predictions, panel, params, confidence=confidence, profiles=profiles, bucket_caps=caps)
    equity, weights, fills, positions = naive_replay(
        predictions, panel.values, params, confidence=confidence, profiles=profiles, bucket_caps=caps
    )

    np.testing.assert_allclose(result.equity, equity, rtol=1e-12, atol=1e-12 * params.capital_quote)
    np.testing.assert_allclose(result.weights, weights, rtol=1e-9, atol=1e-9)
    for name, column in (("fee_quote", 3), ("slippage_quote", 4), ("impact_quote", 5)):
        spent = sum(fill[column] for fill in fills)
        assert getattr(result, name).sum() == pytest.approx(spent, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(
        result.funding_quote, [p.funding for p in positions], rtol=1e-9, atol=1e-12 * params.capital_quote
    )
    earned = [p.cash_flow + (p.qty * p.mark if p.qty else 0.0) for p in positions]
    np.testing.assert_allclose(result.pnl_quote, earned, rtol=1e-9, atol=1e-9 * params.capital_quote)


@settings(deadline=None, max_examples=60)
@given(seed=seeds, params=params_any)
def test_every_open_trade_is_a_position(seed, params):
    panel = random_panel(seed, 120, 3, deviation=0.02)
    result = replay(random_predictions(seed + 1, (120, 3), repeat=0.8), panel, params)
    still_open = np.sort(result.trades["symbol"][result.trades["exit_bar"] == -1])
    if np.isfinite(result.weights[-1]).all():
        np.testing.assert_array_equal(still_open, np.flatnonzero(result.weights[-1]))
    assert np.unique(still_open).size == still_open.size


@settings(deadline=None, max_examples=60)
@given(seed=seeds, params=params_any)
def test_money_is_neither_made_nor_lost(seed, params):
    panel = random_panel(seed, 60, 3)
    result = replay(random_predictions(seed, (60, 3)), panel, params)

    scale = 1e-9 * params.capital_quote
    assert result.equity[-1] == pytest.approx(params.capital_quote + result.pnl_quote.sum(), abs=scale)
    assert result.trades["pnl_quote"].sum() == pytest.approx(result.pnl_quote.sum(), abs=scale)
    for name in ("fee_quote", "slippage_quote", "impact_quote"):
        assert result.fills[name].sum() == pytest.approx(getattr(result, name).sum(), abs=scale)
        assert result.trades[name].sum() == pytest.approx(getattr(result, name).sum(), abs=scale)
    assert result.trades["funding_quote"].sum() == pytest.approx(result.funding_quote.sum(), abs=scale)
    traded = result.fills["side"] * result.fills["qty"] * result.fills["reference_price"]
    costs = sum(result.fills[name].sum() for name in ("fee_quote", "slippage_quote", "impact_quote"))
    costs += result.funding_quote.sum()
    held = np.zeros(3)
    np.add.at(held, result.fills["symbol"], result.fills["side"] * result.fills["qty"])
    marks = np.array([c[np.isfinite(c)][-1] if np.isfinite(c).any() else 0.0 for c in panel.close.T])
    cash = params.capital_quote - traded.sum() - costs
    assert cash + held @ marks == pytest.approx(result.equity[-1], abs=scale)


@settings(deadline=None, max_examples=60)
@given(seed=seeds, params=params_any, cut=st.integers(1, 39))
def test_changing_the_future_moves_nothing_before_it(seed, params, cut):
    panel, other = random_panel(seed, 40, 2), random_panel(seed + 1, 40, 2)
    predictions, others = random_predictions(seed, (40, 2)), random_predictions(seed + 9, (40, 2))
    mixed = panel.values.copy()
    mixed[cut:] = other.values[cut:] * 3.0
    changed = dataclasses.replace(panel, values=mixed)
    predicted = np.vstack((predictions[:cut], others[cut:]))

    before, after = replay(predictions, panel, params), replay(predicted, changed, params)

    np.testing.assert_array_equal(before.equity[:cut], after.equity[:cut])
    np.testing.assert_array_equal(before.weights[:cut], after.weights[:cut])


@settings(deadline=None, max_examples=40)
@given(seed=seeds, params=params_any)
def test_zero_or_missing_predictions_never_trade(seed, params):
    panel = random_panel(seed, 50, 2)
    for empty in (np.zeros((50, 2)), np.full((50, 2), np.nan)):
        result = replay(empty, panel, params)
        assert (result.equity == params.capital_quote).all()
        assert len(result.fills) == 0


@settings(deadline=None, max_examples=60)
@given(seed=seeds, params=params_any)
def test_nothing_opens_on_a_missing_prediction_or_bar(seed, params):
    panel = random_panel(seed, 60, 2, holes=0.2)
    predictions = random_predictions(seed, (60, 2), missing=0.4)
    params = dataclasses.replace(params, latency_bars=1, participation_frac=math.inf, min_notional_quote=10.0)
    result = replay(predictions, panel, params)
    held = np.zeros(2)
    for fill in result.fills:
        n, bar = int(fill["symbol"]), int(fill["bar"])
        after = held[n] + fill["side"] * fill["qty"]
        assert panel.values[bar, n, 4] > 0
        if abs(after) > abs(held[n]) * (1 + 1e-12) and not _order_is_older(panel, bar, n):
            assert np.isfinite(predictions[bar - 1, n])
            assert np.isfinite(panel.close[bar - 1, n])
        held[n] = after


def _order_is_older(panel, bar, n):
    """An order decided earlier waits while its bars trade nothing."""
    return bar < 2 or not panel.values[bar - 1, n, 4] > 0


def test_a_position_closes_at_the_next_bar_that_trades():
    panel = random_panel(5, 12, 1, holes=0.0)
    panel.values[6:8] = np.nan
    predictions = np.full((12, 1), 0.05)
    predictions[5:] = -0.0
    params = params_for(HOUR, 1, volatility_warmup_bars=1, position_volatility_frac=None,
                        participation_frac=math.inf)  # fmt: skip
    result = replay(predictions, panel, params)
    assert result.weights[5, 0] > 0
    assert result.weights[7, 0] > 0
    assert result.fills["bar"][-1] == 8
    assert result.weights[8, 0] == 0.0
    assert (np.diff(result.equity[5:8]) == 0).all()


def test_a_position_outlives_its_prediction_only_so_long():
    panel = random_panel(5, 20, 1, holes=0.0)
    predictions = np.full((20, 1), np.nan)
    predictions[:10] = 0.05
    params = params_for(HOUR, 1, volatility_warmup_bars=1, prediction_ttl_bars=3, participation_frac=math.inf)
    result = replay(predictions, panel, params)
    assert result.weights[13, 0] != 0
    assert result.weights[14, 0] == 0


def test_fills_are_next_open_with_each_cost_once():
    panel = random_panel(1, 6, 1, holes=0.0)
    params = params_for(HOUR, 1, impact_coefficient=0.0, position_volatility_frac=None, max_single_weight=0.1,
                        participation_frac=math.inf)  # fmt: skip
    result = replay(np.full((6, 1), 0.05), panel, params)
    fill = result.fills[0]
    notional = 0.1 * 100_000 / panel.close[0, 0] * panel.values[1, 0, 0]
    assert fill["bar"] == 1
    assert fill["reference_price"] == panel.values[1, 0, 0]
    assert fill["price"] == pytest.approx(panel.values[1, 0, 0] * 1.0003)
    assert fill["fee_quote"] == pytest.approx(notional * 5e-4)
    assert fill["slippage_quote"] == pytest.approx(notional * 3e-4)
    spent = fill["fee_quote"] + fill["slippage_quote"]
    moved = fill["qty"] * (panel.close[1, 0] - panel.values[1, 0, 0])
    assert result.equity[1] == pytest.approx(100_000 + moved - spent)


def test_a_large_order_is_filled_over_several_bars():
    panel = random_panel(1, 30, 1, holes=0.0, deviation=0.001, volume=100.0)
    params = params_for(HOUR, 1, position_volatility_frac=None, impact_coefficient=0.0, participation_frac=0.1,
                        max_single_weight=0.2, capital_quote=100_000.0)  # fmt: skip
    result = replay(np.full((30, 1), 0.05), panel, params)
    first = result.fills[0]
    assert first["qty"] == pytest.approx(0.1 * panel.values[1, 0, 4])
    assert (result.fills["qty"] <= 0.1 * panel.values[result.fills["bar"], 0, 4] * (1 + 1e-12)).all()
    assert result.weights[-1, 0] > 0.15


WORSE = {
    "fee_bps": (1.0, 30.0),
    "half_spread_bps": (1.0, 30.0),
    "impact_coefficient": (0.1, 5.0),
}


@pytest.mark.parametrize("name", sorted(WORSE))
def test_worse_costs_never_help_the_same_decisions(name):
    # Sized to the caps and entered once, so that the decisions do not depend on the costs.
    better, worse = WORSE[name]
    for seed in range(20):
        panel = random_panel(seed, 80, 3, holes=0.05)
        predictions = np.sign(random_predictions(seed, (80, 3), repeat=0.9, missing=0.0)) * 0.5
        fixed = {
            "position_volatility_frac": None,
            "rebalance_band_frac": 0.15,
            "max_single_weight": 0.2,
            "volatility_warmup_bars": 1,
            "max_turnover": 9.0,
            "taper_start_frac": 0.9,
            "taper_stop_frac": 1.0,
        }
        good = replay(predictions, panel, params_for(HOUR, 1, **fixed, **{name: better}))
        bad = replay(predictions, panel, params_for(HOUR, 1, **fixed, **{name: worse}))
        assert bad.equity[-1] < good.equity[-1]


@pytest.mark.parametrize(
    ("name", "better", "worse"), [("latency_bars", 1, 6), ("participation_frac", 1.0, 0.001)]
)
def test_slower_execution_of_true_forecasts_costs_money_on_average(name, better, worse):
    gains = []
    for seed in range(30):
        panel = random_panel(seed, 200, 2, holes=0.0, deviation=0.01, volume=200.0)
        close = panel.close
        known = np.zeros(close.shape)
        known[:-2] = np.sign(close[2:] / close[1:-1] - 1) * 0.05  # right about the bar after the fill
        fixed = {"position_volatility_frac": None, "impact_coefficient": 0.0, "max_turnover": 9.0}
        good = replay(known, panel, params_for(HOUR, 1, **fixed, **{name: better}))
        bad = replay(known, panel, params_for(HOUR, 1, **fixed, **{name: worse}))
        gains.append(good.equity[-1] - bad.equity[-1])
    assert np.mean(gains) > 0


def test_the_same_inputs_give_the_same_bits():
    panel, predictions = random_panel(3, 500, 4), random_predictions(3, (500, 4))
    first, second = (
        replay(predictions, panel, params_for(HOUR, 4, volatility_warmup_bars=3)) for _ in range(2)
    )
    for name in ("equity", "weights", "fills", "trades", "pnl_quote"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_a_ruined_account_closes_and_stays_closed():
    panel = random_panel(2, 30, 1, holes=0.0, deviation=0.001, volume=1e9)
    panel.values[10:, :, :4] *= 3.0
    params = params_for(HOUR, 1, position_volatility_frac=None, max_single_weight=1.0, max_turnover=9.0,
                        volatility_warmup_bars=1)  # fmt: skip
    result = replay(np.full((30, 1), -0.5), panel, params)
    ruined = int(np.argmax(result.equity <= 0))
    assert ruined == 10
    assert np.isnan(result.weights[ruined]).all()
    assert (result.weights[ruined + 1 :] == 0).all()
    assert (result.equity[ruined + 1 :] == result.equity[-1]).all()
    assert (result.fills["bar"] <= ruined + 1).all()


def test_bad_shapes_and_infinite_predictions_are_refused():
    panel = random_panel(1, 5, 2)
    params = params_for(HOUR, 1)
    with pytest.raises(InputError, match="shape of the panel"):
        replay(np.zeros((5, 1)), panel, params)
    with pytest.raises(InputError, match="finite or NaN"):
        replay(np.full((5, 2), np.inf), panel, params)
    with pytest.raises(InputError, match="periods_per_year"):
        replay(np.zeros((5, 2)), panel, dataclasses.replace(params, periods_per_year=252.0))
    with pytest.raises(InputError, match="bucket"):
        replay(np.zeros((5, 2)), panel, params, profiles=[Profile(None, None, "carry")] * 2)
