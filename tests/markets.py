"""Small made-up panels for tests: random walks with holes, quiet bars and late listings, from one seed."""

import numpy as np

from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import parse_interval


def random_panel(seed, n_bars, n_targets, *, deviation=0.02, holes=0.1, interval="1h", volume=1_000.0):
    """Bars whose open is near the close before; `holes` is the share of lost bars and of bars without trades."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, deviation, (n_bars, n_targets))
    close = 100.0 * np.exp(np.cumsum(steps, axis=0))
    before = np.vstack((np.full(n_targets, 100.0), close[:-1]))
    open_ = before * np.exp(rng.normal(0.0, deviation / 4, close.shape))
    values = np.empty((n_bars, n_targets, 5))
    values[:, :, 0], values[:, :, 3] = open_, close
    values[:, :, 1], values[:, :, 2] = np.maximum(open_, close), np.minimum(open_, close)
    values[:, :, 4] = volume * rng.lognormal(0.0, 1.0, close.shape)
    state = np.full(close.shape, BarState.TRADED, dtype=np.uint8)
    quiet, lost = rng.random(close.shape) < holes, rng.random(close.shape) < holes
    values[quiet, 4], state[quiet] = 0.0, BarState.NO_TRADE
    values[lost], state[lost] = np.nan, BarState.LOST
    step = parse_interval(interval)
    ts_ns = 1_600_000_200 // step.seconds * step.ns + np.arange(n_bars, dtype=np.int64) * step.ns
    symbols = tuple(f"S{n}" for n in range(n_targets))
    return BarPanel(symbols, step, ("synthetic",) * n_targets, ts_ns, values, state)


def random_predictions(seed, shape, *, deviation=0.01, missing=0.1, repeat=0.5):
    """Forecasts that often repeat the one before, NaN where there is none."""
    rng = np.random.default_rng(seed)
    out = rng.normal(0.0, deviation, shape)
    for t in range(1, shape[0]):
        same = rng.random(shape[1]) < repeat
        out[t, same] = out[t - 1, same]
    out[rng.random(shape) < missing] = np.nan
    return out
