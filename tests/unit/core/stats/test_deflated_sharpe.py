"""Against the worked example of the paper, scipy, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marketsentry.core.stats.deflated_sharpe import (
    deflated_sharpe,
    expected_maximum_sharpe,
    sharpe_probability,
    upper_deviation,
)
from marketsentry.exceptions import InputError

# Bailey and Lopez de Prado (2014), section "A numerical example": a yearly Sharpe ratio of 2.5 over 1,250 daily
# returns with skewness -3 and kurtosis 10, the best of 100 trials whose yearly ratios vary by 1/2; 250 days a year.
DAILY = 2.5 / math.sqrt(250)
DEVIATION = math.sqrt(0.5 / 250)


def test_the_worked_example_of_the_paper():
    benchmark = expected_maximum_sharpe(100, DEVIATION)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    found = sharpe_probability(DAILY, benchmark, n_returns=1_250, skewness=-3.0, kurtosis=10.0)
    assert found == pytest.approx(0.9004, abs=5e-5)
    fewer = expected_maximum_sharpe(46, DEVIATION)
    found = sharpe_probability(DAILY, fewer, n_returns=1_250, skewness=-3.0, kurtosis=10.0)
    assert found == pytest.approx(0.9505, abs=5e-5)


@given(st.integers(2, 10_000), st.floats(0.0, 10.0))
def test_the_expected_maximum_agrees_with_scipy(n_trials, deviation):
    gamma = np.euler_gamma
    usual, far = stats.norm.ppf([1 - 1 / n_trials, 1 - 1 / (n_trials * math.e)])
    expected = deviation * ((1 - gamma) * usual + gamma * far)
    assert expected_maximum_sharpe(n_trials, deviation) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n_trials", [10, 100, 1_000])
def test_the_best_of_worthless_trials_comes_out_about_there(n_trials):
    best = np.random.default_rng(1).normal(size=(2_000, n_trials)).max(axis=1).mean()
    assert expected_maximum_sharpe(n_trials, 1.0) == pytest.approx(best, rel=0.03)


def test_one_trial_is_held_against_zero():
    assert expected_maximum_sharpe(1, 5.0) == 0.0


def test_the_probability_of_returns_agrees_with_scipy():
    returns = np.random.default_rng(2).standard_t(5, 900) * 0.01 + 0.0006
    ratio = returns.mean() / returns.std(ddof=1)
    benchmark = 0.4 / math.sqrt(365)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    spread = math.sqrt((1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / 899)
    expected = stats.norm.cdf((ratio - benchmark) / spread)
    assert deflated_sharpe(returns, 0.4, periods_per_year=365) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 500), st.integers(1, 500))
def test_more_trials_never_help(few, more):
    returns = np.random.default_rng(3).normal(0.001, 0.01, 300)
    few, more = sorted((few, more))
    scores = [
        deflated_sharpe(returns, expected_maximum_sharpe(n, 1.0), periods_per_year=365) for n in (few, more)
    ]
    assert scores[0] >= scores[1]


def test_the_best_of_a_hundred_noise_strategies_seldom_passes():
    """A score of 0.95 is what one in twenty of the searches through noise may reach, not nearly every one."""
    rng = np.random.default_rng(4)
    raw = deflated = 0
    for _ in range(200):
        noise = rng.normal(0.0, 0.01, (100, 250))
        ratios = noise.mean(axis=1) / noise.std(axis=1, ddof=1)
        best = noise[ratios.argmax()]
        benchmark = expected_maximum_sharpe(100, ratios.std(ddof=1)) * math.sqrt(365)
        raw += deflated_sharpe(best, 0.0, periods_per_year=365) >= 0.95
        deflated += deflated_sharpe(best, benchmark, periods_per_year=365) >= 0.95
    assert raw / 200 > 0.95
    assert deflated / 200 <= 0.05


@pytest.mark.parametrize("returns", [[], [0.1], [0.01, 0.01, 0.01], [0.0, 0.0]])
def test_returns_that_do_not_vary_have_no_score(returns):
    assert deflated_sharpe(np.array(returns), 0.0, periods_per_year=365) is None


def test_out_of_range_is_refused():
    with pytest.raises(InputError, match="n_trials must be >= 1, was 0"):
        expected_maximum_sharpe(0, 1.0)
    with pytest.raises(InputError, match="deviation"):
        expected_maximum_sharpe(2, math.nan)
    with pytest.raises(InputError, match="n_returns"):
        sharpe_probability(1.0, 0.0, n_returns=1, skewness=0.0, kurtosis=3.0)
    assert sharpe_probability(1.0, 0.0, n_returns=9, skewness=2.0, kurtosis=1.0) is None


def test_the_upper_deviation_is_that_of_a_symmetric_spread():
    assert upper_deviation(np.array([1.0, 3.0])) == pytest.approx(math.sqrt(2.0))
    ratios = np.random.default_rng(5).normal(1.0, 2.0, 20_000)
    assert upper_deviation(ratios) == pytest.approx(2.0, rel=0.03)
    assert upper_deviation(np.full(5, 0.7)) == 0.0
    for bad in (np.array([1.0]), np.array([1.0, np.nan])):
        with pytest.raises(InputError, match="ratios"):
            upper_deviation(bad)


def test_trials_ruined_by_their_costs_do_not_lift_the_bar():
    honest = np.random.default_rng(6).normal(0.0, 1.0, 30)
    ruined = np.concatenate((honest, [-150.0, -200.0]))
    assert upper_deviation(ruined) < 1.2 * upper_deviation(honest)
    assert ruined.std(ddof=1) > 30.0
