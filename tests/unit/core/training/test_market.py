"""A candidate of perpetuals is judged as one: every account of its evidence pays the funding that was charged."""

from dataclasses import replace

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.dataset import Dataset, make_labels
from marketsentry.core.evidence.baselines import hold_account, measure_baselines
from marketsentry.core.evidence.capacity import measure_capacity
from marketsentry.core.evidence.overfitting import measure_overfitting
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.sensitivity import measure_sensitivity
from marketsentry.core.features.context import ContextInputs, known_funding
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.market.bars import align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.splits.walk_forward import walk_forward
from marketsentry.core.training.evaluation import evaluate
from marketsentry.core.training.market import on_its_market, panel_on_its_market
from marketsentry.exceptions import DataQualityError, InputError
from naive_replay import naive_replay
from training_inputs import SOUND

HOUR = parse_interval("1h")
PERPS = ("BTC-PERP", "ETH-PERP")
PARAMS = params_for(HOUR, 4, market=Market.PERP)
N_BARS = 1_500


def make_series(symbols=PERPS, n_bars=N_BARS):
    return make_market(seed=8, symbols=symbols, interval=HOUR, n_bars=n_bars, signal_strength=3.0)


def make_perpetuals(symbols=PERPS, n_bars=N_BARS):
    market = make_series(symbols, n_bars)
    panel = align_panel(market.series)
    inputs = ContextInputs(funding={one.symbol: known_funding(one) for one in market.funding})
    features = compute_features(SOUND, panel, inputs)
    parts = {"code": "c0de", "bars": "b", "feature_schema": SOUND.schema.hash}
    return Dataset(panel, features, make_labels(panel), inputs, parts, "d" * 64, "v1")


@pytest.fixture(scope="module")
def panel():
    return on_its_market(make_perpetuals()).panel


@pytest.fixture(scope="module")
def plan():
    return walk_forward(N_BARS, n_folds=3, horizon_bars=4, embargo_bars=0, final_bars=200)


def _predictions(panel):
    return np.random.default_rng(3).normal(0.0, 0.01, panel.close.shape)


def test_the_account_of_the_folds_pays_as_the_plain_rules_say(panel, plan):
    values = _predictions(panel)
    found = evaluate(plan, values, panel, PARAMS)
    for account, rows in (
        (found.account, slice(plan.folds[0].test.start, plan.folds[-1].test.stop)),
        (found.final_account, plan.final.test),
    ):
        equity, _, _, positions = naive_replay(
            values[rows], panel.values[rows], PARAMS, funding=panel.funding[rows]
        )
        np.testing.assert_allclose(account.equity, equity, rtol=1e-9)
        np.testing.assert_allclose(account.funding_quote, [p.funding for p in positions], rtol=1e-9)
        assert (account.funding_quote != 0.0).all()
    assert found.walk_forward["cost_breakdown"]["funding"] != 0.0


def test_dearer_funding_moves_every_part_of_the_evidence(panel, plan):
    """A tenfold rate makes each account of the pack another one: none is replayed without funding."""
    dear = replace(panel, funding=10.0 * panel.funding)
    cheap, rich = (_measured(one, plan) for one in (panel, dear))
    assert {name for name in cheap if cheap[name] == rich[name]} == set()


def _measured(panel, plan):
    values, how = _predictions(panel), Resampling(1, at_least_bars=4, n_resamples=100, level=0.9)
    evaluation = evaluate(plan, values, panel, PARAMS)
    tested = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    rivals = measure_baselines(evaluation.account, values, panel, tested, how)
    return {
        "folds": evaluation.walk_forward["pnl_after_cost"],
        "last block": evaluation.final["pnl_after_cost"],
        "capacity": measure_capacity(values, panel, PARAMS, (1e4, 1e6)).points,
        "overfitting": measure_overfitting(values, panel, PARAMS, seed=1).choice,
        "held": float(hold_account(panel, PARAMS, first=0).equity[-1]),
        **{
            f"scenario {one.name}": one.pnl_after_cost_frac
            for one in measure_sensitivity(values, panel, PARAMS)
        },
        **{f"baseline {one.name}": one.pnl_after_cost_frac for one in rivals},
    }


def test_spot_stays_as_it_is():
    dataset = make_perpetuals(("BTC", "ETH"), 600)
    assert dataset.inputs.funding
    assert on_its_market(dataset).panel.funding is None


def test_spot_and_perpetuals_are_not_mixed():
    with pytest.raises(InputError, match="were spot ETH and perpetuals BTC-PERP"):
        on_its_market(make_perpetuals(("BTC-PERP", "ETH"), 600))


def _from(series, first_ns):
    later = series.known_at_ns >= first_ns
    return replace(series, known_at_ns=series.known_at_ns[later], values=series.values[later])


def test_unknown_rates_are_refused_by_name():
    dataset = make_perpetuals()
    panel, rates = dataset.panel, dataset.inputs.funding
    late = {**rates, "ETH-PERP": _from(rates["ETH-PERP"], panel.ts_ns[200])}
    with pytest.raises(
        DataQualityError, match=r"^the rate of funding of ETH-PERP is unknown on 13.* may be on 2%"
    ):
        panel_on_its_market(panel, late)
    with pytest.raises(
        DataQualityError, match=r"BTC-PERP is unknown on 100.0%.*ETH-PERP is unknown on 100.0%"
    ):
        panel_on_its_market(panel, {})


def test_bars_before_the_listing_need_no_rates():
    first, second = make_series().series
    listed = replace(second, ts_ns=second.ts_ns[800:], values=second.values[800:])
    rates = dict(make_perpetuals().inputs.funding)
    rates["ETH-PERP"] = _from(rates["ETH-PERP"], listed.ts_ns[0])
    held = panel_on_its_market(align_panel([first, listed]), rates)
    assert np.isfinite(held.funding[810:]).all()
    assert not np.isfinite(held.funding[:780, 1]).any()
