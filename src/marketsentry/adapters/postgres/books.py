"""Order books in PostgreSQL: best prices by binary COPY, depth as arrays, one row a book."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from marketsentry.adapters.postgres.binary import COPY_HEADER, COPY_TRAILER, postgres_us, row_template
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.book import BookBlock, BookDepth, Levels
from marketsentry.core.market.records import QuoteBlock
from marketsentry.core.market.symbols import base_of
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.orders.order import Side
from marketsentry.exceptions import ConflictError
from marketsentry.ports.bars import MergeCounts
from marketsentry.ports.books import BookSeries, NewestBook, Prints

_CLAIM = """
INSERT INTO book_series (symbol, source, first_ts, last_ts)
VALUES (%(symbol)s, %(source)s, %(first_ts)s, %(last_ts)s)
ON CONFLICT (symbol) DO UPDATE
SET first_ts = least(book_series.first_ts, excluded.first_ts),
    last_ts = greatest(book_series.last_ts, excluded.last_ts)
RETURNING source
"""

_COUNT = """
UPDATE book_series
SET n_quotes = n_quotes + %(n_quotes)s, n_books = n_books + %(n_books)s, updated_at = now()
WHERE symbol = %(symbol)s
"""

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS given_quotes (
    symbol text, source text, ts timestamptz, known_at timestamptz, bid_px float8, ask_px float8, bid_sz float8,
    ask_sz float8
) ON COMMIT DROP
"""

_COPY = """
COPY given_quotes (symbol, source, ts, known_at, bid_px, ask_px, bid_sz, ask_sz) FROM STDIN (FORMAT BINARY)
"""

_MERGE = """
INSERT INTO orderbook_l2 (symbol, ts, bid_px, ask_px, bid_sz, ask_sz, spread_bps, imbalance, source, known_at)
SELECT symbol, ts, bid_px, ask_px, bid_sz, ask_sz, 20000 * (ask_px - bid_px) / (ask_px + bid_px),
       (bid_sz - ask_sz) / (bid_sz + ask_sz), source, known_at
FROM given_quotes
ON CONFLICT (symbol, source, ts) DO NOTHING
"""

_UNSTAGE = "TRUNCATE given_quotes"

# A book travels as JSON: arrays of unequal length fit no array of arrays
_ADD_DEPTH = """
INSERT INTO orderbook_depth (symbol, source, ts, known_at, bid_px, bid_sz, ask_px, ask_sz)
SELECT %(symbol)s, %(source)s, timestamptz 'epoch' + given.ts_us * interval '1 microsecond',
       timestamptz 'epoch' + given.known_us * interval '1 microsecond', given.bid_px, given.bid_sz, given.ask_px,
       given.ask_sz
FROM json_to_recordset(%(rows)s::json) AS given (
    ts_us bigint, known_us bigint, bid_px float8[], bid_sz float8[], ask_px float8[], ask_sz float8[])
ON CONFLICT (symbol, source, ts) DO NOTHING
"""

_NEWEST_DEPTH = """
SELECT source, ts, known_at, bid_px, bid_sz, ask_px, ask_sz
FROM orderbook_depth
WHERE symbol = %(symbol)s AND ts <= %(as_of)s AND ts >= %(since)s AND known_at <= %(as_of)s
ORDER BY ts DESC
LIMIT 1
"""

_NEWEST_QUOTE = """
SELECT source, ts, known_at, ARRAY[bid_px] AS bid_px, ARRAY[bid_sz] AS bid_sz, ARRAY[ask_px] AS ask_px,
       ARRAY[ask_sz] AS ask_sz
FROM orderbook_l2
WHERE symbol = %(symbol)s AND ts <= %(as_of)s AND ts >= %(since)s AND known_at <= %(as_of)s
ORDER BY ts DESC
LIMIT 1
"""

# A trade whose taker is not told counts only beyond the price: at it, it may have been on the order's own side
_PRINTS = """
SELECT coalesce(sum(size::text::numeric) FILTER (WHERE price = %(price)s::float8 AND side = %(taker)s), 0) AS at_price,
       coalesce(sum(size::text::numeric) FILTER (WHERE (price - %(price)s::float8) * %(sign)s < 0
           AND coalesce(side, %(taker)s) = %(taker)s), 0) AS through
FROM trades_ticks
WHERE symbol = %(symbol)s AND source = %(source)s AND ts > %(after)s AND ts <= %(until)s AND known_at <= %(until)s
"""

_SOURCE = "SELECT source FROM book_series WHERE symbol = %(symbol)s"

_SERIES = "SELECT symbol, source, first_ts, last_ts, n_quotes, n_books FROM book_series ORDER BY symbol"


class PostgresBookStore:
    """`BookStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add_quotes(self, block: QuoteBlock) -> MergeCounts:
        """Insert best prices; see `BookStore.add_quotes`."""
        n_rows = int(block.ts_ns.size)
        if not n_rows:
            return MergeCounts()
        await self._claim(block.symbol, block.source, int(block.ts_ns.min()), int(block.ts_ns.max()))
        n_new = await self._merge_quotes(block)
        await self._count(block.symbol, n_quotes=n_new, n_books=0)
        return MergeCounts(n_new, 0, n_rows - n_new)

    async def add_books(self, block: BookBlock) -> MergeCounts:
        """Insert books and their best prices; see `BookStore.add_books`."""
        books = block.books
        if not books:
            return MergeCounts()
        await self._claim(block.symbol, block.source, books[0].ts_ns, books[-1].ts_ns)
        rows = orjson.dumps([_depth_row(one) for one in books])
        given = {"symbol": block.symbol, "source": block.source, "rows": rows.decode()}
        n_new = await self._statements.count(_ADD_DEPTH, given)
        n_quotes = await self._merge_quotes(_best_of(block))
        await self._count(block.symbol, n_quotes=n_quotes, n_books=n_new)
        return MergeCounts(n_new, 0, len(books) - n_new)

    async def newest(self, symbol: str, *, as_of: datetime, since: datetime) -> NewestBook | None:
        """Read the newest book; see `BookStore.newest`."""
        given = {"symbol": symbol, "as_of": as_of, "since": since}
        for query, has_depth in ((_NEWEST_DEPTH, True), (_NEWEST_QUOTE, False)):
            row = await self._statements.row(query, given)
            if row is not None:
                book = BookDepth(
                    datetime_to_ns(row["ts"]),
                    datetime_to_ns(row["known_at"]),
                    _levels(row["bid_px"], row["bid_sz"]),
                    _levels(row["ask_px"], row["ask_sz"]),
                )
                return NewestBook(row["source"], book, has_depth)
        return None

    async def source(self, symbol: str) -> str | None:
        """Name where the books of a symbol come from; see `BookStore.source`."""
        row = await self._statements.row(_SOURCE, {"symbol": symbol})
        return None if row is None else str(row["source"])

    async def prints(
        self, symbol: str, *, source: str, side: Side, price: Decimal, after: datetime, until: datetime
    ) -> Prints:
        """Add up the trades against a resting order; see `BookStore.prints`."""
        given = {
            "symbol": symbol,
            "source": source,
            "taker": "sell" if side is Side.BUY else "buy",
            "sign": side.sign,
            "price": float(price),
            "after": after,
            "until": until,
        }
        ((at_price, through),) = await self._statements.tuples(_PRINTS, given)
        return Prints(Decimal(at_price), Decimal(through))

    async def all_series(self) -> Sequence[BookSeries]:
        """List what there is."""
        return [BookSeries(*row) for row in await self._statements.tuples(_SERIES)]

    async def _claim(self, symbol: str, source: str, first_ns: int, last_ns: int) -> None:
        """Widen the span of a symbol; holds its row, so that two imports count one after the other."""
        given = {
            "symbol": symbol,
            "source": source,
            "first_ts": ns_to_datetime(first_ns),
            "last_ts": ns_to_datetime(last_ns),
        }
        row = await self._statements.row(_CLAIM, given)
        if row is not None and row["source"] != source:
            raise ConflictError(
                f"{symbol} holds books of {row['source']}, these are of {source}; "
                f"keep both by naming the new one, as in --as {base_of(symbol)}-OTHER"
            )

    async def _count(self, symbol: str, *, n_quotes: int, n_books: int) -> None:
        await self._statements.send(_COUNT, {"symbol": symbol, "n_quotes": n_quotes, "n_books": n_books})

    async def _merge_quotes(self, block: QuoteBlock) -> int:
        await self._statements.send(_STAGE)
        async with self._statements.copy(_COPY) as copy:
            await copy.write(COPY_HEADER)
            await copy.write(_encoded(block))
            await copy.write(COPY_TRAILER)
        n_new = await self._statements.count(_MERGE)
        await self._statements.send(_UNSTAGE)
        return n_new


def _encoded(block: QuoteBlock) -> memoryview:
    rows = row_template(
        block.ts_ns.size,
        {
            "symbol": block.symbol.encode(),
            "source": block.source.encode(),
            "ts": ">i8",
            "known_at": ">i8",
            **dict.fromkeys(("bid_px", "ask_px", "bid_sz", "ask_sz"), ">f8"),
        },
    )
    rows["ts"] = postgres_us(block.ts_ns)
    rows["known_at"] = _known_us(block.known_at_ns)
    rows["bid_px"], rows["ask_px"] = block.bid, block.ask
    rows["bid_sz"], rows["ask_sz"] = block.bid_size, block.ask_size
    return rows.view(np.uint8).data


def _known_us(known_at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round up to what is told apart: nothing is known before it was."""
    return postgres_us(known_at_ns + 999)


def _best_of(block: BookBlock) -> QuoteBlock:
    best = np.array([(*one.bids[0], *one.asks[0]) for one in block.books])
    ts_ns = np.array([one.ts_ns for one in block.books], dtype=np.int64)
    known_ns = np.array([one.known_at_ns for one in block.books], dtype=np.int64)
    return QuoteBlock(block.symbol, block.source, ts_ns, known_ns, *best.T)


def _depth_row(book: BookDepth) -> dict[str, Any]:
    return {
        "ts_us": book.ts_ns // 1_000,
        "known_us": -(-book.known_at_ns // 1_000),
        "bid_px": book.bids[:, 0].tolist(),
        "bid_sz": book.bids[:, 1].tolist(),
        "ask_px": book.asks[:, 0].tolist(),
        "ask_sz": book.asks[:, 1].tolist(),
    }


def _levels(prices: Sequence[float], sizes: Sequence[float]) -> Levels:
    return np.column_stack([prices, sizes]).astype(np.float64)
