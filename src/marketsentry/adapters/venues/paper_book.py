"""Paper orders on recorded books: which book an order meets, and what it and the trades after it fill."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from marketsentry.core.market.symbols import counts_contracts
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.orders.book_match import (
    BookLook,
    Level,
    Taken,
    Traded,
    fee_of,
    meet,
    queue_ahead,
    rest,
    take,
)
from marketsentry.core.orders.order import Fill, LegKind, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.books import NewestBook
from marketsentry.ports.paper import PaperOrder
from marketsentry.ports.venue import LegStatus

_KNOWN_FOR_S = 5.0
log = structlog.get_logger(__name__)


class RecordedBooks:
    """Books of the record.

    Parameters
    ----------
    transactions
        The record.
    max_age
        An older book is none.
    monotonic
        Counts seconds; whether a symbol has books at all is asked again after a few of them.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        max_age: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transactions, self._max_age, self._monotonic = transactions, max_age, monotonic
        self._recorded: frozenset[str] = frozenset()
        self._asked_at: float | None = None
        self._told_old: set[str] = set()

    async def has(self, symbol: str) -> bool:
        """Tell whether the record has any book of a symbol in base units, however old."""
        if self._is_due():
            async with self._transactions() as stores:
                return await self.has_within(stores, symbol)
        return symbol in self._recorded

    async def has_within(self, stores: Stores, symbol: str) -> bool:
        """Tell the same inside an open transaction."""
        if self._is_due():
            known = await stores.books.all_series()
            self._recorded = frozenset(one.symbol for one in known if not counts_contracts(one.source))
            self._asked_at = self._monotonic()
        return symbol in self._recorded

    async def look(self, symbol: str, *, at: datetime) -> BookLook | None:
        """Tell the book as it was known at a time; None where there is none that is young enough."""
        if not await self.has(symbol):
            return None
        async with self._transactions() as stores:
            return await self.look_within(stores, symbol, at=at)

    async def look_within(self, stores: Stores, symbol: str, *, at: datetime) -> BookLook | None:
        """Tell the same inside an open transaction."""
        if not await self.has_within(stores, symbol):
            return None
        newest = await stores.books.newest(symbol, as_of=at, since=at - self._max_age)
        self._tell(symbol, at, is_old=newest is None)
        return None if newest is None else _look(symbol, newest)

    def _is_due(self) -> bool:
        return self._asked_at is None or self._monotonic() - self._asked_at >= _KNOWN_FOR_S

    def _tell(self, symbol: str, at: datetime, *, is_old: bool) -> None:
        """Log once that the books of a symbol are too old, and again after they were not."""
        if is_old and symbol not in self._told_old:
            self._told_old.add(symbol)
            log.warning(
                "book_too_old", symbol=symbol, at=at.isoformat(), max_age_s=self._max_age.total_seconds()
            )
        elif not is_old:
            self._told_old.discard(symbol)


class BookFills:
    """Fills orders by books and trades.

    Parameters
    ----------
    books
        The record's books.
    currency
        In which fees are paid.
    lot_size
        Fills are in whole lots; zero takes any.
    """

    def __init__(self, books: RecordedBooks, *, currency: str, lot_size: Decimal) -> None:
        self._books, self._currency, self._lot_size = books, currency, lot_size

    async def arrive(self, stores: Stores, order: PaperOrder, look: BookLook, at: datetime) -> PaperOrder:
        """Match an order that arrives; the market must be held."""
        gone = await stores.paper.took_of(order.venue, order.symbol, order.side, at=look.at)
        leg = _leg(order)
        found = take(leg, look, gone=gone, lot_size=self._lot_size)
        after = replace(
            self._filled(order, found, look.mid, at, "taker"), seen_at=look.at, took=found.qty, traded_to=at
        )
        if after.status.is_over:
            return after
        if order.kind is LegKind.MARKET or order.time_in_force is not TimeInForce.GTC:
            return replace(after, status=LegStatus.CANCELED)
        return replace(after, ahead=queue_ahead(leg, look))

    async def go_on(self, stores: Stores, order: PaperOrder, at: datetime) -> PaperOrder:
        """Match a resting order with the trades since the last look, then with the newest book."""
        order = await self._by_trades(stores, order, at)
        if order.status.is_over:
            return order
        look = await self._books.look_within(stores, order.symbol, at=at)
        if look is None or look.at <= order.seen_at:
            return order
        gone = await stores.paper.took_of(order.venue, order.symbol, order.side, at=look.at)
        found = meet(_leg(order), look, gone=gone, lot_size=self._lot_size)
        after = self._filled(order, found, look.mid, at, "maker")
        return replace(after, seen_at=look.at, took=found.qty)

    async def _by_trades(self, stores: Stores, order: PaperOrder, at: datetime) -> PaperOrder:
        source = await stores.books.source(order.symbol)
        if source is None or order.traded_to is None or at <= order.traded_to:
            return order
        prints = await stores.books.prints(
            order.symbol,
            source=source,
            side=order.side,
            price=order.limit_price,
            after=order.traded_to,
            until=at,
        )
        found = rest(
            _leg(order), order.ahead, Traded(prints.at_price, prints.through), lot_size=self._lot_size
        )
        taken = Taken(found.qty, order.limit_price)
        return replace(self._filled(order, taken, None, at, "maker"), ahead=found.ahead, traded_to=at)

    def _filled(
        self, order: PaperOrder, found: Taken, mid: Decimal | None, at: datetime, liquidity: str
    ) -> PaperOrder:
        if not found.qty:
            return order
        fill = Fill(
            trade_id=f"{order.client_order_id}-{len(order.fills) + 1}",
            qty=found.qty,
            price=found.price,
            fee=fee_of(found.qty, found.price, order.fee_bps),
            fee_currency=self._currency,
            at=at,
            liquidity=liquidity,
            reference=mid,
        )
        is_whole = order.filled_qty + found.qty == order.qty
        return replace(
            order,
            fills=(*order.fills, fill),
            status=LegStatus.FILLED if is_whole else order.status,
        )


def _leg(order: PaperOrder) -> PaperLeg:
    left = order.qty - order.filled_qty
    return PaperLeg(
        order.side, order.kind, left, order.limit_price, order.time_in_force, float(order.fee_bps)
    )


def _look(symbol: str, newest: NewestBook) -> BookLook:
    bids, asks = (
        tuple(Level(Decimal(repr(price)), Decimal(repr(size))) for price, size in side.tolist())
        for side in (newest.book.bids, newest.book.asks)
    )
    return BookLook(symbol, newest.source, ns_to_datetime(newest.book.ts_ns), bids, asks)
