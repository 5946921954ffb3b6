"""The market maker's book, the paths of prices, and that a seed repeats a market exactly."""

import itertools
from decimal import Decimal

import pytest

from marketsentry.simexchange.clock import VirtualClock
from marketsentry.simexchange.market_feed import BookShape, MarketFeed, random_walk, replay
from marketsentry.simexchange.orders import NewOrder, OrderStatus, OrderType, Side
from marketsentry.simexchange.products import bitget_perpetual, coinbase_product
from marketsentry.simexchange.truth import tell_truth
from marketsentry.simexchange.venue import Venue

BTC = coinbase_product("BTC")


def opened(path, *, product=BTC, seed=3, **shape):
    venue = Venue([product], now_s=VirtualClock(), seed=seed)
    venue.spot.ledger.deposit("ann", product.quote, Decimal(1_000_000))
    return venue, MarketFeed(venue, product.key, path, shape=BookShape(**shape), seed=seed)


@pytest.mark.parametrize("product", [BTC, bitget_perpetual("BTC"), coinbase_product("BTC", tick="100")])
def test_the_book_lies_around_the_middle_on_the_tick(product):
    venue, feed = opened([60_030.0], product=product, crowd_frac=0.0)
    feed.step()
    book = venue.books[product.key]
    for side in Side:
        prices = [price for price, _ in book.depth(side)]
        assert len(prices) == 10
        assert all(product.is_price(price) for price in prices)
        assert all(side.sign * (Decimal(60_030) - price) >= 0 for price in prices)
        assert all(product.is_quantity(quantity) for _, quantity in book.depth(side))
    bid, ask = book.ends()
    assert bid < ask


def test_a_jump_fills_the_orders_that_it_crosses_at_their_own_price():
    venue, feed = opened([60_000.0], crowd_frac=0.0)
    feed.step()
    order = venue.place(NewOrder("ann", "BTC-USD", Side.BUY, OrderType.LIMIT, Decimal(1), Decimal(59_000)))
    feed.move_to(59_500)
    assert order.status is OrderStatus.OPEN
    feed.move_to(58_000)
    assert (order.status, order.average) == (OrderStatus.FILLED, 59_000)
    feed.step()
    assert feed.mid == 58_000


def test_a_thinned_book_leaves_a_taker_no_more_than_told():
    venue, feed = opened([60_000.0], crowd_frac=0.0)
    feed.step()
    feed.thin_out(Side.BUY, Decimal("0.1"))
    assert venue.books["BTC-USD"].available(Side.BUY, "ann", None) == Decimal("0.1")


def test_a_seed_repeats_a_market_exactly():
    def run(seed):
        venue, feed = opened(random_walk(60_000.0, seed=seed), seed=seed)
        for number in range(30):
            feed.step()
            if number % 5 == 0:
                price = Decimal(int(feed.mid))
                venue.place(NewOrder("ann", "BTC-USD", Side.BUY, OrderType.LIMIT, Decimal("0.01"), price))
        return tell_truth(venue)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_candles_are_replayed_in_the_order_that_is_likelier():
    assert list(replay([(10, 15, 9, 12), (12, 13, 5, 6)])) == [10, 9, 15, 12, 12, 13, 5, 6]


def test_a_random_walk_neither_stands_still_nor_runs_away():
    prices = list(itertools.islice(random_walk(100.0, seed=1, volatility_bps=10), 1_000))
    assert len(set(prices)) == 1_000
    assert 50 < min(prices) < max(prices) < 200
