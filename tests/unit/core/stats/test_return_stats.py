"""One statistic per file, each against its definition in plain Python."""

import math

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.stats.drawdown import Drawdown, drawdown_curve, max_drawdown
from marketsentry.core.stats.exposure import exposure
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.core.stats.sortino import sortino
from marketsentry.core.stats.turnover import turnover
from marketsentry.core.stats.volatility import volatility
from marketsentry.exceptions import InputError

equities = arrays(np.float64, st.integers(1, 60), elements=st.floats(1e-3, 1e9))
returns_any = arrays(np.float64, st.integers(2, 60), elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 6)))
HOURS = 8_760.0


def naive_max_drawdown(equity):
    return max(1 - low / high for i, high in enumerate(equity) for low in equity[i:])


@settings(deadline=None)
@given(equities)
def test_drawdown_agrees_with_the_definition(equity):
    found = max_drawdown(equity)
    assert found.fraction == pytest.approx(naive_max_drawdown(equity), abs=1e-12)
    assert 1 - equity[found.trough_bar] / equity[found.peak_bar] == pytest.approx(found.fraction, abs=1e-12)
    assert found.peak_bar <= found.trough_bar
    assert drawdown_curve(equity).max() == found.fraction


def test_leverage_can_lose_more_than_the_peak():
    assert max_drawdown(np.array([100.0, 50.0, -20.0])) == Drawdown(1.2, 0, 2)
    assert max_drawdown(np.array([100.0, 120.0, 90.0, 130.0])) == Drawdown(0.25, 1, 2)
    assert max_drawdown(np.array([1.0, 2.0])) == Drawdown(0.0, 0, 0)


@pytest.mark.parametrize("equity", [[], [np.nan, 1.0], [1.0, np.inf], [0.0, 1.0], [-1.0]])
def test_drawdown_refuses_what_hides_a_trough(equity):
    with pytest.raises(InputError, match="equity"):
        max_drawdown(np.array(equity, dtype=float))


def naive_sharpe(returns):
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    return mean / deviation * math.sqrt(HOURS)


@settings(deadline=None)
@given(returns_any)
def test_sharpe_and_sortino_agree_with_the_definition(returns):
    ratio = sharpe(returns, periods_per_year=HOURS)
    if returns.std() > 1e-9:
        assert ratio is not None
        assert ratio.value == pytest.approx(naive_sharpe(returns), rel=1e-6, abs=1e-6)
        assert ratio.low <= ratio.value <= ratio.high
    falls = [min(r, 0.0) ** 2 for r in returns]
    found = sortino(returns, periods_per_year=HOURS)
    if sum(falls):
        expected = returns.mean() / math.sqrt(sum(falls) / len(falls)) * math.sqrt(HOURS)
        assert found == pytest.approx(expected, rel=1e-9)
    else:
        assert found is None


def test_ratios_agree_with_another_library():
    returns = np.random.default_rng(4).normal(2e-4, 0.01, 500)
    ratio = sharpe(returns, periods_per_year=365)
    assert ratio is not None
    assert ratio.value == pytest.approx(empyrical.sharpe_ratio(returns, annualization=365))
    assert sortino(returns, periods_per_year=365) == pytest.approx(
        empyrical.sortino_ratio(returns, annualization=365)
    )
    assert volatility(returns, periods_per_year=365) == pytest.approx(
        empyrical.annual_volatility(returns, annualization=365)
    )
    equity = np.concatenate(([1.0], np.cumprod(1 + returns)))
    assert max_drawdown(equity).fraction == pytest.approx(-empyrical.max_drawdown(returns))


def test_the_interval_of_the_sharpe_ratio_covers_the_truth():
    rng = np.random.default_rng(8)
    truth, covered = 0.05 * math.sqrt(365), 0
    for _ in range(400):
        ratio = sharpe(rng.normal(0.0005, 0.01, 400), periods_per_year=365)
        assert ratio is not None
        covered += ratio.low <= truth <= ratio.high
    assert 0.92 < covered / 400 < 0.98


@pytest.mark.parametrize("returns", [[], [0.01], [0.0, 0.0, 0.0], [0.02, 0.02, 0.02]])
def test_a_ratio_without_variation_is_undefined(returns):
    assert sharpe(np.array(returns), periods_per_year=HOURS) is None


def test_undefined_inputs_are_refused():
    for statistic in (sharpe, sortino, volatility):
        with pytest.raises(InputError, match="finite"):
            statistic(np.array([0.1, np.nan]), periods_per_year=HOURS)
        with pytest.raises(InputError, match="periods_per_year"):
            statistic(np.array([0.1, 0.2]), periods_per_year=0.0)


def test_turnover_counts_notional_over_the_equity_before():
    assert turnover(np.array([100.0, 50.0]), np.array([100.0, 200.0])) == pytest.approx(1.25)
    assert turnover(np.array([100.0, 50.0]), np.array([100.0, -1.0])) == 1.0
    assert turnover(np.array([]), np.array([])) == 0.0
    with pytest.raises(InputError, match="one shape"):
        turnover(np.array([1.0]), np.array([]))


def test_exposure_is_the_mean_gross_weight():
    weights = np.array([[0.1, -0.2], [0.0, 0.0], [np.nan, np.nan]])
    assert exposure(weights) == pytest.approx(0.15)
    assert exposure(weights[:, 1]) == pytest.approx(0.1)
    assert exposure(np.full((3, 2), np.nan)) is None
