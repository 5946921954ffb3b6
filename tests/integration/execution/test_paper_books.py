"""The paper venue on recorded books: depth, queue, own orders, latency, and what it says where there is no book."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from execution_world import World
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.paper import PaperParts, PaperRules, PaperVenue
from marketsentry.adapters.venues.paper_book import RecordedBooks
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.core.market.book import BookBlock, BookDepth
from marketsentry.core.market.records import QuoteBlock, TradeBlock
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.exceptions import ConflictError
from marketsentry.ports.venue import LegRef, LegRequest, LegStatus, LegView
from marketsentry.services.venue_check import check_venue
from marketsentry.services.venue_trial import VenueTrial

RULES = PaperRules(latency_s=0.01)
SOURCE = "test_spot"
Side_ = Sequence[tuple[float, float]]


async def add_book(
    database: Database, at: datetime, bids: Side_, asks: Side_, *, source: str = SOURCE
) -> None:
    """Record a book that is known at once."""
    ns = datetime_to_ns(at)
    depth = BookDepth(ns, ns, np.array(bids, dtype=float), np.array(asks, dtype=float))
    async with database.transactions() as stores:
        await stores.books.add_books(BookBlock("BTC", source, (depth,)))


async def add_trades(database: Database, at: datetime, *trades: tuple[float, float, int]) -> None:
    """Record trades of one time: price, size, and +1 where the taker bought."""
    ns = np.full(len(trades), datetime_to_ns(at), dtype=np.int64)
    ids = np.array([f"{at.isoformat()}-{i}" for i in range(len(trades))], dtype=object)
    price, size, side = (np.array(column) for column in zip(*trades, strict=True))
    block = TradeBlock(
        "BTC", SOURCE, ids, ns, ns, price.astype(float), size.astype(float), side.astype(np.int8)
    )
    async with database.transactions() as stores:
        await stores.events.add_trades(block)


def venue_of(world: World, name: str = "coinbase", rules: PaperRules = RULES) -> PaperVenue:
    market = RecordedMarket(world.database.transactions, max_age=timedelta(hours=2))
    books = RecordedBooks(world.database.transactions, max_age=timedelta(seconds=5), monotonic=_Ages())
    parts = PaperParts(world.database.transactions, market, world.clock, rules, world.clock.sleep, books)
    return PaperVenue(parts, venue=name, currency="USD", fee_bps=Decimal(5))


class _Ages:
    """Each time an hour later, so that nothing is remembered."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 3600.0
        return self._now


def request(
    name: str, qty: str, limit: str, force: TimeInForce = TimeInForce.IOC, *, side: Side = Side.BUY
) -> LegRequest:
    return LegRequest(name, "BTC", side, LegKind.LIMIT, Decimal(qty), Decimal(limit), force)


@pytest.fixture
async def booked(world: World) -> World:
    """The market of bars, with a book a tenth of a second ago."""
    await add_book(
        world.database, world.clock.at - timedelta(seconds=0.1), [(99, 2), (98, 5)], [(101, 1), (102, 4)]
    )
    return world


def told(view: LegView) -> list[tuple[str, str, str]]:
    return [(str(f.qty), str(f.price.normalize()), f.liquidity) for f in view.fills]


async def test_an_order_takes_the_depth_and_says_that_a_book_filled_it(booked: World) -> None:
    view = await venue_of(booked).submit(request("a", "2", "103"))
    assert (view.status, view.venue_status) == (LegStatus.FILLED, "FILLED_ON_BOOK")
    (fill,) = view.fills
    assert (fill.qty, fill.price, fill.reference) == (2, Decimal("101.5"), 100)
    assert fill.fee == Decimal("203") * 5 / 10_000
    quote = await venue_of(booked).quote("BTC")
    assert (quote.bid, quote.ask) == (99, 101)


@pytest.mark.parametrize(
    ("force", "qty", "status", "filled"),
    [
        (TimeInForce.IOC, "9", LegStatus.CANCELED, 5),
        (TimeInForce.FOK, "9", LegStatus.CANCELED, 0),
        (TimeInForce.GTC, "9", LegStatus.OPEN, 5),
        (TimeInForce.FOK, "5", LegStatus.FILLED, 5),
    ],
)
async def test_time_in_force_is_kept_where_the_depth_ends(
    booked: World, force: TimeInForce, qty: str, status: LegStatus, filled: int
) -> None:
    view = await venue_of(booked).submit(request("a", qty, "102", force))
    assert (view.status, view.filled_qty) == (status, filled)


async def test_orders_share_the_depth_of_one_book_and_the_next_book_is_whole(booked: World) -> None:
    venue = venue_of(booked)
    at_once = await asyncio.gather(*(venue.submit(request(f"a{i}", "2", "103")) for i in range(4)))
    assert sum(view.filled_qty for view in at_once) == 5
    assert (await venue_of(booked, "bitget").submit(request("b", "2", "103"))).filled_qty == 2
    await add_book(booked.database, booked.clock.at, [(99, 2)], [(101, 1)])
    assert (await venue.submit(request("c", "2", "103"))).filled_qty == 1


async def test_a_resting_order_waits_for_its_turn(booked: World) -> None:
    venue = venue_of(booked)
    placed = await venue.submit(request("a", "3", "99", TimeInForce.GTC))
    assert (placed.status, placed.fills) == (LegStatus.OPEN, ())
    ref = LegRef("BTC", "a", placed.venue_order_id, booked.clock.at)
    await booked.clock.sleep(1)
    await add_trades(booked.database, booked.clock.at, (99.0, 1.5, -1), (99.0, 50.0, 1), (99.5, 50.0, -1))
    await booked.clock.sleep(1)
    assert await venue.order(ref) == placed  # 1.5 of the 2 before it were traded
    await add_trades(booked.database, booked.clock.at, (99.0, 1.5, -1))
    seen = await venue.order(ref)
    assert seen is not None
    assert told(seen) == []  # that trade was at the very time of the last look
    await booked.clock.sleep(1)
    await add_trades(booked.database, booked.clock.at, (99.0, 1.5, -1))
    after = await venue.order(ref)
    assert after is not None
    assert told(after) == [("1.0", "99", "maker")]
    await booked.clock.sleep(1)
    assert await venue.order(ref) == after
    await add_book(booked.database, booked.clock.at, [(97, 1)], [(98, 0.5), (98.5, 10)])
    done = await venue.order(ref)
    assert done is not None
    assert told(done) == [("1.0", "99", "maker"), ("2.0", "99", "maker")]
    assert (done.status, await venue.order(ref)) == (LegStatus.FILLED, done)


async def test_a_cancelled_order_is_filled_no_more(booked: World) -> None:
    venue = venue_of(booked)
    placed = await venue.submit(request("a", "3", "99", TimeInForce.GTC))
    ref = LegRef("BTC", "a", placed.venue_order_id, booked.clock.at)
    await venue.cancel(ref)
    await booked.clock.sleep(1)
    await add_trades(booked.database, booked.clock.at, (90.0, 100.0, -1))
    over = await venue.order(ref)
    assert over is not None
    assert (over.status, over.fills) == (LegStatus.CANCELED, ())


async def test_without_a_young_book_bars_fill_and_it_says_so(world: World) -> None:
    venue = venue_of(world)
    before = await venue.submit(request("a", "400", "100.20"))
    assert (before.venue_status, before.filled_qty) == ("FILLED_ON_BARS", 400)
    await add_book(world.database, world.clock.at - timedelta(seconds=6), [(50, 1)], [(51, 1)])
    stale = await venue.submit(request("b", "400", "100.20"))
    assert (stale.venue_status, stale.fills[0].price) == ("FILLED_ON_BARS", before.fills[0].price)


async def test_an_order_stays_with_what_it_arrived_on(booked: World) -> None:
    venue = venue_of(booked)
    placed = await venue.submit(request("a", "3", "99", TimeInForce.GTC))
    await booked.clock.sleep(600)  # the book is old, and the price of the bars is beyond the limit by then
    ref = LegRef("BTC", "a", placed.venue_order_id, booked.clock.at)
    async with booked.database.connection() as connection:
        await connection.execute(
            "INSERT INTO prices (symbol, price, timestamp, source, known_at)"
            " VALUES ('BTC', 90, %(at)s, 'test', %(at)s)",
            {"at": booked.clock.at},
        )
    assert await venue.order(ref) == placed


async def test_the_best_prices_alone_are_a_book_of_one_level(world: World) -> None:
    ns = np.array([datetime_to_ns(world.clock.at)], dtype=np.int64)
    best = (np.array([value], dtype=float) for value in (99.0, 2.0, 101.0, 3.0))
    async with world.database.transactions() as stores:
        await stores.books.add_quotes(QuoteBlock("BTC", SOURCE, ns, ns, *best))
    view = await venue_of(world).submit(request("a", "9", "200"))
    assert told(view) == [("3.0", "101", "taker")]


async def test_equal_inputs_give_equal_fills_and_latency_is_of_seed_and_id(booked: World) -> None:
    sent_at = booked.clock.at
    later = [(sent_at + timedelta(milliseconds=ms), 110.0 + ms) for ms in range(10, 16)]
    for at, ask in later:
        await add_book(booked.database, at, [(99, 2)], [(ask, 10)])

    async def prices(seed: int) -> list[Decimal]:
        async with booked.database.connection() as connection:
            await connection.execute("DELETE FROM paper_orders")
        venue, found = venue_of(booked, rules=replace(RULES, seed=seed)), []
        for i in range(12):
            booked.clock.at = sent_at
            found.append((await venue.submit(request(f"ms-{i}-l", "0.1", "200"))).fills[0].price)
        return found

    first = await prices(7)
    assert len(set(first)) > 2  # they arrive at different books
    assert await prices(7) == first
    assert await prices(8) != first


async def test_the_promises_of_venues_hold_on_a_book(booked: World) -> None:
    async def tick(seconds: float) -> None:
        await booked.clock.sleep(seconds)
        await add_book(booked.database, booked.clock.at, [(99.99, 50)], [(100.01, 50)])
        await asyncio.sleep(0)

    await tick(0.01)
    report = await check_venue(VenueTrial(venue_of(booked), "BTC", Decimal("0.5"), wait=tick))
    assert {one.name: one.detail for one in report.checks if not one.passed} == {}


async def test_the_books_of_a_symbol_come_from_one_source(booked: World) -> None:
    with pytest.raises(ConflictError, match="BTC holds books of test_spot, these are of other_spot"):
        await add_book(booked.database, booked.clock.at, [(99, 2)], [(101, 1)], source="other_spot")


async def test_a_book_in_contracts_fills_nothing(world: World) -> None:
    await add_book(world.database, world.clock.at, [(99, 2)], [(101, 1)], source="test_coinm")
    view = await venue_of(world).submit(request("a", "1", "103"))
    assert view.venue_status == "FILLED_ON_BARS"


async def test_a_book_is_not_seen_before_it_was_known(booked: World) -> None:
    at = booked.clock.at
    depth = BookDepth(
        datetime_to_ns(at),
        datetime_to_ns(at + timedelta(seconds=1)),
        np.array([[1.0, 1.0]]),
        np.array([[2.0, 9.0]]),
    )
    async with booked.database.transactions() as stores:
        await stores.books.add_books(BookBlock("BTC", SOURCE, (depth,)))
    view = await venue_of(booked).submit(request("a", "1", "103"))
    assert view.fills[0].price == 101
