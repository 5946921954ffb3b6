"""The fast score: odd, bounded, of zero mean, blind to the level of price and volume (K-63)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.portfolio.fast_score import LiveFeatures, fast_score, read_live

pushes, flows, deviations = st.floats(-0.5, 0.5), st.floats(-1, 1), st.floats(1e-6, 0.2)


@given(pushes, flows, deviations)
def test_it_is_odd_and_within_one_deviation(push, flow, deviation):
    score = fast_score(LiveFeatures(push, flow, deviation))
    assert abs(score) <= deviation
    mirrored = fast_score(LiveFeatures(1.0 / (1.0 + push) - 1.0, -flow, deviation))
    assert mirrored == pytest.approx(-score, abs=1e-12)


@given(pushes, flows, deviations, st.floats(0, 0.1), st.floats(0, 0.5))
def test_more_push_and_more_flow_never_lower_it(push, flow, deviation, more_push, more_flow):
    base = fast_score(LiveFeatures(push, flow, deviation))
    assert fast_score(LiveFeatures(push + more_push, min(1.0, flow + more_flow), deviation)) >= base


@pytest.mark.parametrize("gone", ["push", "flow", "deviation"])
def test_a_missing_input_gives_no_score(gone):
    """K-64."""
    whole = {"push": 0.01, "flow": 0.2, "deviation": 0.01}
    assert fast_score(LiveFeatures(**whole)) is not None
    assert fast_score(LiveFeatures(**{**whole, gone: None})) is None


def test_a_price_that_does_not_move_gives_no_score():
    assert fast_score(LiveFeatures(0.0, 0.0, 0.0)) is None


def test_a_row_is_read_by_name_and_what_is_no_number_is_missing():
    row = {"ret_3": 0.01, "signed_volume_24": math.nan, "vol_24": None, "other": 5.0}
    assert read_live(row) == LiveFeatures(push=0.01)
    assert read_live({}) == LiveFeatures()


def scores_of(bars):
    """Fast scores (T, N) of a market, by the features that serve; NaN where there is none."""
    made = compute_features(BUILTIN, panel_of(bars), ContextInputs())
    rows = made.values.reshape(-1, made.values.shape[2])
    told = [fast_score(read_live(dict(zip(made.names, row.tolist(), strict=True)))) for row in rows]
    return np.array([math.nan if one is None else one for one in told]).reshape(made.values.shape[:2])


@pytest.fixture(scope="module")
def market():
    bars = random_bars(np.random.default_rng(11), 1_500, 4)
    bars[:, :, 4] = np.maximum(bars[:, :, 4], 1.0)
    drift = np.log(bars[-1, :, 3] / bars[0, :, 0]) / bars.shape[0]  # of this draw; a fair market has none
    bars[:, :, :4] *= np.exp(-drift * np.arange(bars.shape[0])[:, None])[:, :, None]
    return bars


@pytest.fixture(scope="module")
def scores(market):
    return scores_of(market)


def test_it_does_not_know_the_level_of_price_or_volume(market, scores):
    """K-63: a coin of 0.00001 and one of 100 000 score alike."""
    for price, volume in ((1e-7, 1.0), (1e3, 1e-3), (1.0, 1e6)):
        scaled = market.copy()
        scaled[:, :, :4] *= price
        scaled[:, :, 4] *= volume
        np.testing.assert_allclose(scores_of(scaled), scores, rtol=1e-6, atol=1e-9)


def test_its_mean_is_zero_where_rises_and_falls_are_alike(scores):
    """K-63. Blocks of 48 bars, for neighbouring scores share their bars."""
    known = scores[~np.isnan(scores).any(axis=1)]
    blocks = np.array([part.mean() for part in np.array_split(known, known.shape[0] // 48)])
    error = blocks.std(ddof=1) / math.sqrt(blocks.size)
    assert abs(blocks.mean()) < 3.0 * error
    share_up = float((known > 0.0).mean())
    assert 0.4 < share_up < 0.6


def test_a_market_upside_down_scores_the_negative(market, scores):
    flipped = market.copy()
    flipped[:, :, 0] = 1e4 / market[:, :, 0]
    flipped[:, :, 1] = 1e4 / market[:, :, 2]
    flipped[:, :, 2] = 1e4 / market[:, :, 1]
    flipped[:, :, 3] = 1e4 / market[:, :, 3]
    np.testing.assert_allclose(scores_of(flipped), -scores, rtol=1e-6, atol=1e-9)
