import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.backtest.sweep import METRICS, block_sums, metrics_document, sweep
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.exceptions import InputError
from marketsentry.kernels.sweep import BLOCK_BARS

HOUR = parse_interval("1h")
COSTS = ("fee", "slippage", "impact", "funding")

changes_any = st.fixed_dictionaries(
    {
        "fee_bps": st.sampled_from([0.0, 5.0, 40.0]),
        "impact_coefficient": st.sampled_from([0.0, 1.0]),
        "participation_frac": st.sampled_from([0.01, 0.5, math.inf]),
        "latency_bars": st.integers(1, 4),
        "entry_edge_bps": st.sampled_from([0.0, 20.0]),
        "exit_edge_bps": st.sampled_from([-30.0, 0.0]),
        "full_conviction_sigmas": st.sampled_from([0.0, 0.5]),
        "allow_short": st.booleans(),
        "position_volatility_frac": st.sampled_from([None, 0.15, 0.8]),
        "volatility_warmup_bars": st.integers(1, 5),
        "taper_start_frac": st.sampled_from([0.01, 0.1]),
        "max_single_weight": st.sampled_from([0.2, 1.0, 9.0]),
        "max_gross_exposure": st.sampled_from([0.4, 9.0]),
        "max_turnover": st.sampled_from([0.35, 30.0]),
        "risk_budget": st.sampled_from([1.0, 9.0]),
        "rebalance_band_frac": st.sampled_from([0.0, 0.2]),
    }
)


def replayed(predictions, panel, params, **options):
    """What `replay` and `summarise` say of one set, under the names of the sweep."""
    traded_from = options.pop("traded_from", 0)
    result = replay(predictions, panel, params, **options)
    whole = summarise(result, predictions, panel, traded_from=traded_from)
    return {**whole, **whole["cost_breakdown"]}


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(1, 60) | st.sampled_from([BLOCK_BARS, BLOCK_BARS + 1, 3 * BLOCK_BARS + 7]),
    n_targets=st.integers(1, 3),
    changes=st.lists(changes_any, min_size=1, max_size=4),
    data=st.data(),
)
def test_a_sweep_gives_each_set_the_metrics_of_its_own_replay(seed, n_bars, n_targets, changes, data):
    panel = random_panel(seed, n_bars, n_targets, deviation=data.draw(st.sampled_from([0.002, 0.02, 0.3])))
    predictions = random_predictions(seed + 1, (n_bars, n_targets), repeat=0.8)
    traded_from = data.draw(st.integers(0, n_bars - 1))
    if data.draw(st.booleans()):
        predictions[:traded_from] = np.nan
    confidence = None
    if data.draw(st.booleans()):
        confidence = np.random.default_rng(seed).choice([0.0, 0.4, 1.0], predictions.shape)
    profiles = data.draw(st.sampled_from([None, [Profile("crypto", "core", "trend")] * n_targets]))
    sets = [params_for(HOUR, 4, **one) for one in changes]
    options = {
        "traded_from": traded_from,
        "confidence": confidence,
        "profiles": profiles,
        "bucket_caps": BucketCaps(),
    }

    rows = sweep(predictions, panel, sets, n_threads=2, **options)

    for row, params in zip(rows, sets, strict=True):
        expected = replayed(predictions, panel, params, **options)
        found = metrics_document(row)
        for name in METRICS:
            if expected[name] is None or found[name] is None:
                assert found[name] is expected[name], name
            else:
                assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(1, 60) | st.sampled_from([16 * BLOCK_BARS + 5, 3 * BLOCK_BARS + 7]),
    latency=st.integers(1, 4),
    data=st.data(),
)
def test_blocks_hold_the_sums_of_the_returns_of_their_bars(seed, n_bars, latency, data):
    panel = random_panel(seed, n_bars, 2, deviation=0.02)
    predictions = random_predictions(seed + 1, (n_bars, 2), repeat=0.8)
    traded_from = data.draw(st.integers(0, n_bars - 1))
    sets = [params_for(HOUR, 4, latency_bars=latency, fee_bps=fee) for fee in (0.0, 5.0)]

    found = block_sums(
        sweep(predictions, panel, sets, n_threads=1, traded_from=traded_from), n_bars - traded_from
    )

    returns = np.stack([replay(predictions, panel, one).returns[traded_from:] for one in sets])
    edges = [(n_bars - traded_from) * i // 16 for i in range(17)]
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        assert found.n_returns[i] == b - a
        np.testing.assert_allclose(found.total[:, i], returns[:, a:b].sum(axis=1), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(
            found.squares[:, i], (returns[:, a:b] ** 2).sum(axis=1), rtol=1e-12, atol=1e-18
        )


def test_the_number_of_threads_and_the_company_change_no_bit():
    panel, predictions = random_panel(3, 1_500, 2), random_predictions(4, (1_500, 2))
    sets = [params_for(HOUR, 4, fee_bps=fee, latency_bars=lag) for fee in (0.0, 5.0, 9.0) for lag in (1, 3)]

    together = sweep(predictions, panel, sets, n_threads=3)
    alone = np.concatenate([sweep(predictions, panel, [one], n_threads=1) for one in sets])

    assert together.tobytes() == alone.tobytes()
    assert len(np.unique(together["pnl_after_cost"])) == len(sets)


def test_a_ruined_account_has_a_return_but_no_ratio():
    panel, predictions = random_panel(1, 200, 1, deviation=0.01, holes=0.0), np.full((200, 1), -0.5)
    panel.values[100:, :, :4] *= 3.0
    free = {"max_single_weight": 9.0, "max_gross_exposure": 9.0, "max_turnover": 99.0, "risk_budget": 9.0,
            "position_volatility_frac": None}  # fmt: skip
    params = params_for(HOUR, 1, **free, participation_frac=math.inf)

    found = metrics_document(sweep(predictions, panel, [params], n_threads=1)[0])

    assert replayed(predictions, panel, params)["sharpe"] is None
    assert found["sharpe"] is found["volatility"] is None
    assert found["pnl_after_cost"] < -1.0
    assert found["max_drawdown"] > 1.0
    assert np.isnan(block_sums(sweep(predictions, panel, [params], n_threads=1), 200).total).all()


def test_an_account_that_never_trades_has_no_ratio():
    panel = random_panel(1, 40, 1)
    found = metrics_document(sweep(np.full((40, 1), np.nan), panel, [params_for(HOUR, 1)], n_threads=1)[0])
    assert found["pnl_after_cost"] == found["trades"] == found["turnover"] == 0
    assert found["sharpe"] is found["sortino"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sets": []}, "at least one parameter set"),
        ({"n_threads": 0}, "n_threads must be >= 1, was 0"),
        ({"traded_from": 40}, "traded_from must lie in 0..39, was 40"),
        ({"predictions": np.zeros((39, 1))}, "shape of the panel"),
    ],
)
def test_what_cannot_be_swept_is_refused(change, words):
    usual = {"predictions": np.zeros((40, 1)), "sets": [params_for(HOUR, 1)], "n_threads": 1}
    asked = {**usual, **change}
    with pytest.raises(InputError, match=words):
        sweep(asked.pop("predictions"), random_panel(1, 40, 1), asked.pop("sets"), **asked)


def test_sets_for_bars_of_different_lengths_are_refused():
    one = params_for(HOUR, 1)
    other = dataclasses.replace(one, periods_per_year=2 * one.periods_per_year)
    with pytest.raises(InputError, match="one periods_per_year"):
        sweep(np.zeros((40, 1)), random_panel(1, 40, 1), [one, other], n_threads=1)
