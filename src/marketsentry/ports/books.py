"""Where order books are kept: the best prices at each time, and depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.core.market.book import BookBlock, BookDepth
from marketsentry.core.market.records import QuoteBlock
from marketsentry.core.orders.order import Side
from marketsentry.ports.bars import MergeCounts


@dataclass(frozen=True, slots=True)
class BookSeries:
    """What there is of the books of one symbol: how many best prices, and how many books with depth."""

    symbol: str
    source: str
    first_at: datetime
    last_at: datetime
    n_quotes: int
    n_books: int


@dataclass(frozen=True, slots=True)
class NewestBook:
    """A book with its source; `has_depth` is false where only the best prices are known."""

    source: str
    book: BookDepth
    has_depth: bool


@dataclass(frozen=True, slots=True)
class Prints:
    """What takers traded against a resting order: base units at its very price, and at prices better for a taker."""

    at_price: Decimal
    through: Decimal


class BookStore(Protocol):
    """Books of one source per symbol. Nothing is replaced: what is there at a time stays."""

    async def add_quotes(self, block: QuoteBlock) -> MergeCounts:
        """Insert best prices; `ConflictError` when the symbol's books come from another source."""
        ...

    async def add_books(self, block: BookBlock) -> MergeCounts:
        """Insert books, and their best prices; `ConflictError` as for `add_quotes`."""
        ...

    async def newest(self, symbol: str, *, as_of: datetime, since: datetime) -> NewestBook | None:
        """Read the newest book of `since` or later that was known at `as_of`: with depth, else the best prices."""
        ...

    async def source(self, symbol: str) -> str | None:
        """Name where the books of a symbol come from; None where there are none."""
        ...

    async def prints(
        self, symbol: str, *, source: str, side: Side, price: Decimal, after: datetime, until: datetime
    ) -> Prints:
        """Add up the trades in (after, until] that were known then and that a resting order of `side` would meet."""
        ...

    async def all_series(self) -> Sequence[BookSeries]:
        """List what there is, by symbol."""
        ...
