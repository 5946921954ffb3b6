"""Bars of one symbol, and the panel that puts several symbols on one regular time grid.

A lost bar is a hole: it stays NaN in the panel and is never filled with an invented price. A bar without
trades is a fact (the venue says nothing traded) and carries the last close with zero volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import DataQualityError, InputError

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
FIELDS = ("open", "high", "low", "close", "volume")


class BarState(IntEnum):
    """What is known of one cell of the grid."""

    TRADED = 0
    NO_TRADE = 1
    LOST = 2
    UNLISTED = 3


# Numbers: the look-up of a member takes as long as a small array's arithmetic
_TRADED, _NO_TRADE, _LOST, _UNLISTED = map(int, BarState)


@dataclass(frozen=True, slots=True)
class BarSeries:
    """Bars of one symbol, oldest first.

    `ts_ns` (n_bars,) int64: bar open times, UTC epoch ns, strictly increasing, on the interval's grid.
    `values` (n_bars, 5) float64: open, high, low, close in quote currency, volume in base units.
    `source` names the venue and market, e.g. `binance_spot`; synthetic data says `synthetic`.
    """

    symbol: str
    interval: Interval
    source: str
    ts_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape != (self.ts_ns.size, len(FIELDS)):
            raise InputError(f"values must have shape ({self.ts_ns.size}, 5), was {self.values.shape}")
        if (self.ts_ns[1:] <= self.ts_ns[:-1]).any():
            raise DataQualityError(
                f"bars of {self.symbol} {self.interval} must be strictly increasing in time"
            )
        if (self.ts_ns % self.interval.ns).any():
            raise DataQualityError(f"bars of {self.symbol} must open on the {self.interval} grid")


@dataclass(frozen=True, slots=True)
class BarPanel:
    """Several symbols on one regular grid.

    `ts_ns` (T,) bar open times, every interval; `values` (T, N, 5), NaN where a bar is lost or unlisted;
    `state` (T, N) uint8 of `BarState`. The bar of row t is known at `known_at_ns[t]`, its close.
    `funding` (T, N) are the rates of perpetuals (`core.backtest.funding`), None on spot and where nothing is traded.
    """

    symbols: tuple[str, ...]
    interval: Interval
    sources: tuple[str, ...]
    ts_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    state: NDArray[np.uint8]
    funding: NDArray[np.float64] | None = None

    @property
    def n_bars(self) -> int:
        return int(self.ts_ns.size)

    @property
    def known_at_ns(self) -> NDArray[np.int64]:
        return self.ts_ns + self.interval.ns

    @property
    def close(self) -> NDArray[np.float64]:
        return self.values[:, :, CLOSE]

    def window(self, start: int, stop: int) -> "BarPanel":
        """Rows `start` to `stop` (exclusive) as views."""
        rows = slice(start, stop)
        return BarPanel(
            symbols=self.symbols,
            interval=self.interval,
            sources=self.sources,
            ts_ns=self.ts_ns[rows],
            values=self.values[rows],
            state=self.state[rows],
            funding=None if self.funding is None else self.funding[rows],
        )


def align_panel(
    series: Sequence[BarSeries], *, no_trade_ts_ns: Sequence[NDArray[np.int64]] | None = None
) -> BarPanel:
    """Put series on one grid from the earliest to the latest bar.

    Parameters
    ----------
    series : sequence of BarSeries
        At least one; all of one interval, symbols distinct.
    no_trade_ts_ns : sequence of int64 arrays, optional
        Per series, bar times at which the venue is known to have had no trade and therefore sent no bar.

    Returns
    -------
    BarPanel
        A missing cell is `NO_TRADE` (last close carried, volume 0) if the venue said so and a bar came
        before it without loss between, `UNLISTED` before the first and after the last bar of the symbol, else `LOST`.

    Raises
    ------
    InputError
        If there is no series, a series is empty, intervals differ or a symbol repeats.
    """
    if not series:
        raise InputError("a panel needs at least one series")
    interval = series[0].interval
    symbols = tuple(s.symbol for s in series)
    if any(s.interval != interval for s in series):
        raise InputError(
            f"all series of a panel must share one interval, were {[str(s.interval) for s in series]}"
        )
    if len(set(symbols)) != len(symbols):
        raise InputError(f"symbols of a panel must be distinct, were {symbols}")
    empty = [s.symbol for s in series if s.ts_ns.size == 0]
    if empty:
        raise InputError(f"series must have at least one bar, empty: {empty}")
    first = min(int(s.ts_ns[0]) for s in series)
    last = max(int(s.ts_ns[-1]) for s in series)
    # numpy counts the steps of a range of large integers in floating point and may drop the last one
    ts_ns = first + interval.ns * np.arange((last - first) // interval.ns + 1, dtype=np.int64)
    values = np.full((ts_ns.size, len(series), len(FIELDS)), np.nan)
    state = np.full((ts_ns.size, len(series)), _LOST, dtype=np.uint8)
    for n, one in enumerate(series):
        start, stop = (int(at - first) // interval.ns for at in (one.ts_ns[0], one.ts_ns[-1] + interval.ns))
        is_whole = stop - start == one.ts_ns.size  # a slice costs a fifth of what the rows one by one do
        rows = slice(start, stop) if is_whole else (one.ts_ns - first) // interval.ns
        values[rows, n] = one.values
        state[rows, n] = np.where(one.values[:, VOLUME] > 0, _TRADED, _NO_TRADE)
        state[:start, n] = _UNLISTED
        state[stop:, n] = _UNLISTED
        if no_trade_ts_ns is not None and no_trade_ts_ns[n].size:
            _carry_no_trade(values[:, n], state[:, n], (no_trade_ts_ns[n] - first) // interval.ns)
    return BarPanel(symbols, interval, tuple(s.source for s in series), ts_ns, values, state)


def _carry_no_trade(values: NDArray[np.float64], state: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
    """Mark rows that the venue says had no trade; oldest first, so a run of them carries the same close."""
    for row in np.sort(rows):
        if 0 < row < state.size and state[row] == _LOST and state[row - 1] <= _NO_TRADE:
            close = values[row - 1, CLOSE]
            values[row] = (close, close, close, close, 0.0)
            state[row] = _NO_TRADE
