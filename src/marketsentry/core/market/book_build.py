"""From changed levels to books: the procedure of the exchanges, and one book a step of time.

A recording is whole books (snapshots) and messages of changed levels between them. Messages that came before the first
book are held back and applied where they are newer than it. A message that does not follow the one before (its ids
leave a hole) or that has a bad row makes the book unknown until the next whole one: a book with a hole in it is never
given. A crossed book is not given either.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.book import EXACT_LEVELS, REACH_BPS, BookBlock, BookDepth, Levels, condense
from marketsentry.core.market.intake import Columns, Taken
from marketsentry.core.market.validation import check_levels

STEP_NS = 100_000_000
MAX_HELD_MESSAGES = 20_000
_KEY = ("last_id", "ts_ns", "is_snapshot")
_FIELDS = ("price", "size", "side", "first_id", "prev_id", "known_at_ns")
_NO_ID = -1


@dataclass(frozen=True, slots=True)
class Message:
    """Levels that changed at once, (price, size, side) each; ids are -1 where the venue told none."""

    ts_ns: int
    known_at_ns: int
    is_snapshot: bool
    first_id: int
    last_id: int
    prev_id: int
    levels: tuple[tuple[float, float, int], ...]
    is_whole: bool = True


class _Side:
    """One side: sizes by price, and the prices in order."""

    __slots__ = ("_prices", "_sign", "_sizes")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._sizes: dict[float, float] = {}
        self._prices: list[float] = []  # ascending

    def set(self, price: float, size: float) -> None:
        known = price in self._sizes
        if size > 0.0:
            self._sizes[price] = size
            if not known:
                insort(self._prices, price)
        elif known:
            del self._sizes[price]
            del self._prices[bisect_left(self._prices, price)]

    def kept(self) -> Levels:
        """The levels worth keeping, the best first."""
        if not self._prices:
            return np.empty((0, 2))
        reach = 1.0 + REACH_BPS * 1.01e-4
        if self._sign > 0:
            start = bisect_left(self._prices, self._prices[-1] / reach)
            near = self._prices[max(0, min(start, len(self._prices) - EXACT_LEVELS)) :][::-1]
        else:
            near = self._prices[: max(EXACT_LEVELS, bisect_left(self._prices, self._prices[0] * reach))]
        sizes = list(map(self._sizes.__getitem__, near))
        return condense(np.column_stack([near, sizes]))


class BookBuilder:
    """Follows the recording of one market over any number of blocks.

    Parameters
    ----------
    step_ns
        At most one book is given in each step of this length, the first that is complete in it.
    """

    def __init__(self, *, step_ns: int = STEP_NS) -> None:
        self._step_ns = step_ns
        self._held_rows: dict[str, NDArray[Any]] | None = None
        self._waiting: deque[Message] = deque(maxlen=MAX_HELD_MESSAGES)
        self._bids, self._asks = _Side(1), _Side(-1)
        self._is_known = False
        self._last_id = _NO_ID
        self._ts_ns = self._due_ns = 0

    def take(self, columns: Columns, reason: NDArray[np.uint8]) -> list[BookDepth]:
        """Follow a block of rows; its last message may go on in the next one and is kept back.

        Parameters
        ----------
        columns : dict of str to ndarray
            Those of `ports.files.RowBlock` for books, each (n_rows,).
        reason : ndarray of shape (n_rows,), uint8
            What is wrong with each row, 0 where it is good.

        Returns
        -------
        list of BookDepth
            Oldest first.
        """
        rows = {name: columns[name] for name in (*_KEY, *_FIELDS)} | {"is_bad": reason != 0}
        if self._held_rows is not None:
            rows = {name: np.concatenate([self._held_rows[name], rows[name]]) for name in rows}
        starts = _starts(rows)
        if not starts.size:
            return []
        cut = int(starts[-1])
        self._held_rows = {name: column[cut:] for name, column in rows.items()}
        return self._follow({name: column[:cut] for name, column in rows.items()}, starts[:-1])

    def finish(self) -> list[BookDepth]:
        """Follow the last message, once there are no more rows."""
        rows, self._held_rows = self._held_rows, None
        return [] if rows is None else self._follow(rows, np.zeros(1, dtype=np.intp))

    def apply(self, message: Message) -> BookDepth | None:
        """Follow one message; gives the book after it where it is known and due."""
        if message.is_snapshot:
            self._begin(message)
        elif not self._is_known:
            self._waiting.append(message)
        else:
            self._update(message)
        self._ts_ns = max(self._ts_ns, message.ts_ns)
        if not self._is_known or self._ts_ns < self._due_ns:
            return None
        bids, asks = self._bids.kept(), self._asks.kept()
        if not (bids.size and asks.size) or bids[0, 0] >= asks[0, 0]:
            return None
        self._due_ns = (self._ts_ns // self._step_ns + 1) * self._step_ns
        return BookDepth(self._ts_ns, max(self._ts_ns, message.known_at_ns), bids, asks)

    def _follow(self, rows: dict[str, NDArray[Any]], starts: NDArray[np.intp]) -> list[BookDepth]:
        books = (self.apply(message) for message in _messages(rows, starts))
        return [book for book in books if book is not None]

    def _begin(self, message: Message) -> None:
        self._bids, self._asks = _Side(1), _Side(-1)
        self._last_id, self._is_known = message.last_id, message.is_whole
        self._set(message)
        waiting = tuple(self._waiting)
        self._waiting.clear()
        for held in waiting if message.last_id != _NO_ID else ():
            if self._is_known:
                self._update(held)

    def _update(self, message: Message) -> None:
        last = message.last_id
        if last != _NO_ID and last <= self._last_id:
            return
        follows = last == _NO_ID or message.prev_id == self._last_id or message.first_id <= self._last_id + 1
        if not (follows and message.is_whole):
            self._is_known = False
            self._waiting.clear()
            if message.is_whole:
                self._waiting.append(message)
            return
        self._set(message)
        self._last_id = last

    def _set(self, message: Message) -> None:
        for price, size, side in message.levels:
            (self._bids if side > 0 else self._asks).set(price, size)


def take_books(
    builder: BookBuilder,
    columns: Columns,
    reason: NDArray[np.uint8],
    *,
    symbol: str,
    source: str,
    now_ns: int,
) -> Taken[BookBlock]:
    """Check a block of changed levels and follow it; rows that gave no book of their own count as folded into one."""
    found = check_levels(columns["ts_ns"], columns["price"], columns["size"], columns["side"], now_ns=now_ns)
    reason = np.where(reason != 0, reason, found)
    books = tuple(builder.take(columns, reason))
    return Taken(BookBlock(symbol, source, books), reason, int((reason == 0).sum()) - len(books))


def _starts(rows: dict[str, NDArray[Any]]) -> NDArray[np.intp]:
    """Where each message begins: where id, time or kind is another than in the row before."""
    n_rows = rows["ts_ns"].size
    is_start = np.zeros(n_rows, dtype=np.bool_)
    is_start[:1] = True
    for name in _KEY:
        is_start[1:] |= rows[name][1:] != rows[name][:-1]
    return np.flatnonzero(is_start)


def _messages(rows: dict[str, NDArray[Any]], starts: NDArray[np.intp]) -> list[Message]:
    if not starts.size:
        return []
    levels = list(zip(rows["price"].tolist(), rows["size"].tolist(), rows["side"].tolist(), strict=True))
    names = ("ts_ns", "known_at_ns", "is_snapshot", "first_id", "last_id", "prev_id")
    heads = zip(*(rows[name][starts].tolist() for name in names), strict=True)
    stops = [*starts[1:].tolist(), len(levels)]
    is_bad = np.add.reduceat(rows["is_bad"], starts) > 0
    return [
        Message(ts_ns, known_ns, bool(kind), first, last, prev, tuple(levels[start:stop]), not bad)
        for (ts_ns, known_ns, kind, first, last, prev), start, stop, bad in zip(
            heads, starts.tolist(), stops, is_bad, strict=True
        )
    ]
