"""The loop over symbols and bars around a user's step for one symbol."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from marketsentry.kernels.features.whole import is_whole


def make_per_symbol(step: Any, warmup: NDArray[np.int64]) -> tuple[Any, Any]:  # numba functions have no type
    """Compile the panel step and the batch around `step`; `warmup` (F,) int64 is the mask of every column.

    The first number of a symbol's state counts its bars since the last loss; the rest belongs to `step`.
    """

    @njit(error_model="numpy", nogil=True)
    def put_row(state, bar, ts_ns, context, out):
        for i in range(bar.shape[0]):
            if not is_whole(bar[i, 0], bar[i, 1], bar[i, 2], bar[i, 3], bar[i, 4]):
                state[i, :] = 0.0
                out[i, :] = np.nan
                continue
            n = state[i, 0]
            state[i, 0] = n + 1.0
            step(state[i, 1:], bar[i], ts_ns, context[i], out[i])
            for k in range(warmup.size):
                if n < warmup[k]:
                    out[i, k] = np.nan

    @njit(error_model="numpy", nogil=True)
    def panel_step(state, bar, ts_ns, context, out):
        put_row(state, bar, ts_ns, context, out)

    @njit(error_model="numpy", nogil=True)
    def panel_batch(state, bars, ts_ns, context, out):
        for t in range(bars.shape[0]):
            put_row(state, bars[t], ts_ns[t], context[t], out[t])

    return panel_step, panel_batch
