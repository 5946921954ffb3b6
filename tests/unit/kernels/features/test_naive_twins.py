"""Every feature from bars agrees with its slow twin, wherever in the blocks of its windows the bar falls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN, SCHEMA
from marketsentry.core.features.check import bars_since_loss
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import FeatureMatrix, compute_features
from naive_features import TWINS, rank

OTHERS = {"hour_sin", "hour_cos", "weekday_sin", "weekday_cos"}
ACROSS = {f.name for f in SCHEMA.features if f.source == "bars of all symbols"}
CONTEXT = {f.name for f in SCHEMA.features if f.source not in ("bars", "clock", "bars of all symbols")}


def features_of(values: np.ndarray) -> FeatureMatrix:
    return compute_features(BUILTIN, panel_of(values), ContextInputs())


@pytest.fixture(scope="module")
def market() -> np.ndarray:
    """Two symbols; the first loses bars at 350 and 520, the second is listed late."""
    values = random_bars(np.random.default_rng(11), 900, 2)
    values[[350, 520], 0] = np.nan
    values[:77, 1] = np.nan
    return values


@pytest.fixture(scope="module")
def features(market: np.ndarray) -> FeatureMatrix:
    return features_of(market)


def test_every_feature_has_a_twin_or_a_test_of_its_own():
    assert set(TWINS) | OTHERS | ACROSS | CONTEXT == set(SCHEMA.names)


@pytest.mark.parametrize("name", sorted(TWINS))
def test_the_kernel_agrees_with_the_definition(name: str, market: np.ndarray, features: FeatureMatrix):
    since = bars_since_loss(market)
    lookback = next(f.lookback_bars for f in SCHEMA.features if f.name == name)
    column = features.column(name)
    n_compared = 0
    for t in (*range(0, 400, 7), *range(400, 900, 13), 349, 351, 519, 521, 899):
        for n in range(2):
            if since[t, n] < lookback:
                assert np.isnan(column[t, n]), (t, n)
                continue
            expected = TWINS[name](market[t - since[t, n] : t + 1, n])
            assert column[t, n] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), (t, n)
            n_compared += 1
    assert n_compared > 30


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(300, 420),
    lost=st.lists(st.integers(0, 299), max_size=3),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    volume_scale=st.sampled_from([1e-3, 1.0, 1e6]),
)
def test_any_market_agrees_with_the_definitions(seed, n_bars, lost, scale, volume_scale):
    values = random_bars(np.random.default_rng(seed), n_bars, 1)
    values[:, :, :4] *= scale
    values[:, :, 4] *= volume_scale
    values[lost, 0] = np.nan
    features = features_of(values)
    since = int(bars_since_loss(values)[-1, 0])
    for feature in SCHEMA.features:
        if feature.name in TWINS:
            value = features.column(feature.name)[-1, 0]
            if since < feature.lookback_bars:
                assert np.isnan(value), feature.name
            else:
                expected = TWINS[feature.name](values[n_bars - 1 - since :, 0])
                assert value == pytest.approx(expected, rel=1e-8, abs=1e-11, nan_ok=True), feature.name


def test_a_spike_that_left_the_window_leaves_nothing_behind():
    values = random_bars(np.random.default_rng(3), 1_000, 1)
    values[200, 0, 4] = 1e15
    values[200, 0, 1] *= 50.0
    features = features_of(values)
    bars = values[:, 0]
    for name in TWINS:
        expected = TWINS[name](bars)
        assert features.column(name)[-1, 0] == pytest.approx(expected, rel=1e-9, abs=1e-12), name


def test_nothing_drifts_over_a_million_bars():
    rng = np.random.default_rng(5)
    values = random_bars(rng, 1_000_000, 1)
    features = features_of(values)
    for t in (500_003, 999_999):
        bars = values[t - 2_000 : t + 1, 0]
        for name in TWINS:
            value = features.column(name)[t, 0]
            assert value == pytest.approx(TWINS[name](bars), rel=1e-9, abs=1e-12), (name, t)


def test_prices_that_do_not_move_give_exact_zeros_or_nothing():
    values = random_bars(np.random.default_rng(9), 700, 1)
    values[300:, 0, :4] = 123.456789
    values[300:, 0, 4] = 7.7
    last = features_of(values).values[-1, 0]
    zero = [f"ret_{k}" for k in (1, 3, 6, 12, 24, 48, 96, 288)]
    zero += [f"vol_{w}" for w in (3, 12, 24, 48, 96, 288)]
    zero += ["vol_z", "volume_impact", "parkinson_12", "garman_klass_48", "rogers_satchell_12"]
    zero += ["ma_dist_7", "ma_dist_30", "ma_dist_96", "bollinger_width_20", "drawdown_96", "drawdown_288"]
    zero += ["up_share_24", "up_share_96", "corwin_schultz_96", "roll_24", "roll_96", "signed_volume_24"]
    zero += ["volume_ratio_12_96"]
    none = [
        "efficiency_24",
        "trend_24",
        "trend_96",
        "vol_ratio_12_96",
        "downside_share_48",
        "jump_share_48",
        "close_in_range",
    ]
    none += ["bollinger_20", "donchian_24", "donchian_96", "skew_96", "kurt_96", "autocorr_24", "autocorr_96"]
    none += ["volume_z_48", "amihud_ratio_12_96", "amihud_ratio_48_288"]
    by_name = dict(zip(SCHEMA.names, last, strict=True))
    assert {name: by_name[name] for name in zero} == dict.fromkeys(zero, 0.0)
    assert [name for name in none if not np.isnan(by_name[name])] == []
    assert by_name["vwap_dist_24"] == pytest.approx(0.0, abs=1e-15)


def test_ranks_share_ties_and_skip_the_missing():
    values = random_bars(np.random.default_rng(21), 160, 4)
    values[:, 1] = values[:, 0]
    values[150:, 3] = np.nan
    features = features_of(values)
    for source, target in (("ret_1", "rank_ret_1"), ("ret_12", "rank_ret_12"), ("vol_48", "rank_vol_48")):
        for t in (0, 1, 12, 48, 149, 150, 159):
            row = features.column(source)[t]
            for n in range(4):
                expected = rank(row[n], row)
                assert features.column(target)[t, n] == pytest.approx(expected, nan_ok=True), (target, t, n)


def test_the_market_is_the_mean_of_the_symbols_present():
    values = random_bars(np.random.default_rng(22), 300, 3)
    values[100, 2] = np.nan
    values[200:, 1] = np.nan
    values[220:, 2] = np.nan
    features = features_of(values)
    returns = features.column("ret_1")
    for t in (1, 50, 101, 102, 199, 210):
        known = returns[t][~np.isnan(returns[t])]
        for n in np.flatnonzero(~np.isnan(returns[t])):
            assert features.column("market_ret_1")[t, n] == pytest.approx(known.mean(), rel=1e-12)
            assert features.column("dispersion_1")[t, n] == pytest.approx(known.std(), rel=1e-12)
    assert np.isnan(features.column("market_ret_1")[220:]).all()
    assert np.isnan(features.column("rank_ret_1")[220:]).all()


def test_beta_is_that_of_the_last_96_pairs():
    values = random_bars(np.random.default_rng(23), 420, 3)
    values[200, 0] = np.nan
    features = features_of(values)
    own, market = features.column("ret_1"), features.column("market_ret_1")
    assert np.isnan(features.column("beta_96")[:96]).all()
    assert not np.isnan(features.column("beta_96")[96]).any()
    assert np.isnan(features.column("beta_96")[200:297, 0]).all()
    for t in (96, 150, 199, 297, 419):
        for n in range(3):
            if t == 297 and n > 0:
                continue
            x, m = own[t - 95 : t + 1, n], market[t - 95 : t + 1, n]
            if np.isnan(x).any():
                continue
            beta = np.cov(x, m, bias=True)[0, 1] / m.var()
            assert features.column("beta_96")[t, n] == pytest.approx(beta, rel=1e-9)
            assert features.column("corr_96")[t, n] == pytest.approx(np.corrcoef(x, m)[0, 1], rel=1e-9)
            assert features.column("resid_ret_1")[t, n] == pytest.approx(x[-1] - beta * m[-1], rel=1e-8)


def test_a_symbol_alone_has_no_cross_section():
    features = features_of(random_bars(np.random.default_rng(24), 120, 1))
    for name in ACROSS:
        assert np.isnan(features.column(name)).all(), name
