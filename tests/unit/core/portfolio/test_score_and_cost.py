"""The score of a book, and the cost of a trade (contract 1.4; K-30)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.portfolio.profiles import CostProfile, RiskProfile, cost_profile
from marketsentry.core.portfolio.score import ScoredPosition, score_portfolio
from marketsentry.core.portfolio.trade_cost import Liquidity, estimate_cost, measure_liquidity
from marketsentry.exceptions import InputError
from marketsentry.kernels.compiling import interpreted
from marketsentry.kernels.cost import impact_bps


def test_a_book_worked_out_by_hand():
    told = score_portfolio(
        [
            ScoredPosition("BTC", "liquid", 0.02, 0.1),
            ScoredPosition("ETH", "liquid", -0.03, 0.0),
            ScoredPosition("SOL", "liquid", 0.01, 0.5),
            ScoredPosition("Acme", "vc", 0.0, 0.2),
        ],
        0.5,
    )
    assert told.alpha_score == pytest.approx((0.2 - 3.0 + 0.02 + 0.0) / 4)
    assert told.expected_return == pytest.approx(0.8 * told.alpha_score)
    assert told.expected_volatility == pytest.approx(0.4)
    assert [one.action for one in told.recommendations] == ["increase", "reduce", "hold", "hold"]


def test_the_volatility_of_a_book_is_bounded():
    assert score_portfolio([ScoredPosition("BTC", "liquid", 1.0, 1e9)], 1e-6).expected_volatility == 2.5


positions = st.builds(
    ScoredPosition,
    target=st.just("X"),
    track=st.just("liquid"),
    score=st.floats(-10, 10),
    risk=st.floats(0, 10),
)


@given(st.lists(positions, min_size=1, max_size=20), st.floats(0.01, 10))
def test_the_score_agrees_with_its_definition(book, budget):
    told = score_portfolio(book, budget)
    alpha = np.mean([one.score / max(one.risk, 0.01) for one in book])
    assert told.alpha_score == pytest.approx(alpha, rel=1e-9, abs=1e-9)
    assert told.expected_volatility == pytest.approx(
        min(2.5, np.mean([one.risk for one in book]) / budget), rel=1e-9
    )


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_book_of_numbers_that_are_none_is_refused(wrong):
    """K-05."""
    with pytest.raises(InputError, match="score of X"):
        ScoredPosition("X", "liquid", wrong, 0.1)
    with pytest.raises(InputError, match="risk of X"):
        ScoredPosition("X", "liquid", 0.1, wrong)
    with pytest.raises(InputError, match="risk_budget"):
        score_portfolio([ScoredPosition("X", "liquid", 0.1, 0.1)], wrong)
    with pytest.raises(InputError, match="positions cannot be empty"):
        score_portfolio([], 1.0)


def test_the_standard_profile_is_what_the_backtest_charges():
    standard = cost_profile("standard")
    assert (standard.fee_bps, standard.half_spread_bps, standard.impact_coefficient) == (5.0, 3.0, 1.0)


def test_a_trade_pays_fee_spread_and_the_root_of_its_share():
    profile = CostProfile("own", 4.0, 2.0, 1.5)
    told = estimate_cost(25_000.0, profile, Liquidity(0.01, 1e6))
    assert told.impact_bps == pytest.approx(1e4 * 1.5 * 0.01 * math.sqrt(0.025))
    assert told.total_bps == pytest.approx(6.0 + told.impact_bps)
    assert estimate_cost(25_000.0, profile, None).total_bps == 6.0


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_larger_trade_never_costs_less(one, other):
    small, large = sorted((one, other))
    known = Liquidity(0.01, 1e6)
    profile = cost_profile("standard")
    assert estimate_cost(small, profile, known).total_bps <= estimate_cost(large, profile, known).total_bps


@given(st.floats(0, 5), st.floats(0, 1), st.floats(0, 100))
def test_the_impact_of_an_estimate_is_that_of_the_kernel_to_the_bit(coefficient, volatility, participation):
    told = interpreted(impact_bps)(coefficient, volatility, participation)
    assert told == impact_bps(coefficient, volatility, participation)


def test_liquidity_is_measured_on_bars():
    close = 100.0 * np.exp(0.01 * np.array([0, 1] * 10))
    volume = np.full(20, 3.0)
    told = measure_liquidity(close, volume)
    assert told.volatility == pytest.approx(np.std(np.diff(np.log(close))))
    assert told.bar_volume_quote == pytest.approx(3.0 * close.mean())


@pytest.mark.parametrize(
    ("close", "volume"),
    [
        (np.full(12, 100.0), np.ones(12)),
        (np.full(20, 100.0), np.zeros(20)),
        (np.full(20, math.nan), np.ones(20)),
        (np.full(20, 100.0), np.full(20, math.nan)),
        (np.zeros(20), np.ones(20)),
        (np.empty(0), np.empty(0)),
    ],
)
def test_what_cannot_be_measured_is_not_made_up(close, volume):
    assert measure_liquidity(close, volume) is None


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_costs_of_numbers_that_are_none_are_refused(wrong):
    with pytest.raises(InputError, match="notional"):
        estimate_cost(wrong, cost_profile("standard"), None)
    with pytest.raises(InputError, match="fee_bps of cost profile own"):
        CostProfile("own", wrong, 0.0, 0.0)
    with pytest.raises(InputError, match="cost_multiple"):
        RiskProfile("own", wrong)
    with pytest.raises(InputError, match="volatility"):
        Liquidity(wrong, 1.0)
    with pytest.raises(InputError, match="bar_volume_quote"):
        Liquidity(0.1, wrong)
