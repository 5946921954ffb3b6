"""A few hours of a random walk, and a clock that stands: enough for tests of datasets."""

from datetime import datetime

import numpy as np

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval

HOUR = parse_interval("1h")
START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00Z
N_BARS = 900


class FixedClock:
    """Tells one time until it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def random_series(symbol: str, *, seed: int, n_bars: int = N_BARS, start_ns: int = START_NS) -> BarSeries:
    """Bars of a random walk, all of them good."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.005 * rng.standard_normal(n_bars)))
    opened = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opened, close) * 1.001
    low = np.minimum(opened, close) * 0.999
    volume = 1_000.0 * (1.0 + rng.random(n_bars))
    ts_ns = start_ns + HOUR.ns * np.arange(n_bars, dtype=np.int64)
    return BarSeries(symbol, HOUR, "synthetic", ts_ns, np.column_stack([opened, high, low, close, volume]))


def without_bars(series: BarSeries, gone: slice) -> BarSeries:
    """The series with a hole."""
    keep = np.ones(series.ts_ns.size, dtype=np.bool_)
    keep[gone] = False
    return BarSeries(series.symbol, series.interval, series.source, series.ts_ns[keep], series.values[keep])
