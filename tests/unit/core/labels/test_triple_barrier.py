import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.labels.triple_barrier import BarrierLabels, triple_barrier
from marketsentry.exceptions import InputError


def naive(high, low, close, horizon, upper, lower):
    shape = close.shape
    outcome, exit_bars, exit_return = (np.full(shape, np.nan) for _ in range(3))
    for t in range(shape[0] - horizon):
        for n in range(shape[1]):
            path = [(high[t + k, n], low[t + k, n], close[t + k, n]) for k in range(1, horizon + 1)]
            for k, (top, bottom, last) in enumerate(path, start=1):
                if np.isnan([close[t, n], top, bottom]).any():
                    break
                if bottom <= close[t, n] * (1 - lower):
                    found = (-1.0, k, -lower)
                elif top >= close[t, n] * (1 + upper):
                    found = (1.0, k, upper)
                elif k == horizon:
                    found = (0.0, k, last / close[t, n] - 1)
                else:
                    continue
                outcome[t, n], exit_bars[t, n], exit_return[t, n] = found
                break
    return outcome, exit_bars, exit_return


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon=st.integers(1, 12),
    upper=st.floats(0.002, 0.1),
    lower=st.floats(0.002, 0.1),
)
def test_agrees_with_the_definition(seed: int, horizon: int, upper: float, lower: float):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (40, 2)), axis=0))
    high, low = close * (1 + rng.random(close.shape) * 0.02), close * (1 - rng.random(close.shape) * 0.02)
    lost = rng.random(close.shape) < 0.05
    high[lost] = low[lost] = close[lost] = np.nan
    found = triple_barrier(high, low, close, horizon_bars=horizon, upper_frac=upper, lower_frac=lower)
    expected = naive(high, low, close, horizon, upper, lower)
    for one, other in zip((found.outcome, found.exit_bars, found.exit_return), expected, strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def label(high: list[float], low: list[float], close: list[float]) -> BarrierLabels:
    columns = (np.array(c)[:, None] for c in (high, low, close))
    return triple_barrier(*columns, horizon_bars=2, upper_frac=0.1, lower_frac=0.1)


def test_a_bar_that_touches_both_counts_as_the_loss():
    assert label([100, 111, 100], [100, 89, 100], [100, 100, 100]).outcome[0, 0] == -1.0


def test_the_first_touch_wins():
    found = label([100, 111, 100], [100, 100, 80], [100, 105, 90])
    assert (found.outcome[0, 0], found.exit_bars[0, 0], found.exit_return[0, 0]) == (1.0, 1.0, 0.1)


def test_without_a_touch_the_horizon_ends_it():
    found = label([100, 105, 105], [100, 95, 95], [100, 101, 103])
    assert (found.outcome[0, 0], found.exit_bars[0, 0]) == (0.0, 2.0)
    assert found.exit_return[0, 0] == pytest.approx(0.03)


def test_a_lost_bar_on_the_way_leaves_it_unknown():
    assert np.isnan(label([100, np.nan, 105], [100, np.nan, 95], [100, np.nan, 103]).outcome[0, 0])


def test_barriers_may_differ_by_bar():
    close = np.full((3, 1), 100.0)
    high = np.array([[100.0], [103.0], [103.0]])
    widths = np.array([[0.05], [0.02], [np.nan]])
    found = triple_barrier(high, close, close, horizon_bars=1, upper_frac=widths, lower_frac=0.5)
    assert found.outcome[:, 0].tolist() == pytest.approx([0.0, 1.0, np.nan], nan_ok=True)


def test_malformed_arguments_are_refused():
    bars = (np.ones((3, 1)),) * 3
    with pytest.raises(InputError, match="horizon must be >= 1, was 0"):
        triple_barrier(*bars, horizon_bars=0, upper_frac=0.1, lower_frac=0.1)
    with pytest.raises(InputError, match="must be > 0"):
        triple_barrier(*bars, horizon_bars=1, upper_frac=0.0, lower_frac=0.1)
    with pytest.raises(InputError, match="shape"):
        triple_barrier(np.ones((2, 1)), *bars[1:], horizon_bars=1, upper_frac=0.1, lower_frac=0.1)
