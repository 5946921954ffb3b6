"""What a live prediction reads and writes: each call is one statement for all symbols, so calls can go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.events import EventSeries
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import FundingSeries, SeriesInfo
from marketsentry.core.serving.cold_start import Price
from marketsentry.core.serving.explain import ContextEvent
from marketsentry.ports.bars import BarWindow
from marketsentry.ports.predictions import PredictionRecord, StoredPrediction


@dataclass(frozen=True, slots=True)
class LiveSeries:
    """The newest of one symbol with the manifest line of its bars.

    `no_trade_ts_ns` (n,) are quiet cells of the span of `bars`. `events` and `funding` hold all that the contexts of
    the bars rest on; a spot symbol takes the funding of its perpetual. `sent` is all this as the record sent it:
    equal where nothing differs.
    """

    info: SeriesInfo
    bars: BarSeries
    no_trade_ts_ns: NDArray[np.int64]
    events: EventSeries
    funding: FundingSeries
    sent: tuple[bytes | None, ...]

    def bar_at(self, ts_ns: int) -> NDArray[np.float64]:
        """Give the bar (5,) that opens then; NaN where there is none."""
        bars = self.bars
        row = int(np.searchsorted(bars.ts_ns, ts_ns))
        is_there = row < bars.ts_ns.size and bars.ts_ns[row] == ts_ns
        return bars.values[row] if is_there else np.full(bars.values.shape[1], np.nan)

    def window(self, start_ns: int, stop_ns: int) -> BarWindow:
        """Cut what opens in [start, stop)."""
        bars = self.bars
        rows = slice(*np.searchsorted(bars.ts_ns, (start_ns, stop_ns)))
        quiet = self.no_trade_ts_ns
        return BarWindow(
            self.info,
            BarSeries(bars.symbol, bars.interval, bars.source, bars.ts_ns[rows], bars.values[rows]),
            quiet[(quiet >= start_ns) & (quiet < stop_ns)],
        )


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """The newest price of a symbol, None without one, and the events about it that occurred last, newest first."""

    price: Price | None = None
    events: tuple[ContextEvent, ...] = ()


class ServingStore(Protocol):
    """Reads as of an instant, UTC epoch ns, and the one write of predictions."""

    async def facts(
        self, symbols: Sequence[str], *, as_of_ns: int, max_events: int
    ) -> Mapping[str, TargetFacts]:
        """Read prices, see `PredictionStore.newest_price`, and events about each symbol or its base asset."""
        ...

    async def series(
        self, symbols: Sequence[str], interval: Interval, *, start_ns: int, since_ns: int, as_of_ns: int
    ) -> Mapping[str, LiveSeries]:
        """Read the bars that open at `start_ns` or later, and what contexts known at `since_ns` or later rest on.

        A symbol without a series is left out.
        """
        ...

    async def add(self, predictions: Sequence[PredictionRecord]) -> Mapping[str, StoredPrediction]:
        """Append predictions of distinct targets with their lineages, snapshots and explanations.

        Returns them by target. One is left out, and not stored, when its lineage has another snapshot of the bar;
        an equal one is shared.
        """
        ...
