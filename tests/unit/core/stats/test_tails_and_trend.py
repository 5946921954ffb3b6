"""Moments, tails, days, trend and conformal quantiles, each against its definition and an independent one."""

import math
from itertools import combinations

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from marketsentry.core.stats.conformal import interval_quantiles
from marketsentry.core.stats.daily_returns import DAY_NS, daily_returns
from marketsentry.core.stats.kurtosis import kurtosis
from marketsentry.core.stats.skewness import skewness
from marketsentry.core.stats.tail_ratio import tail_ratio
from marketsentry.core.stats.trend import trend
from marketsentry.exceptions import InputError

returns_any = arrays(np.float64, st.integers(4, 60), elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 4)))
HOUR_NS = 3_600_000_000_000


@settings(deadline=None)
@given(returns_any)
def test_moments_agree_with_the_definition_and_scipy(returns: np.ndarray) -> None:
    if np.ptp(returns) == 0.0:
        assert skewness(returns) is None
        assert kurtosis(returns) is None
        return
    n, mean = len(returns), sum(returns) / len(returns)
    second, third, fourth = (sum((r - mean) ** k for r in returns) / n for k in (2, 3, 4))
    assert skewness(returns) == pytest.approx(third / second**1.5, abs=1e-9)
    assert kurtosis(returns) == pytest.approx(fourth / second**2, abs=1e-9)
    assert skewness(returns) == pytest.approx(stats.skew(returns), abs=1e-9)
    assert kurtosis(returns) == pytest.approx(stats.kurtosis(returns, fisher=False), abs=1e-9)


def naive_quantile(values: np.ndarray, q: float) -> float:
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    k = min(int(place), len(ordered) - 2)
    return ordered[k] + (place - k) * (ordered[k + 1] - ordered[k])


@settings(deadline=None)
@given(arrays(np.float64, st.integers(20, 80), elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 4))))
def test_tail_ratio_agrees_with_the_definition_and_empyrical(returns: np.ndarray) -> None:
    found, low = tail_ratio(returns), abs(naive_quantile(returns, 0.05))
    if found is None:
        assert low < 1e-12
        return
    if low > 1e-9:
        assert found == pytest.approx(abs(naive_quantile(returns, 0.95)) / low, rel=1e-9)
        assert found == pytest.approx(empyrical.tail_ratio(returns), rel=1e-9)


def test_few_or_flat_returns_have_no_tail() -> None:
    assert tail_ratio(np.linspace(-0.1, 0.1, 19)) is None
    assert tail_ratio(np.linspace(-0.1, 0.1, 21)) == pytest.approx(1.0)
    assert tail_ratio(np.zeros(50)) is None
    assert skewness(np.array([0.1, 0.2])) is None
    assert kurtosis(np.array([0.1, 0.2, 0.4])) is None
    with pytest.raises(InputError, match="returns must be finite"):
        tail_ratio(np.array([math.nan] * 30))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 23), st.integers(0, 2**32 - 1))
def test_days_agree_with_a_loop(n_bars: int, first_hour: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pnl, before = rng.normal(size=n_bars), 100.0 + np.arange(n_bars, dtype=np.float64)
    ts_ns = 7 * DAY_NS + (first_hour + np.arange(n_bars, dtype=np.int64)) * HOUR_NS
    days: dict[int, list[float]] = {}
    for gained, equity, at in zip(pnl, before, ts_ns, strict=True):
        days.setdefault(int(at) // DAY_NS, [equity, 0.0])[1] += gained
    expected = [gained / equity for equity, gained in days.values()]
    np.testing.assert_allclose(daily_returns(pnl, before, ts_ns), expected, atol=1e-12)


def test_a_day_without_equity_has_no_return() -> None:
    ts_ns = np.array([0, HOUR_NS, DAY_NS], dtype=np.int64)
    found = daily_returns(np.array([-50.0, -60.0, 1.0]), np.array([100.0, 50.0, -10.0]), ts_ns)
    np.testing.assert_array_equal(found, [-1.1, np.nan])
    with pytest.raises(InputError, match="one shape"):
        daily_returns(np.zeros(2), np.zeros(3), ts_ns)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(4, 20), elements=st.integers(-9, 9).map(float)))
def test_trend_agrees_with_pairs_and_scipy(values: np.ndarray) -> None:
    at = np.arange(values.size, dtype=np.float64) ** 1.5
    found = trend(at, values)
    assert found is not None
    pairs = list(combinations(range(values.size), 2))
    assert found.slope == pytest.approx(
        np.median([(values[j] - values[i]) / (at[j] - at[i]) for i, j in pairs])
    )
    assert found.slope == pytest.approx(stats.theilslopes(values, at)[0], abs=1e-12)
    score = sum(np.sign(values[j] - values[i]) for i, j in pairs)
    n = values.size
    ties = sum(g * (g - 1) * (2 * g + 5) for g in (list(values).count(v) for v in set(values)))
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    z = max(abs(score) - 1, 0) / math.sqrt(variance) if variance else 0.0
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z), abs=1e-12)


def test_trend_calls_noise_noise_and_finds_a_slope() -> None:
    rng = np.random.default_rng(1)
    at = np.arange(24.0)
    chances = [trend(at, rng.normal(size=24)) for _ in range(400)]
    alarms = sum(one is not None and one.p_value < 0.05 for one in chances)
    assert 8 <= alarms <= 32, "five of a hundred, give or take"
    sure = trend(at, 0.3 * at + rng.normal(size=24))
    assert sure is not None
    assert sure.p_value < 1e-4
    assert sure.slope == pytest.approx(0.3, abs=0.1)
    assert trend(at[:3], at[:3]) is None
    with pytest.raises(InputError, match="increasing"):
        trend(at[::-1], at)


@settings(deadline=None)
@given(st.integers(1, 200), st.floats(0.05, 0.99))
def test_conformal_quantiles_promise_at_least_their_level(n: int, level: float) -> None:
    """Of n + 1 exchangeable errors each may be the next one: count how often it lies inside."""
    errors = np.arange(n + 1, dtype=np.float64)
    inside = 0
    for left_out in range(n + 1):
        low, high = interval_quantiles(np.delete(errors, left_out), level)
        inside += low <= left_out <= high
    assert inside / (n + 1) >= level - 1e-12
    assert inside / (n + 1) <= level + 2.0 / (n + 1) + 1e-12


def test_conformal_quantiles_refuse_what_promises_nothing() -> None:
    assert interval_quantiles(np.zeros(5), 0.95) == (-math.inf, math.inf)
    for errors in (np.array([1.0, 0.0]), np.empty(0), np.array([0.0, math.nan])):
        with pytest.raises(InputError, match="sorted"):
            interval_quantiles(errors, 0.5)
    with pytest.raises(InputError, match="level"):
        interval_quantiles(np.zeros(5), 1.0)
