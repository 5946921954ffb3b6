"""The neighbourhood of the assumed replay parameters, and the paths of a combinatorial cross-validation."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.evidence.overfitting import (
    N_NEIGHBOURS,
    Overfitting,
    measure_overfitting,
    overfitting_from,
)
from marketsentry.core.evidence.paths import CrossValidation, measure_paths, paths_from, stitch_paths
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.skill import measure_kfold
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.splits.combinatorial import combinatorial_purged
from marketsentry.core.splits.purged_kfold import purged_kfold
from marketsentry.core.stats.ic import ic
from marketsentry.core.stats.sharpe import sharpe

HOUR = parse_interval("1h")
PARAMS = params_for(HOUR, 4, fee_bps=2.0, half_spread_bps=1.0)


def neighbourhood(strength: float, seed: int = 1) -> Overfitting:
    """Predictions that know a share of the coming return, among noise."""
    panel = random_panel(3, 1_200, 2, deviation=0.01, holes=0.0)
    known = np.nan_to_num(forward_return(panel.close, 4))
    noise = np.random.default_rng(seed).normal(0.0, 0.01, known.shape)
    return measure_overfitting(strength * known + noise, panel, PARAMS, seed=seed)


def test_what_is_truly_foreseen_earns_with_all_settings_around() -> None:
    found = neighbourhood(0.5)
    assert found.n_settings == N_NEIGHBOURS + 1
    assert found.all_above_zero_frac == 1.0
    assert found.shape == "plateau"
    assert found.rank is not None
    assert 1 <= found.rank <= found.n_settings
    assert found.choice is not None
    assert found.choice.probability_of_loss < 0.05
    assert "position_volatility_frac" in found.parameters


def test_noise_earns_with_few_settings_and_the_best_of_them_loses_elsewhere() -> None:
    found = neighbourhood(0.0)
    assert found.all_above_zero_frac < 0.5
    assert found.choice is not None
    assert found.choice.probability_of_loss > 0.5


def test_it_follows_from_the_seed_and_not_from_the_threads() -> None:
    panel, predictions = random_panel(5, 400, 2), random_predictions(6, (400, 2), repeat=0.5)
    one = measure_overfitting(predictions, panel, PARAMS, seed=1)
    assert measure_overfitting(predictions, panel, PARAMS, seed=1, n_threads=3) == one
    assert measure_overfitting(predictions, panel, PARAMS, seed=2) != one
    assert overfitting_from(json.loads(json.dumps(asdict(one)))) == one


@pytest.mark.parametrize(
    "params",
    [
        replace(PARAMS, position_volatility_frac=None),
        replace(PARAMS, cost_multiple=0.0, rebalance_band_frac=0.0, fee_bps=0.0, half_spread_bps=0.0),
        replace(PARAMS, exit_edge_bps=PARAMS.entry_threshold_bps),
    ],
)
def test_every_kind_of_assumption_has_neighbours(params) -> None:
    panel, predictions = random_panel(5, 300, 1), random_predictions(6, (300, 1), repeat=0.5)
    found = measure_overfitting(predictions, panel, params, seed=1)
    assert 20 <= found.n_settings <= N_NEIGHBOURS + 1
    assert ("position_volatility_frac" in found.parameters) is (params.position_volatility_frac is not None)


def test_predictions_that_open_nothing_have_no_rank_and_nothing_above_zero() -> None:
    found = measure_overfitting(np.zeros((200, 1)), random_panel(1, 200, 1), PARAMS, seed=1)
    assert (found.rank, found.choice, found.all_above_zero_frac) == (None, None, 0.0)
    assert found.shape == "none"


@settings(max_examples=40)
@given(n_bars=st.integers(60, 120), n_groups=st.integers(2, 6), data=st.data())
def test_each_path_takes_each_bar_from_a_model_that_was_tested_there(n_bars, n_groups, data) -> None:
    k = data.draw(st.integers(1, n_groups - 1))
    plan = combinatorial_purged(n_bars, n_groups=n_groups, n_test_groups=k, horizon_bars=1)
    rows = np.arange(n_bars)
    # every combination predicts 1000 times its number plus the row
    predictions = [np.stack([1_000.0 * one.index + rows[one.hull]], axis=1) for one in plan.combinations]
    seen = set()
    for path in stitch_paths(plan, predictions):
        assert not np.isnan(path).any()
        for t in rows:
            index, row = divmod(int(path[t, 0]), 1_000)
            assert row == t
            assert any(span.start <= t < span.stop for span in plan.combinations[index].test)
            assert (index, t) not in seen, "no prediction is used twice"
            seen.add((index, t))


def test_a_path_is_replayed_like_anything_else() -> None:
    panel = random_panel(2, 420, 2, deviation=0.01)
    plan = combinatorial_purged(400, n_groups=4, n_test_groups=2, horizon_bars=4)
    predictions = [random_predictions(k, (400, 2))[one.hull] for k, one in enumerate(plan.combinations)]
    cross = CrossValidation(combinations=plan, combination_predictions=predictions)

    found = measure_paths(cross, panel, PARAMS)

    assert found is not None
    assert (found.n_groups, found.n_test_groups, found.n_combinations, len(found.rows)) == (4, 2, 6, 3)
    part = panel.window(0, 400)
    accounts = [replay(path, part, PARAMS) for path in stitch_paths(plan, predictions)]
    for row, curve, account, path in zip(
        found.rows, found.curves, accounts, stitch_paths(plan, predictions), strict=True
    ):
        expected = sharpe(account.returns, periods_per_year=PARAMS.periods_per_year)
        assert expected is not None
        assert row.sharpe == expected.value
        assert row.pnl_after_cost_frac == account.equity[-1] / PARAMS.capital_quote - 1.0
        assert row.ic == ic(path, forward_return(part.close, 4))
        assert curve[-1] == account.equity[-1] / PARAMS.capital_quote
    assert found.losing_frac == np.mean([one.equity[-1] <= PARAMS.capital_quote for one in accounts])
    assert found.sharpe_least <= found.sharpe_median <= found.sharpe_greatest
    assert found.curve_ts_ns[-1] == panel.ts_ns[399]
    assert paths_from(json.loads(json.dumps(asdict(found)))) == found
    assert measure_paths(CrossValidation(), panel, PARAMS) is None


def test_paths_that_never_trade_did_not_earn() -> None:
    plan = combinatorial_purged(90, n_groups=3, n_test_groups=1, horizon_bars=1)
    nothing = [np.full((30, 1), np.nan) for _ in plan.combinations]
    found = measure_paths(CrossValidation((), (), plan, nothing), random_panel(1, 100, 1), PARAMS)
    assert found is not None
    assert (found.losing_frac, found.sharpe_median, found.rows[0].ic) == (1.0, None, None)


def test_a_fold_of_the_k_fold_is_judged_on_its_own_block() -> None:
    panel = random_panel(2, 500, 2, deviation=0.01, holes=0.0)
    folds = purged_kfold(400, n_splits=4, horizon_bars=4)
    predictions = [random_predictions(k, (100, 2)) for k in range(4)]
    rows = measure_kfold(folds, predictions, panel.close, 4, Resampling(1, at_least_bars=4))
    inside = forward_return(panel.close[:400], 4)
    assert [row.name for row in rows] == ["0", "1", "2", "3"]
    for fold, predicted, row in zip(folds, predictions, rows, strict=True):
        assert row.ic == ic(predicted, inside[fold.test])
        assert row.ic_bounds is not None
    assert rows[3].n_samples == np.isfinite(predictions[3] + inside[300:]).sum(), (
        "no outcome is looked up behind the last block"
    )
    assert measure_kfold((), (), panel.close, 4, Resampling(1, at_least_bars=4)) == ()
