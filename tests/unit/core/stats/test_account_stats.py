"""Drawdown episodes and rolling statistics against slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.stats.drawdown import max_drawdown
from marketsentry.core.stats.drawdown_episodes import DrawdownEpisode, drawdown_episodes
from marketsentry.core.stats.rolling import rolling_mean, rolling_sharpe
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.exceptions import InputError


def naive_episodes(equity):
    """Walk bar by bar: a fall begins below the peak and ends at the first bar at or above it."""
    found, peak, lowest = [], 0, None
    for bar, value in enumerate(equity):
        if value >= equity[peak]:
            if lowest is not None:
                found.append(DrawdownEpisode(1 - equity[lowest] / equity[peak], peak, lowest, bar))
            peak, lowest = bar, None
        elif lowest is None or value < equity[lowest]:
            lowest = bar
    if lowest is not None:
        found.append(DrawdownEpisode(1 - equity[lowest] / equity[peak], peak, lowest, None))
    return sorted(found, key=lambda one: -one.fraction)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 60), elements=st.integers(1, 12).map(float)))
def test_episodes_agree_with_walking_the_curve(equity):
    expected = naive_episodes(equity)
    found = drawdown_episodes(equity, n_worst=100)
    assert found == tuple(expected)
    assert drawdown_episodes(equity, n_worst=2) == found[:2]
    deepest = max_drawdown(equity)
    assert (found[0].fraction if found else 0.0) == deepest.fraction


def test_an_episode_names_peak_trough_and_recovery():
    curve = np.array([100.0, 120.0, 120.0, 90.0, 100.0, 120.0, 130.0, 117.0, 124.0])
    assert drawdown_episodes(curve, n_worst=5) == (
        DrawdownEpisode(0.25, 2, 3, 5),
        DrawdownEpisode(pytest.approx(0.1), 6, 7, None),
    )


def test_a_rising_curve_has_no_episode_and_none_at_all_may_not_be_asked_for():
    assert drawdown_episodes(np.array([1.0, 2.0, 2.0]), n_worst=5) == ()
    with pytest.raises(InputError, match="n_worst must be >= 1, was 0"):
        drawdown_episodes(np.array([1.0]), n_worst=0)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(2, 40), elements=st.floats(-0.2, 0.2)), st.integers(2, 12))
def test_rolling_figures_are_those_of_each_window(returns, window):
    rows = np.arange(returns.size)
    found = rolling_sharpe(returns, rows=rows, window_bars=window, periods_per_year=365.0)
    means = rolling_mean(returns, rows=rows, window_bars=window)
    for row in rows:
        part = returns[row + 1 - window : row + 1] if row + 1 >= window else np.empty(0)
        one = sharpe(part, periods_per_year=365.0) if part.size else None
        if one is None:
            assert np.isnan(found.ratio[row])
            assert np.isnan(found.standard_error[row])
        else:
            assert found.ratio[row] == one.value
            assert found.ratio[row] + 1.959963984540054 * found.standard_error[row] == pytest.approx(one.high)
        assert np.isnan(means[row]) if not part.size else means[row] == pytest.approx(sum(part) / window)


def test_an_unknown_bar_leaves_its_windows_unknown():
    returns = np.array([0.01, -0.02, np.nan, 0.03, 0.01, 0.02])
    found = rolling_sharpe(returns, rows=np.arange(6), window_bars=2, periods_per_year=365.0)
    assert np.isfinite(found.ratio).tolist() == [False, True, False, False, True, True]


@pytest.mark.parametrize(("rows", "window"), [([5], 2), ([-1], 2), ([0], 1)])
def test_windows_out_of_range_are_refused(rows, window):
    with pytest.raises(InputError):
        rolling_sharpe(np.zeros(5), rows=np.array(rows), window_bars=window, periods_per_year=365.0)
