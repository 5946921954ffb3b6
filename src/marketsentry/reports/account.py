"""What a report shows of an account and its trades over time, as plain values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EquityBand:
    """Where equity might have stood: the pointwise band that holds `level` of the resampled paths.

    `rows` (n_rows,) are the rows of the equity curve at which `low_quote` and `high_quote` (n_rows,) are known.
    """

    rows: NDArray[np.int64]
    low_quote: Floats
    high_quote: Floats
    level: float
    n_resamples: int
    block_bars: int


@dataclass(frozen=True, slots=True)
class Activity:
    """Along the equity curve (n_bars,): gross weight held at each close, and notional traded in the bar over equity."""

    gross_frac: Floats
    traded_frac: Floats


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """One round trip. `exit_ns` and `exit_price` are None while it is open; money in quote currency, after costs.

    `entry_price` and `exit_price` are averages over the fills; `first_price` and `last_price` those of the fill that
    opened it and of the fill that closed it.
    """

    symbol: str
    side: int
    entry_ns: int
    exit_ns: int | None
    n_bars: int
    qty: float
    entry_price: float
    exit_price: float | None
    cost_quote: float
    pnl_quote: float
    first_price: float
    last_price: float | None


@dataclass(frozen=True, slots=True)
class TradeLists:
    """The trades worth a look: the most profitable, the most costly, the longest, each best first."""

    best: tuple[TradeFacts, ...]
    worst: tuple[TradeFacts, ...]
    longest: tuple[TradeFacts, ...]
    n_trades: int
    n_open: int


@dataclass(frozen=True, slots=True)
class CandleWindow:
    """Bars around one telling trade of a symbol.

    `why` is `best`, `worst` or `last`; `chosen` is that trade, `others` are those that overlap the window.
    `interval` names the length of a candle, `interval_ns` has it. `open_ns` (n,) are the opens of the candles, `values`
    (n, 4) open, high, low and close; a lost candle has no row.
    """

    symbol: str
    why: str
    chosen: TradeFacts
    others: tuple[TradeFacts, ...]
    n_left_out: int
    interval: str
    interval_ns: int
    open_ns: NDArray[np.int64]
    values: Floats
