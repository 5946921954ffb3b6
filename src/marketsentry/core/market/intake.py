"""From a block of rows as a file has them to checked values a store can take: bad rows out, times sorted.

Of rows with the same time in one block the last one counts, as a later import of the same time would.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import FIELDS, BarSeries
from marketsentry.core.market.events import Event
from marketsentry.core.market.headlines import event_of_headline
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import FundingSeries, QuoteBlock, TradeBlock
from marketsentry.core.market.validation import (
    check_bars,
    check_funding,
    check_news,
    check_quotes,
    check_trades,
)

T = TypeVar("T")
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """Outcome of one block.

    `records` holds the good rows; `reason` (n_rows,) uint8 is a `Reason` per row of the block, 0 where it is good;
    `n_duplicates` counts good rows that a later row of the block replaced.
    """

    records: T
    reason: NDArray[np.uint8]
    n_duplicates: int


@dataclass(frozen=True, slots=True)
class BarRecords:
    """Bars with the number of trades in each, (n_bars,) int32."""

    series: BarSeries
    trades_count: NDArray[np.int32]


def take_bars(
    columns: Columns,
    reason: NDArray[np.uint8],
    *,
    symbol: str,
    source: str,
    interval: Interval,
    now_ns: int,
) -> Taken[BarRecords]:
    """Check a block of bars.

    Parameters
    ----------
    columns : dict of str to ndarray
        `ts_ns`, `open`, `high`, `low`, `close`, `volume`, `trades_count`, each (n_rows,).
    reason : ndarray of shape (n_rows,), uint8
        What the reader found already; such rows stay out.
    symbol : str
        Canonical symbol.
    source : str
        Venue and market.
    interval : Interval
        Bar length.
    now_ns : int
        Bars that close later are refused.

    Returns
    -------
    Taken of BarRecords
        Good bars, oldest first, each time once.
    """
    ts_ns = columns["ts_ns"]
    values = np.column_stack([columns[name] for name in FIELDS])
    reason = _either(reason, check_bars(ts_ns, values, interval=interval, now_ns=now_ns))
    rows, n_duplicates = _ascending(ts_ns, reason)
    series = BarSeries(symbol, interval, source, ts_ns[rows], values[rows])
    return Taken(BarRecords(series, columns["trades_count"][rows]), reason, n_duplicates)


def take_funding(
    columns: Columns, reason: NDArray[np.uint8], *, symbol: str, source: str, now_ns: int
) -> Taken[FundingSeries]:
    """Check a block of funding rates: `ts_ns` and `rate`."""
    ts_ns, rate = columns["ts_ns"], columns["rate"]
    reason = _either(reason, check_funding(ts_ns, rate, now_ns=now_ns))
    rows, n_duplicates = _ascending(ts_ns, reason)
    return Taken(FundingSeries(symbol, source, ts_ns[rows], rate[rows]), reason, n_duplicates)


def take_trades(
    columns: Columns, reason: NDArray[np.uint8], *, symbol: str, source: str, now_ns: int
) -> Taken[TradeBlock]:
    """Check a block of trades: `ts_ns`, `known_at_ns`, `price`, `size`, `side`, `trade_id`."""
    ids = columns["trade_id"]
    has_id = np.array([id_ is not None for id_ in ids], dtype=np.bool_)
    found = check_trades(columns["ts_ns"], columns["price"], columns["size"], has_id, now_ns=now_ns)
    reason = _either(reason, found)
    good = np.flatnonzero(reason == 0)
    last = {ids[row]: row for row in good.tolist()}
    rows = np.fromiter(last.values(), dtype=np.intp, count=len(last))
    block = TradeBlock(
        symbol,
        source,
        ids[rows],
        columns["ts_ns"][rows],
        columns["known_at_ns"][rows],
        columns["price"][rows],
        columns["size"][rows],
        columns["side"][rows],
    )
    return Taken(block, reason, good.size - rows.size)


def take_quotes(
    columns: Columns, reason: NDArray[np.uint8], *, symbol: str, source: str, now_ns: int
) -> Taken[QuoteBlock]:
    """Check a block of best bids and offers: `ts_ns`, `known_at_ns`, `bid`, `bid_size`, `ask`, `ask_size`."""
    ts_ns = columns["ts_ns"]
    prices = np.column_stack([columns["bid"], columns["ask"]])
    sizes = np.column_stack([columns["bid_size"], columns["ask_size"]])
    reason = _either(reason, check_quotes(ts_ns, prices, sizes, now_ns=now_ns))
    rows, n_duplicates = _ascending(ts_ns, reason)
    names = ("ts_ns", "known_at_ns", "bid", "bid_size", "ask", "ask_size")
    return Taken(QuoteBlock(symbol, source, *(columns[name][rows] for name in names)), reason, n_duplicates)


def take_news(
    columns: Columns, reason: NDArray[np.uint8], *, source: str, now_ns: int
) -> Taken[tuple[Event, ...]]:
    """Check a block of news: `ts_ns`, `known_at_ns`, `title`, `url`, `source_name`, `payload` (a dict or None)."""
    has_title = np.array([bool(title and title.strip()) for title in columns["title"]], dtype=np.bool_)
    reason = _either(reason, check_news(columns["ts_ns"], has_title, now_ns=now_ns))
    events = tuple(
        event_of_headline(
            columns["title"][row],
            occurred_at_ns=int(columns["ts_ns"][row]),
            known_at_ns=int(columns["known_at_ns"][row]),
            source_name=columns["source_name"][row] or source,
            source_url=columns["url"][row],
            payload=columns["payload"][row] or {},
        )
        for row in np.flatnonzero(reason == 0)
    )
    return Taken(events, reason, 0)


def _either(reader: NDArray[np.uint8], checked: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(reader != 0, reader, checked)


def _ascending(ts_ns: NDArray[np.int64], reason: NDArray[np.uint8]) -> tuple[NDArray[np.intp], int]:
    """Good rows by time, the last of equal ones, and how many equal ones were passed over."""
    good = np.flatnonzero(reason == 0)
    times = ts_ns[good]
    if (np.diff(times) > 0).all():
        return good, 0
    order = np.argsort(times, kind="stable")
    is_last = np.append(np.diff(times[order]) != 0, True)
    return good[order[is_last]], int(good.size - is_last.sum())
