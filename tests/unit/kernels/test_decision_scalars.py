"""Signal, sizing, cost and fill: one target, one bar."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.kernels.cost import impact_bps, quote
from marketsentry.kernels.fill import match
from marketsentry.kernels.signal import conviction, is_usable, score_to_side, score_to_weight
from marketsentry.kernels.sizing import drawdown_taper, next_variance, volatility_of, volatility_weight

scores = st.floats(-0.05, 0.05, allow_subnormal=False)


def test_a_missing_prediction_or_confidence_is_not_usable():
    assert is_usable(0.01, 1.0, 0.4)
    assert not is_usable(math.nan, 1.0, 0.4)
    assert not is_usable(0.01, 0.39, 0.4)
    assert not is_usable(0.01, math.nan, 0.0)


@settings(deadline=None)
@given(scores, st.sampled_from([-1.0, 0.0, 1.0]))
def test_signals_are_symmetric_and_idempotent(score, side):
    wanted = score_to_side(score, side, 0.002, 0.0005, True)
    assert score_to_side(-score, -side, 0.002, 0.0005, True) == -wanted
    assert score_to_side(score, wanted, 0.002, 0.0005, True) == wanted


def test_hysteresis_enters_late_and_leaves_late():
    sides = []
    side = 0.0
    for score in (0.001, 0.003, 0.001, 0.0004, 0.001, -0.003, -0.001, 0.0):
        side = score_to_side(score, side, 0.002, 0.0005, True)
        sides.append(side)
    assert sides == [0, 1, 1, 0, 0, -1, -1, 0]


def test_a_short_signal_closes_where_shorts_are_not_allowed():
    assert score_to_side(-0.01, 1.0, 0.002, 0.0005, False) == 0.0


@settings(deadline=None)
@given(scores, st.floats(0, 1), st.floats(1e-4, 0.1))
def test_conviction_is_a_share_that_grows_with_the_score(score, confidence, sigma):
    one = conviction(score, confidence, sigma, 0.5)
    assert 0 <= one <= 1
    assert conviction(2 * score, confidence, sigma, 0.5) >= one
    assert conviction(score, confidence, 0.0, 0.5) == 0.0
    weight = score_to_weight(score, confidence, sigma, 0.0, 0.001, 0.0, 0.5, True)
    assert abs(weight) == (one if abs(score) > 0.001 else 0.0)


@settings(deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60), st.floats(0.02, 1.0))
def test_variance_is_a_plain_mean_first_and_forgets_afterwards(returns, alpha):
    variance, count = 0.0, 0.0
    for r in returns:
        count += 1
        variance = next_variance(variance, r, count, alpha)
    young = [r * r for r in returns]
    if len(returns) * alpha < 1:
        assert variance == pytest.approx(np.mean(young), abs=1e-15)
    assert min(young) - 1e-15 <= variance <= max(young) + 1e-15


def test_volatility_is_unknown_before_warm_up_and_for_a_dead_price():
    assert volatility_of(0.04, 9, 10) == 0.0
    assert volatility_of(0.04, 10, 10) == 0.2
    assert volatility_of(0.0, 99, 10) == 0.0
    assert volatility_weight(1.0, 0.0, 0.01) == 0.0
    assert volatility_weight(-1.0, 0.02, 0.01) == -0.5
    assert volatility_weight(0.7, 0.0, 0.0) == 0.7


def test_the_taper_falls_from_full_to_the_floor():
    sizes = [drawdown_taper(100 - d, 100.0, 0.1, 0.2, 0.25) for d in (0, 10, 15, 20, 60)]
    assert sizes == pytest.approx([1.0, 1.0, 0.625, 0.25, 0.25])


@settings(deadline=None)
@given(st.floats(0, 1e9), st.floats(0, 50), st.floats(0, 50), st.floats(0, 500))
def test_costs_are_bps_of_one_notional(notional, fee_bps, half_spread_bps, impact):
    assert quote(notional, fee_bps, half_spread_bps, impact) == pytest.approx(
        [notional * bps / 10_000 for bps in (fee_bps, half_spread_bps, impact)]
    )


def test_impact_follows_the_square_root():
    assert impact_bps(1.0, 0.01, 1.0) == pytest.approx(100.0)
    assert impact_bps(1.0, 0.01, 0.25) == pytest.approx(50.0)
    assert impact_bps(2.0, 0.01, 0.25) == pytest.approx(100.0)


def test_impact_does_not_depend_on_the_bar_length():
    # An order spread over a day of hours: volatility grows and participation falls with the length of the bar.
    assert impact_bps(1.0, 0.01 * math.sqrt(24), 0.1 / 24) == pytest.approx(impact_bps(1.0, 0.01, 0.1))


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0.001, 2))
def test_fills_never_exceed_the_participation(wanted, volume, share):
    filled = match(wanted, 100.0, volume, share)
    assert abs(filled) <= min(abs(wanted), share * volume)
    assert filled * wanted >= 0
    if abs(wanted) <= share * volume and volume > 0:
        assert filled == wanted


@pytest.mark.parametrize(
    ("price", "volume"), [(math.nan, 1.0), (1.0, math.nan), (0.0, 1.0), (1.0, 0.0), (math.nan, math.nan)]
)
def test_a_bar_without_price_or_trades_fills_nothing(price, volume):
    assert match(5.0, price, volume, math.inf) == 0.0
