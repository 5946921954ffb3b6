"""The features of the known-truth check: all bars at once say what one bar after another says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.known_truth.trials import LAST_RETURN
from marketsentry.core.market.bars import CLOSE

PRICES = st.one_of(st.floats(1e-3, 1e6), st.sampled_from((0.0, np.nan)))


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 9)), elements=PRICES), st.integers(0, 20)
)
def test_a_batch_from_any_bar_on_is_its_steps(close, begun):
    n_bars, n_symbols = close.shape
    bars = np.full((n_bars, n_symbols, CLOSE + 1), np.nan)
    bars[:, :, CLOSE] = close
    ts_ns, context = np.arange(n_bars), np.zeros((n_bars, n_symbols, 0))
    stepped, at_once = (np.empty((n_bars, n_symbols, 1)) for _ in range(2))
    states = [LAST_RETURN.new_state(n_symbols) for _ in range(2)]
    first = min(begun, n_bars - 1)
    for t in range(n_bars):
        LAST_RETURN.step(states[0], bars[t], t, context[t], stepped[t])
    for span in (slice(0, first), slice(first, n_bars)):
        LAST_RETURN.batch(states[1], bars[span], ts_ns[span], context[span], at_once[span])
    np.testing.assert_array_equal(at_once, stepped)
    np.testing.assert_array_equal(states[1], states[0])
