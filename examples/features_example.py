"""An example of your own features: calm and turmoil, and volume against its habit.

Checked, built, trained on and backtested like the built-in set:

    ms check features examples/features_example.py
    ms features build --features examples/features_example.py --symbols BTC,ETH --interval 1h

`step` sees one bar of one symbol and is compiled; training reads a compiled loop over it, so what was
trained is what trades, bit for bit. `state` is yours: all zero at the first bar and again after a lost one.
Missing is NaN; what is written before a feature's `lookback_bars` is masked.
"""

import math

import numba
import numpy as np

from marketsentry.core.features.schema import FeatureDef, FeatureSchema

WARMUP = "during warm-up or when the bar is lost"
SCHEMA = FeatureSchema(
    version="features-example-v1",
    features=(
        FeatureDef("log_return", "ln(close / close of the bar before)", "fraction", 1, "bars", WARMUP),
        FeatureDef("reversal", "minus the sum of the last three log returns", "fraction", 3, "bars", WARMUP),
        FeatureDef(
            "turmoil",
            "ln(fast / slow): exponential averages of the absolute log return, weights 0.2 and 0.02",
            "ln of ratio",
            1_030,  # 0.98 ** 1029 < 1e-9: by then the start does not matter
            "bars",
            f"{WARMUP}, or when no price moved",
        ),
        FeatureDef(
            "volume_habit",
            "ln(1 + volume) - its exponential average, weight 0.05",
            "ln of ratio",
            405,
            "bars",
            WARMUP,
        ),
        FeatureDef(
            "funding",
            "last funding rate known at the close",
            "fraction per period",
            0,
            "funding",
            "none known",
        ),
    ),
)
CLOSE, VOLUME = 3, 4  # a bar is open, high, low, close, volume
FUNDING_RATE = 1  # context columns: marketsentry.kernels.features.fields.CONTEXT_FIELDS
LAST_CLOSE, RETURN_1, RETURN_2, FAST, SLOW, HABIT, COUNT = range(7)
STATE_SIZE = 7


@numba.njit
def step(state, bar, ts_ns, context, out):
    """state (7,), bar (5,), open time in epoch ns, context (C,) known at the close, out (5,)."""
    close = bar[CLOSE]
    log_volume = math.log(1.0 + bar[VOLUME])
    r = math.log(close / state[LAST_CLOSE]) if state[COUNT] > 0.0 else 0.0
    if state[COUNT] == 0.0:
        state[HABIT] = log_volume
    state[LAST_CLOSE] = close
    state[COUNT] += 1.0
    out[0] = r
    out[1] = -(r + state[RETURN_1] + state[RETURN_2])
    state[RETURN_2] = state[RETURN_1]
    state[RETURN_1] = r
    state[FAST] += 0.2 * (abs(r) - state[FAST])
    state[SLOW] += 0.02 * (abs(r) - state[SLOW])
    out[2] = math.log(state[FAST] / state[SLOW]) if state[FAST] > 1e-15 else np.nan
    out[3] = log_volume - state[HABIT]
    state[HABIT] += 0.05 * (log_volume - state[HABIT])
    out[4] = context[FUNDING_RATE]
