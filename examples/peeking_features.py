"""How look-ahead slips in: features that no gate may let through. For learning; never trade these.

The `step` is honest. The vectorised `batch`, which training would read, is not: one column smooths over a
centred window and so averages the next bars in, another is scaled with statistics of the whole sample. Both
are classic mistakes of vectorised research, and both are named by

    ms check features examples/peeking_features.py
"""

import numba
import numpy as np

from marketsentry.core.features.schema import FeatureDef, FeatureSchema

WARMUP = "during warm-up or when the bar is lost"
SCHEMA = FeatureSchema(
    version="peeking-v1",
    features=(
        FeatureDef("bar_return", "close / close of the bar before - 1", "fraction", 1, "bars", WARMUP),
        FeatureDef("smooth_return", "mean return of five bars", "fraction", 5, "bars", WARMUP),
        FeatureDef("scaled_return", "return / its standard deviation", "ratio", 1, "bars", WARMUP),
    ),
)
CLOSE = 3
SPAN = 5
STATE_SIZE = 2 + SPAN


@numba.njit
def step(state, bar, ts_ns, context, out):
    """state (7,), bar (5,), open time in epoch ns, context (C,) known at the close, out (3,)."""
    close = bar[CLOSE]
    count = int(state[0])
    r = close / state[1] - 1.0 if count > 0 else 0.0
    state[0] = count + 1.0
    state[1] = close
    state[2 + count % SPAN] = r
    total = 0.0
    for k in range(SPAN):
        total += state[2 + k]
    out[0] = r
    out[1] = total / SPAN
    out[2] = r / 0.01


def batch(bars, ts_ns, context, out):
    """bars (T, N, 5), ts_ns (T,), context (T, N, C), out (T, N, 3): what a hurried notebook would do."""
    returns = np.full(bars.shape[:2], np.nan)
    returns[1:] = bars[1:, :, CLOSE] / bars[:-1, :, CLOSE] - 1.0
    out[:, :, 0] = returns
    out[:, :, 1] = np.nan
    windows = np.lib.stride_tricks.sliding_window_view(returns, SPAN, axis=0)
    out[SPAN // 2 : -(SPAN // 2), :, 1] = windows.mean(axis=2)  # centred: two bars of the future
    out[:, :, 2] = returns / np.nanstd(returns, axis=0)  # scaled with the whole sample
