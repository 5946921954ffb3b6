"""The paper venue: a real order book of one, filled by the recorded market and by nothing else (K-14 to K-17).

Its books are a table of the record that is its own, so that it outlives the program like a real venue and can be
asked after a crash (ADR 0190); what it answers to an order commits with what is written of the order (ADR 0256). Each
look at the market may fill an order further, but one state of the market fills it only once. What fills an order is
decided when it arrives: the recorded book where there is one that is young enough, else prices and bars; the status
that it shows says which (ADR 0226).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketsentry.adapters.venues.paper_book import BookFills, RecordedBooks
from marketsentry.adapters.venues.paper_market import PaperMarket
from marketsentry.core.market.symbols import base_of, market_of_symbol
from marketsentry.core.orders.book_match import BookLook
from marketsentry.core.orders.latency import Latency
from marketsentry.core.orders.market_look import MarketLook
from marketsentry.core.orders.order import ZERO, Fill, LegKind, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.paper import Basis, PaperOrder
from marketsentry.ports.quick import quick
from marketsentry.ports.record_venue import Note, Offer
from marketsentry.ports.together import together
from marketsentry.ports.venue import (
    Balance,
    FundingPayment,
    LegRef,
    LegRequest,
    LegStatus,
    LegView,
    Quote,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)

_REQUESTED = ("venue", "symbol", "side", "kind", "qty", "limit_price", "time_in_force")


@dataclass(frozen=True, slots=True)
class PaperRules:
    """How the paper venue behaves: its delay, what taking costs, and the cash that it shows at the start.

    Quantities are whole lots; a `lot_size` of zero takes any. With `charges_mid` a fee counts at the middle of the
    market, as in a backtest, else at the price of its fill. Against a book an order takes up to `jitter_frac` longer,
    as `seed` and its id decide.
    """

    latency_s: float = 0.05
    jitter_frac: float = 0.5
    seed: int = 7
    half_spread_bps: float = 3.0
    impact_coefficient: float = 1.0
    participation_frac: float = 0.1
    lot_size: Decimal = Decimal("1e-8")
    charges_mid: bool = False
    capital: Decimal = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class PaperParts:
    """What the paper venue stands on; without `books` prices and bars fill every order."""

    transactions: Transactions
    market: PaperMarket
    clock: Clock
    rules: PaperRules = field(default_factory=PaperRules)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    books: RecordedBooks | None = None


class PaperVenue:
    """One paper account.

    Parameters
    ----------
    parts
        Its books, its market and its time.
    venue
        Which venue it plays.
    currency
        In which it counts.
    fee_bps
        What it takes of orders handed in from now on.
    """

    name = "paper"

    def __init__(self, parts: PaperParts, *, venue: str, currency: str, fee_bps: Decimal) -> None:
        self._parts, self._venue, self._currency, self._fee_bps = parts, venue, currency, fee_bps
        self._latency = Latency(parts.rules.latency_s, parts.rules.jitter_frac, parts.rules.seed)
        self._by_book = (
            None
            if parts.books is None
            else BookFills(parts.books, currency=currency, lot_size=parts.rules.lot_size)
        )

    async def submit(self, request: LegRequest) -> LegView:
        """Hand in an order; see `Venue.submit`."""
        told: list[LegView] = []

        async def keep(_: Stores, view: LegView) -> None:
            told.append(view)

        await self.submit_with(request, keep)
        return told[-1]

    async def submit_with(self, request: LegRequest, note: Note) -> None:
        """Hand in an order, and write what is noted of the answer with it; see `RecordVenue.submit_with`."""
        self._refuse_size(request)
        sent_at = self._parts.clock.now()
        await self._parts.sleep(self._parts.rules.latency_s)
        book, arrived_at = await self._book_at_arrival(request, sent_at)
        if book is not None:
            await self._arrive_at_book(self._order(request, arrived_at, Basis.BOOK), book, note)
            return
        new = self._order(request, self._parts.clock.now(), Basis.BARS)
        try:
            await self._arrive_at_bars(new, note)
        except _KnownError:
            await self._come_again(new, note)

    async def cancel(self, leg: LegRef) -> None:
        """Cancel an order; see `Venue.cancel`."""
        async with self._parts.transactions() as stores:
            order = await stores.paper.lock(leg.client_order_id)
            if order is not None and not order.status.is_over:
                await stores.paper.put(replace(order, status=LegStatus.CANCELED))

    async def order(self, leg: LegRef) -> LegView | None:
        """Look an order up, after the market has had its chance to fill it; see `Venue.order`."""
        now = self._parts.clock.now()
        books = self._parts.books
        if self._by_book is not None and books is not None and await books.has(leg.symbol):
            async with self._parts.transactions() as stores:
                await stores.paper.hold_market(self._venue, leg.symbol)
                order = await stores.paper.lock(leg.client_order_id)
                if order is not None and order.basis is Basis.BOOK and not order.status.is_over:
                    order = await self._by_book.go_on(stores, order, now)
                    await stores.paper.put(order)
            if order is None or order.basis is Basis.BOOK or order.status.is_over:
                return None if order is None else self._view(order)
        async with self._parts.transactions() as stores:
            order = await stores.paper.lock(leg.client_order_id)
            if order is None or order.status.is_over:
                return None if order is None else self._view(order)
            look = await self._parts.market.look_within(stores, leg.symbol, at=now)
            return self._view(await self._filled_on(stores, order, look, now))

    async def open_orders(self) -> Sequence[LegView]:
        """List the orders that may still fill."""
        async with self._parts.transactions() as stores:
            return [self._view(one) for one in await stores.paper.open(self._venue)]

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        """List all fills of one order."""
        async with self._parts.transactions() as stores:
            order = await stores.paper.lock(leg.client_order_id)
        return () if order is None else order.fills

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        """List fills, oldest first; see `Venue.fills_since`."""
        async with self._parts.transactions() as stores:
            orders = await stores.paper.with_fills(self._venue, since=since)
        told = [
            VenueFill(one.symbol, _venue_id(one), one.client_order_id, one.side, fill)
            for one in orders
            for fill in one.fills
            if fill.at >= since
        ]
        return sorted(told, key=lambda one: (one.fill.at, one.fill.trade_id))

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """List payments for positions: there are none, a perpetual is held like its asset here."""
        return ()

    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds: its capital, moved by all its fills."""
        async with self._parts.transactions() as stores:
            traded = await stores.paper.turnover(self._venue)
        held = {self._currency: self._parts.rules.capital}
        for one in traded:
            base = base_of(one.symbol)
            held[base] = held.get(base, ZERO) + one.side.sign * one.qty
            held[self._currency] -= one.side.sign * one.notional + one.fee
        return [Balance(asset, total, total) for asset, total in sorted(held.items())]

    async def positions(self) -> Sequence[VenuePosition]:
        """Read open perpetual positions: none, a perpetual is held like its asset here."""
        return ()

    async def products(self) -> Sequence[Product]:
        """List what has a price; any price is taken."""
        return [self._product(symbol) for symbol in await self._parts.market.symbols()]

    async def quote(self, symbol: str) -> Quote:
        """Read the best prices; see `Venue.quote`."""
        async with self._parts.transactions() as stores:
            quote = await self._quoted(stores, symbol)
        if quote is None:
            raise _unpriced(symbol)
        return quote

    async def offer(self, stores: Stores, symbol: str) -> Offer | None:
        """Read prices and rules of one product; see `RecordVenue.offer`."""
        quote = await self._quoted(stores, symbol)
        return None if quote is None else Offer(quote, self._product(symbol))

    async def server_time(self) -> datetime:
        """Read the clock."""
        return self._parts.clock.now()

    async def close(self) -> None:
        """Let go of nothing."""

    async def _book_at_arrival(
        self, request: LegRequest, sent_at: datetime
    ) -> tuple[BookLook | None, datetime]:
        """Find the book that an order meets, and when: its latency after it was sent, whatever the clock took."""
        books, latency_s = self._parts.books, self._latency.of(request.client_order_id)
        arrived_at = sent_at + timedelta(seconds=latency_s)
        if books is None or not await books.has(request.symbol):
            return None, arrived_at
        await self._parts.sleep(latency_s - self._parts.rules.latency_s)
        return await books.look(request.symbol, at=arrived_at), arrived_at

    async def _arrive_at_book(self, new: PaperOrder, book: BookLook, note: Note) -> None:
        assert self._by_book is not None
        async with self._parts.transactions() as stores:
            await stores.paper.hold_market(self._venue, new.symbol)
            is_new = await stores.paper.add(new)
            order = await stores.paper.lock(new.client_order_id)
            assert order is not None
            _refuse_other(order, new)
            if is_new:
                order = await self._by_book.arrive(stores, order, book, new.placed_at)
                await stores.paper.put(order)
            await note(stores, self._view(order))

    async def _arrive_at_bars(self, new: PaperOrder, note: Note) -> None:
        """Match an order with prices and bars; raises `_KnownError`, with nothing written, where its id is taken."""
        async with self._parts.transactions() as stores:
            look = await self._parts.market.look_within(stores, new.symbol, at=new.placed_at)
            if look is None:
                raise _unpriced(new.symbol)
            filled = await self._filled(new, look, new.placed_at)
            is_new, _ = await together(stores.paper.add(filled), note(stores, self._view(filled)))
            if not is_new:
                raise _KnownError(new.client_order_id)

    async def _come_again(self, new: PaperOrder, note: Note) -> None:
        """Take an order whose id is known: it is the same one, and the market fills it on, or it is refused."""
        async with self._parts.transactions() as stores:
            order = await stores.paper.lock(new.client_order_id)
            assert order is not None
            _refuse_other(order, new)
            look = await self._parts.market.look_within(stores, new.symbol, at=new.placed_at)
            await note(stores, self._view(await self._filled_on(stores, order, look, new.placed_at)))

    async def _quoted(self, stores: Stores, symbol: str) -> Quote | None:
        now, books = self._parts.clock.now(), self._parts.books
        book = None if books is None else await books.look_within(stores, symbol, at=now)
        if book is not None:
            return Quote(symbol, book.bids[0].price, book.asks[0].price, book.at)
        seen = await self._parts.market.price_within(stores, symbol, at=now)
        if seen is None:
            return None
        half = seen.mid * Decimal(repr(self._parts.rules.half_spread_bps)) / 10_000
        return Quote(symbol, seen.mid - half, seen.mid + half, seen.at)

    def _product(self, symbol: str) -> Product:
        return Product(
            symbol=symbol,
            venue_symbol=symbol,
            base=base_of(symbol),
            quote=self._currency,
            market=market_of_symbol(symbol),
            lot_size=self._parts.rules.lot_size,
            min_qty=self._parts.rules.lot_size,
        )

    def _order(self, request: LegRequest, at: datetime, basis: Basis) -> PaperOrder:
        return PaperOrder(
            client_order_id=request.client_order_id,
            venue=self._venue,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            qty=request.qty,
            limit_price=request.limit_price,
            time_in_force=request.time_in_force,
            fee_bps=self._fee_bps,
            placed_at=at,
            seen_at=datetime.fromtimestamp(0, UTC),
            basis=basis,
        )

    def _refuse_size(self, request: LegRequest) -> None:
        lot = self._parts.rules.lot_size
        if not request.qty > 0 or request.qty < lot:
            raise VenueRefusedError(
                "below_min_size", f"qty must be > 0 and at least {lot}, was {request.qty}"
            )
        if lot and request.qty % lot:
            raise VenueRefusedError(
                "venue_rejected:lot_size", f"qty must be in lots of {lot}, was {request.qty}"
            )

    async def _filled_on(
        self, stores: Stores, order: PaperOrder, look: MarketLook | None, now: datetime
    ) -> PaperOrder:
        """Let prices and bars fill an order that is locked, once for each state of the market."""
        if order.basis is Basis.BOOK or order.status.is_over or look is None or look.at <= order.seen_at:
            return order
        after = await self._filled(order, look, now)
        await stores.paper.put(after)
        return after

    def _view(self, order: PaperOrder) -> LegView:
        """Show an order; where books could fill it, its status says by what it was filled."""
        status = str(order.status).upper()
        return LegView(
            client_order_id=order.client_order_id,
            venue_order_id=_venue_id(order),
            symbol=order.symbol,
            side=order.side,
            status=order.status,
            qty=order.qty,
            filled_qty=order.filled_qty,
            venue_status=status if self._by_book is None else f"{status}_ON_{order.basis.upper()}",
            fills=order.fills,
        )

    async def _filled(self, order: PaperOrder, look: MarketLook, now: datetime) -> PaperOrder:
        from marketsentry.core.orders.paper_leg import PaperLeg
        from marketsentry.core.orders.paper_match import PaperCosts, match_leg

        rules, left = self._parts.rules, order.qty - order.filled_qty
        costs = PaperCosts(
            rules.half_spread_bps,
            rules.impact_coefficient,
            rules.participation_frac,
            rules.lot_size,
            rules.charges_mid,
        )
        leg = PaperLeg(
            order.side, order.kind, left, order.limit_price, order.time_in_force, float(order.fee_bps)
        )
        found = await quick(match_leg, leg, look, costs)
        fills = order.fills
        if found.qty:
            trade_id = f"{order.client_order_id}-{len(fills) + 1}"
            told = Fill(trade_id, found.qty, found.price, found.fee, self._currency, now, "taker", look.mid)
            fills = (*fills, told)
        status = LegStatus.OPEN
        if found.qty == left:
            status = LegStatus.FILLED
        elif order.kind is LegKind.MARKET or order.time_in_force is not TimeInForce.GTC:
            status = LegStatus.CANCELED
        return replace(order, fills=fills, status=status, seen_at=look.at)


class _KnownError(Exception):
    """An order of this id is in the books already."""


def _unpriced(symbol: str) -> VenueRefusedError:
    return VenueRefusedError("no_market_data", f"there is no fresh price of {symbol}")


def _refuse_other(order: PaperOrder, other: PaperOrder) -> None:
    """Refuse a client order id that names another order; the same thing handed in twice is one order."""
    if any(getattr(order, name) != getattr(other, name) for name in _REQUESTED):
        raise VenueRefusedError(
            "venue_rejected:duplicate_client_order_id", f"{order.client_order_id} names another order"
        )


def _venue_id(order: PaperOrder) -> str:
    return f"paper-{order.client_order_id}"
