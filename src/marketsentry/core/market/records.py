"""Recorded facts besides bars: funding rates, trades, quotes, news, and the manifest line of a bar series."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import InputError


class DataKind(StrEnum):
    """What a file or a table holds."""

    BARS = "bars"
    TRADES = "trades"
    FUNDING = "funding"
    NEWS = "news"
    BOOK = "book"
    QUOTES = "quotes"


@dataclass(frozen=True, slots=True)
class FundingSeries:
    """Funding rates of one perpetual, oldest first.

    `ts_ns` (n,) int64: when the rate was charged, UTC epoch ns, strictly increasing; the rate is known then.
    `rate` (n,) float64: fraction of the position per period, positive when longs pay.
    """

    symbol: str
    source: str
    ts_ns: NDArray[np.int64]
    rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.ts_ns.shape != self.rate.shape or self.ts_ns.ndim != 1:
            raise InputError(f"rate must have shape ({self.ts_ns.size},), was {self.rate.shape}")
        if (np.diff(self.ts_ns) <= 0).any():
            raise InputError(f"funding times of {self.symbol} must be strictly increasing")


@dataclass(frozen=True, slots=True)
class TradeBlock:
    """Trades of one market, in any order.

    `trade_id` (n,) int64 or object (str): the venue's id, unique per source and symbol. `side` (n,) int8:
    +1 the taker bought, -1 the taker sold, 0 not told. `price` in quote currency, `size` in base units
    (contracts for contracts). `known_at_ns`: when a recorder received the trade, its own time where nobody
    recorded that.
    """

    symbol: str
    source: str
    trade_id: NDArray[Any]
    ts_ns: NDArray[np.int64]
    known_at_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    side: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QuoteBlock:
    """Best bids and offers of one market, oldest first, each time once.

    Arrays have shape (n,): prices in quote currency, sizes in base units, times UTC epoch ns; see `TradeBlock` for
    `known_at_ns`.
    """

    symbol: str
    source: str
    ts_ns: NDArray[np.int64]
    known_at_ns: NDArray[np.int64]
    bid: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask: NDArray[np.float64]
    ask_size: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """Manifest line of one bar series: what `data list` shows without reading a bar.

    `first_ns` and `last_ns` are open times of the first and the last known bar. `n_bars` counts stored bars,
    `n_no_trade` those of them without volume plus cells the venue is known to have left out, `n_missing` lost
    cells; `gaps_ns` (n_gaps, 2) int64 are the lost spans, start inclusive, stop exclusive. `revision` is another
    number after every change of a bar or a quiet cell at or before the `last_ns` of then; what is only added behind
    it keeps the number.
    """

    symbol: str
    interval: Interval
    source: str
    is_synthetic: bool
    first_ns: int
    last_ns: int
    n_bars: int
    n_missing: int
    n_no_trade: int
    gaps_ns: NDArray[np.int64] = field(repr=False)
    revision: int = 0
