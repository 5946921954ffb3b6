"""Parity tells every kind of difference, and none where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.trading.parity import TRADED_FILL, Traded, measure_parity
from marketsentry.exceptions import InputError


def traded(
    *,
    equity=(100.0, 101.0),
    weights=((0.1, 0.0), (0.2, -0.1)),
    fills=((0, 0, 1, 2.0, 50.0), (1, 1, -1, 3.0, 9.0)),
):
    return Traded(
        np.arange(len(equity), dtype=np.int64),
        np.array(equity),
        np.array(weights),
        np.array(list(fills), dtype=TRADED_FILL),
    )


def test_equal_runs_are_equal():
    parity = measure_parity(traded(), traded())
    assert (parity.n_bars, parity.n_fills, parity.max_abs_diff, parity.is_equal) == (2, 2, 0.0, True)


@given(st.floats(1e-8, 0.5), st.sampled_from(["equity", "weights", "qty", "price"]))
def test_a_difference_is_found_wherever_it_is(size, where):
    other = traded()
    if where == "equity":
        other.equity[1] *= 1 + size
    elif where == "weights":
        other.weights[1, 0] += size
    else:
        other.fills[where][1] *= 1 + size
    parity = measure_parity(other, traded())
    assert parity.max_abs_diff == pytest.approx(size, rel=1e-6)
    assert not parity.is_equal


def test_a_missing_fill_is_counted_on_its_side():
    one = traded(fills=((0, 0, 1, 2.0, 50.0),))
    assert (
        measure_parity(one, traded()).n_only_in_backtest,
        measure_parity(traded(), one).n_only_in_run,
    ) == (1, 1)
    assert not measure_parity(one, traded()).is_equal


def test_what_is_undefined_on_one_side_alone_is_no_parity():
    undefined = traded(weights=((0.1, 0.0), (np.nan, -0.1)))
    assert measure_parity(undefined, undefined).is_equal
    assert not measure_parity(undefined, traded()).is_equal
    assert not measure_parity(traded(equity=(100.0, np.nan)), traded()).is_equal


def test_other_bars_or_two_fills_of_one_place_are_refused():
    with pytest.raises(InputError, match="same bars"):
        measure_parity(traded(equity=(1.0,), weights=((0.0, 0.0),), fills=()), traded())
    twice = traded(fills=((0, 0, 1, 2.0, 50.0), (0, 0, 1, 3.0, 9.0)))
    with pytest.raises(InputError, match="must have one fill"):
        measure_parity(twice, traded())
