"""Where bars are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import SeriesInfo


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What became of rows handed to a store: new, replaced by other values, already there as they are."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        return MergeCounts(
            self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged
        )


@dataclass(frozen=True, slots=True)
class BarWindow:
    """Bars of a span with the manifest line of their series; `no_trade_ts_ns` (n,) are its quiet cells."""

    info: SeriesInfo
    bars: BarSeries
    no_trade_ts_ns: NDArray[np.int64]


class BarStore(Protocol):
    """Bars, one series per (symbol, interval), and the manifest that describes them."""

    async def merge(self, series: BarSeries, *, trades_count: NDArray[np.int32] | None = None) -> MergeCounts:
        """Add bars to a series: new ones are inserted, other values replace, equal ones cost a read.

        The manifest line is updated with them. Raises `ConflictError` when the stored series comes from
        another source. Takes the series' lock until the transaction ends.
        """
        ...

    async def load(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
        info: SeriesInfo | None = None,
    ) -> BarSeries:
        """Read the bars that open in [start_ns, stop_ns) and were known at `as_of_ns`, oldest first.

        `info` is the manifest line of the series where the caller has read it in this transaction. Raises
        `NotFoundError` when there is no such series.
        """
        ...

    async def windows(
        self, symbols: Sequence[str], interval: Interval, *, start_ns: int, stop_ns: int
    ) -> Mapping[str, "BarWindow"]:
        """Read the few bars of several symbols that open in [start, stop); what has no bars at all is left out."""
        ...

    async def last_bars(
        self,
        symbol: str,
        interval: Interval,
        n_bars: int,
        *,
        as_of_ns: int | None = None,
        info: SeriesInfo | None = None,
    ) -> BarSeries:
        """Read the newest `n_bars` bars known at `as_of_ns`, oldest first; fewer if there are fewer.

        `info` is the manifest line of the series where it was read just before.
        """
        ...

    async def add_no_trade(self, symbol: str, interval: Interval, ts_ns: NDArray[np.int64]) -> int:
        """Record cells in which the venue is known to have had no trade; returns how many are new.

        A cell with a bar is left alone. Raises `NotFoundError` when there is no such series.
        """
        ...

    async def load_no_trade(
        self, symbol: str, interval: Interval, *, start_ns: int | None = None, stop_ns: int | None = None
    ) -> NDArray[np.int64]:
        """Read the open times of cells without a bar in which nothing traded, ascending."""
        ...

    async def series_of(self, symbols: Sequence[str], interval: Interval) -> Mapping[str, SeriesInfo]:
        """Read the manifest lines of symbols at once; what has no bars is left out."""
        ...

    async def shortest_of(self, symbol: str) -> SeriesInfo | None:
        """Read the manifest line of the shortest bars that there are of a symbol."""
        ...

    async def series(self, symbol: str, interval: Interval) -> SeriesInfo | None:
        """Read one manifest line."""
        ...

    async def all_series(self) -> tuple[SeriesInfo, ...]:
        """Read the manifest, ordered by symbol and bar length."""
        ...
