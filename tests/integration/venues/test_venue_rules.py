"""Rules of products that are old, gone or of another currency: opening waits for them, closing does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import (
    access_to,
    bitget,
    bitget_exchange,
    coinbase,
    coinbase_exchange,
    limit,
    market,
    opened,
    ref,
    still,
)
from marketsentry.adapters.venues.bitget_perpetual import BitgetPerpetual, Contracts
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.core.orders.order import Side
from marketsentry.ports.venue import LegStatus, OutcomeUnknownError, VenueRefusedError
from marketsentry.simexchange.exchange import SimExchange, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.orders import HoldSide
from marketsentry.simexchange.products import coinbase_product

LISTING = "GET */market/products"
TEN_MINUTES_S = 600.0


class Hand:
    """A clock that stands still until a test moves it."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def test_an_order_is_seen_and_cancelled_and_a_position_closed_by_old_rules():
    hand = Hand()
    async with coinbase_exchange() as exchange, opened(CoinbaseLive(access_to(exchange), now=hand)) as venue:
        await venue.submit(market(qty="0.1"))
        placed = await venue.submit(limit())
        exchange.inject(VenueFault.SERVER_ERROR, LISTING, times=1_000)
        hand.now_s += 2 * TEN_MINUTES_S
        assert await venue.order(ref(limit(), placed.venue_order_id)) == placed
        await venue.cancel(ref(limit(), placed.venue_order_id))
        with pytest.raises(VenueRefusedError, match="not_ready"):
            await venue.submit(limit(client_order_id="ms-2-l"))
        closing = replace(market(Side.SELL, "0.1", "59000", client_order_id="ms-3-m1"), is_reduce_only=True)
        assert (await venue.submit(closing)).status is LegStatus.FILLED


async def test_rules_that_never_came_are_asked_for_each_time():
    async with coinbase_exchange() as exchange, coinbase(exchange) as venue:
        exchange.inject(VenueFault.SERVER_ERROR, LISTING, times=2)
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                await venue.products()
        assert [one.symbol for one in await venue.products()] == ["BTC"]


async def test_an_order_in_what_the_venue_lists_no_more_is_cancelled_and_none_is_sent():
    hand = Hand()
    products = [coinbase_product("BTC"), coinbase_product("ETH")]
    async with (
        SimExchange(VenueKind.COINBASE, markets=still(products), seed=7) as exchange,
        opened(CoinbaseLive(access_to(exchange), now=hand)) as venue,
    ):
        asked = limit(symbol="ETH")
        placed = await venue.submit(asked)
        listed = exchange.venue.products.pop("ETH-USD")
        hand.now_s += TEN_MINUTES_S
        shown = {one.symbol: one.is_tradeable for one in await venue.products()}
        assert shown == {"BTC": True, "ETH": False}
        exchange.venue.products["ETH-USD"] = listed  # gone from the list, and its orders are not
        await venue.cancel(ref(asked, placed.venue_order_id))
        assert (await venue.order(ref(asked, placed.venue_order_id))).status is LegStatus.CANCELED
        with pytest.raises(VenueRefusedError, match="product_not_tradeable"):
            await venue.submit(limit(symbol="ETH", client_order_id="ms-2-l"))


async def test_a_product_of_another_currency_is_not_opened():
    products = [coinbase_product("BTC"), coinbase_product("ETH", "BTC", tick="0.00001")]
    async with (
        SimExchange(VenueKind.COINBASE, markets=still(products), seed=7) as exchange,
        coinbase(exchange) as venue,
    ):
        with pytest.raises(VenueRefusedError, match="venue_error:quote_currency: the account counts in USD"):
            await venue.submit(limit(symbol="ETH-BTC"))
        assert exchange.truth()["orders"] == []


async def test_modes_that_somebody_changed_by_hand_are_seen_a_minute_later():
    hand = Hand()
    async with bitget_exchange() as exchange:
        access = access_to(exchange, quote_currency="USDT", symbols=("BTC-PERP",))
        async with opened(BitgetPerpetual(access, Contracts(leverage=Decimal(20)), now=hand)) as venue:
            await venue.submit(limit(symbol="BTC-PERP"))
            product = exchange.venue.products["BTC-USDT:USDT"]
            exchange.venue.margin.set_leverage("demo", product, Decimal(50), HoldSide.NET)
            hand.now_s += 60.0
            with pytest.raises(
                VenueRefusedError, match="crossedMarginLeverage of BTCUSDT must be 20, was 50"
            ):
                await venue.submit(limit(symbol="BTC-PERP", client_order_id="ms-2-l"))


async def test_a_symbol_that_the_venue_does_not_have_hides_no_fill():
    since = datetime.now(UTC) - timedelta(seconds=5)
    async with bitget_exchange() as exchange, bitget(exchange, symbols=("GONE", "BTC")) as venue:
        done = await venue.submit(market(qty="0.1"))
        assert [one.venue_order_id for one in await venue.fills_since(since)] == [done.venue_order_id]
