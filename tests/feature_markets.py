"""Seeded markets for feature tests."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import parse_interval

START_NS = 1_704_067_200_000_000_000


def random_bars(rng: np.random.Generator, n_bars: int, n_symbols: int) -> NDArray[np.float64]:
    """Whole bars (T, N, 5) of a random walk with wicks, some of them without trades."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (n_bars, n_symbols)), axis=0))
    start = np.concatenate([np.full((1, n_symbols), 100.0), close[:-1]])
    high = np.maximum(start, close) * (1.0 + np.abs(rng.normal(0.0, 0.004, close.shape)))
    low = np.minimum(start, close) * (1.0 - np.abs(rng.normal(0.0, 0.004, close.shape)))
    bars = np.stack([start, high, low, close, rng.lognormal(5.0, 1.5, close.shape)], axis=2)
    for n in range(n_symbols):
        for t in np.flatnonzero(rng.random(n_bars) < 0.03):
            if t > 0:
                bars[t, n] = (*[bars[t - 1, n, 3]] * 4, 0.0)
    return bars


def panel_of(values: NDArray[np.float64], *, interval: str = "5m") -> BarPanel:
    """Put bars (T, N, 5) on a grid; NaN bars are lost."""
    span = parse_interval(interval)
    n_bars, n_symbols = values.shape[:2]
    lost = np.isnan(values).any(axis=2)
    state = np.where(lost, BarState.LOST, np.where(values[:, :, 4] > 0, BarState.TRADED, BarState.NO_TRADE))
    return BarPanel(
        tuple(f"S{n}" for n in range(n_symbols)),
        span,
        ("synthetic",) * n_symbols,
        START_NS + span.ns * np.arange(n_bars, dtype=np.int64),
        values,
        state.astype(np.uint8),
    )
