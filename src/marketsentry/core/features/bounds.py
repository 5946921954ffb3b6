"""Does a compiled step stay within its arrays? numba does not check, and a stray write corrupts the program."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.feature_set import FeatureSet

Floats = NDArray[np.float64]

_GUARD_CELLS = 256
_GUARD_VALUE = -7.25e-17


def stays_within_bounds(
    feature_set: FeatureSet, bars: Floats, ts_ns: NDArray[np.int64], context: Floats
) -> bool:
    """Run the step between guard cells and look whether they were touched.

    Parameters
    ----------
    feature_set : FeatureSet
        What to try.
    bars : ndarray of shape (T, N, 5)
        Bars to run over; a few are enough for a step whose loops have fixed length.
    ts_ns : ndarray of shape (T,), int64
        Open times, UTC epoch ns.
    context : ndarray of shape (T, N, C)
        What is known at each close.

    Returns
    -------
    bool
        False if a cell before or behind `state` or `out` has changed.
    """
    n_symbols = bars.shape[1]
    fresh = feature_set.new_state(n_symbols)
    state, state_memory = _between_guards(fresh)
    out, out_memory = _between_guards(np.full((n_symbols, len(feature_set.schema.features)), np.nan))
    for t in range(bars.shape[0]):
        feature_set.step(state, bars[t], int(ts_ns[t]), context[t], out)
        if not (_is_intact(state_memory) and _is_intact(out_memory)):
            return False
    return True


def _between_guards(array: Floats) -> tuple[Floats, Floats]:
    memory = np.full(array.size + 2 * _GUARD_CELLS, _GUARD_VALUE)
    inside = memory[_GUARD_CELLS : _GUARD_CELLS + array.size].reshape(array.shape)
    inside[:] = array
    return inside, memory


def _is_intact(memory: Floats) -> bool:
    guards = np.concatenate([memory[:_GUARD_CELLS], memory[-_GUARD_CELLS:]])
    return bool((guards == _GUARD_VALUE).all())
