import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.labels.forward_return import forward_return
from marketsentry.exceptions import InputError

CLOSES = arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.integers(1, 3)),
    elements=st.one_of(st.floats(1e-3, 1e6), st.just(np.nan)),
)


def naive(close: np.ndarray, h: int) -> np.ndarray:
    label = np.full(close.shape, np.nan)
    for t in range(close.shape[0] - h):
        for n in range(close.shape[1]):
            label[t, n] = close[t + h, n] / close[t, n] - 1
    return label


@settings(deadline=None)
@given(close=CLOSES, h=st.integers(1, 40))
def test_agrees_with_the_definition(close: np.ndarray, h: int):
    assert np.array_equal(forward_return(close, h), naive(close, h), equal_nan=True)


def test_the_last_rows_are_unknown():
    label = forward_return(np.arange(1.0, 11.0)[:, None], 4)
    assert np.isfinite(label[:6]).all()
    assert np.isnan(label[6:]).all()


def test_one_series_without_a_symbol_axis():
    assert forward_return(np.array([100.0, 110.0]), 1).tolist() == pytest.approx([0.1, np.nan], nan_ok=True)


def test_a_close_that_is_not_positive_has_no_return():
    assert np.isnan(forward_return(np.array([[0.0], [1.0]]), 1)).all()


def test_the_horizon_must_look_ahead():
    with pytest.raises(InputError, match="horizon must be >= 1, was 0"):
        forward_return(np.ones((3, 1)), 0)
