"""The unmodified client of Coinbase trades on the simulated venue over REST and WebSocket."""

from decimal import Decimal

import aiohttp
import ccxt.pro
import pytest
from ccxt.base import errors

from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.orders import Side
from marketsentry.simexchange.products import coinbase_product

BTC = "BTC/USD"
PRODUCT = "BTC-USD"
SHAPE = BookShape(n_levels=5, level_quote=60_000.0, crowd_frac=0.0)


def exchange(**settings):
    markets = [SimMarket(coinbase_product("BTC"), [60_000.0], SHAPE)]
    return SimExchange(VenueKind.COINBASE, markets=markets, seed=7, **settings)


@pytest.fixture
async def venue():
    async with exchange() as running:
        yield running


@pytest.fixture
async def client(venue):
    client = opened(venue)
    yield client
    await client.close()


def opened(venue, key=None, **settings):
    return ccxt.pro.coinbase(
        {**venue.ccxt_config(key), "enableRateLimit": False, "timeout": 20_000, **settings}
    )


async def test_markets_prices_and_books_come_as_the_client_reads_them(client, venue):
    market = (await client.load_markets())[BTC]
    assert (market["precision"], market["taker"]) == ({"amount": 1e-8, "price": 0.01}, 0.012)
    assert market["limits"]["cost"]["min"] == 1
    book = await client.fetch_order_book(BTC, 2)
    assert len(book["bids"]) == len(book["asks"]) == 2
    assert book["bids"][0][0] < 60_000 < book["asks"][0][0]
    quotes = await client.fetch_bids_asks([BTC])
    assert quotes[BTC]["bid"] == book["bids"][0][0]
    assert abs(await client.fetch_time() / 1_000 - venue.venue.now_s()) < 5


async def test_an_order_rests_is_partly_filled_and_cancelled(client, venue):
    placed = await client.create_order(BTC, "limit", "buy", 0.5, 59_000, {"client_order_id": "mine"})
    assert (placed["clientOrderId"], placed["symbol"]) == ("mine", BTC)
    venue.venue.house_take(PRODUCT, Side.SELL, Decimal(10), Decimal(60_000 - 7))
    (waiting,) = await client.fetch_open_orders(BTC)
    assert (waiting["id"], waiting["filled"]) == (placed["id"], 0)
    venue.venue.house_take(PRODUCT, Side.SELL, Decimal(10), Decimal(59_001))
    venue.venue.house_take(PRODUCT, Side.SELL, Decimal("0.2"), Decimal(59_000))
    partly = await client.fetch_order(placed["id"], BTC)
    assert (partly["status"], partly["filled"], partly["average"]) == ("open", 0.2, 59_000)
    await client.cancel_order(placed["id"], BTC)
    ended = await client.fetch_order(placed["id"], BTC)
    assert (ended["status"], ended["filled"]) == ("canceled", 0.2)
    (fill,) = await client.fetch_my_trades(BTC)
    assert (fill["order"], fill["price"], fill["amount"]) == (placed["id"], 59_000, 0.2)
    assert (fill["takerOrMaker"], fill["fee"]) == ("maker", {"cost": 70.8, "currency": "USD"})
    balance = await client.fetch_balance({"v3": True})
    assert balance["USD"] == {"free": 100_000 - 11_800 - 70.8, "used": 0, "total": 100_000 - 11_870.8}
    assert balance["BTC"]["free"] == 2.2
    older = await client.fetch_balance()
    assert older["BTC"]["total"] == 2.2


async def test_a_market_buy_spends_what_it_was_told(client, venue):
    placed = await client.create_market_buy_order_with_cost(BTC, 600)
    order = await client.fetch_order(placed["id"], BTC)
    assert (order["status"], order["type"]) == ("closed", "market")
    assert order["cost"] + float(order["fee"]["cost"]) == pytest.approx(600, abs=0.01)
    (fill,) = await client.fetch_my_trades(BTC)
    assert fill["amount"] == pytest.approx(order["filled"], rel=1e-12)


@pytest.mark.parametrize(
    ("force", "status", "filled"),
    [("IOC", "canceled", True), ("FOK", "canceled", False), ("GTC", "open", True)],
)
async def test_what_is_left_of_an_order_follows_its_time_in_force(client, force, status, filled):
    best = (await client.fetch_order_book(BTC, 1))["asks"][0]
    placed = await client.create_order(BTC, "limit", "buy", best[1] + 0.1, best[0], {"timeInForce": force})
    order = await client.fetch_order(placed["id"], BTC)
    assert (order["status"], order["filled"] > 0) == (status, filled)


async def test_the_same_client_id_is_the_same_order(client, venue):
    first = await client.create_order(BTC, "limit", "buy", 0.1, 59_000, {"client_order_id": "mine"})
    again = await client.create_order(BTC, "limit", "buy", 0.1, 59_000, {"client_order_id": "mine"})
    assert first["id"] == again["id"]
    assert len(venue.truth()["orders"]) == 1


async def test_refusals_come_as_the_errors_that_the_client_knows(client, venue):
    with pytest.raises(errors.InsufficientFunds):
        await client.create_order(BTC, "limit", "buy", 100, 59_000)
    with pytest.raises(errors.ExchangeError, match="INVALID_LIMIT_PRICE_POST_ONLY"):
        await client.create_order(BTC, "limit", "buy", 0.1, 61_000, {"postOnly": True})
    venue.set_halted(PRODUCT)
    with pytest.raises(errors.ExchangeError, match="ORDER_ENTRY_DISABLED"):
        await client.create_order(BTC, "limit", "buy", 0.1, 59_000)
    with pytest.raises(errors.ExchangeError, match="orderID was not found"):
        await client.fetch_order("none", BTC)
    with pytest.raises(errors.BadRequest):
        await client.cancel_order("none", BTC)
    assert venue.truth()["orders"] == []


async def test_long_lists_come_in_pages(client, venue):
    placed = [await client.create_order(BTC, "limit", "buy", 0.001, 50_000 + i) for i in range(7)]
    newest = await client.fetch_orders(BTC, None, 3)
    cursor = newest[-1]["info"].get("cursor") or newest[0]["info"].get("cursor") or newest[-1]["id"]
    seen = [one["id"] for one in newest]
    while cursor:
        page = await client.v3PrivateGetBrokerageOrdersHistoricalBatch({"limit": 3, "cursor": cursor})
        seen += [one["order_id"] for one in page["orders"]]
        cursor = page["cursor"]
    assert sorted(seen) == sorted(one["id"] for one in placed)
    accounts = await client.v3PrivateGetBrokerageAccounts({"limit": 2})
    assert (accounts["has_next"], accounts["size"]) == (True, 2)


async def test_a_key_says_what_it_may_and_may_no_more(venue):
    viewer = opened(venue, venue.add_key("demo", [Permission.VIEW]))
    rich = opened(venue, venue.add_key("demo", list(Permission)))
    stranger = opened(venue, venue.add_key("else", list(Permission)))
    try:
        assert (await viewer.v3PrivateGetBrokerageKeyPermissions())["can_trade"] is False
        assert (await rich.v3PrivateGetBrokerageKeyPermissions())["can_transfer"] is True
        with pytest.raises(errors.PermissionDenied):
            await viewer.create_order(BTC, "limit", "buy", 0.1, 59_000)
        placed = await rich.create_order(BTC, "limit", "buy", 0.1, 59_000)
        with pytest.raises(errors.ExchangeError):
            await stranger.fetch_order(placed["id"], BTC)
        assert await stranger.fetch_open_orders(BTC) == []
        rich.secret = stranger.secret
        with pytest.raises(errors.AuthenticationError):
            await rich.fetch_open_orders(BTC)
    finally:
        for one in (viewer, rich, stranger):
            await one.close()


async def test_the_user_stream_tells_each_change_of_an_order(client, venue, listening, settled):
    seen = listening(client.watch_orders)
    await settled(lambda: "user *" in venue.subscriptions)
    placed = await client.create_order(BTC, "limit", "buy", 0.5, 60_000 - 3)
    await settled(lambda: seen and seen[-1])
    (order,) = seen[-1]
    assert (order["id"], order["status"], order["remaining"]) == (placed["id"], "open", 0.5)
    venue.move_price(PRODUCT, 59_000)
    await settled(lambda: seen[-1][-1]["status"] == "closed")
    assert (seen[-1][-1]["filled"], seen[-1][-1]["average"]) == (0.5, 59_997)


async def test_the_book_that_is_streamed_is_the_book_that_is_asked_for(client, venue, listening, settled):
    books = listening(lambda: client.watch_order_book(BTC))
    await settled(lambda: books)
    venue.move_price(PRODUCT, 61_000)
    asked = await client.fetch_order_book(BTC)
    await settled(lambda: all(list(books[-1][side]) == asked[side] for side in ("bids", "asks")))
    assert books[-1]["bids"][0][0] > 60_000


async def test_trades_and_tickers_are_streamed(client, venue, listening, settled):
    await client.load_markets()
    trades = listening(lambda: client.watch_trades(BTC))
    tickers = listening(lambda: client.watch_ticker(BTC))
    await settled(lambda: {f"market_trades {PRODUCT}", f"ticker {PRODUCT}"} <= set(venue.subscriptions))
    venue.venue.house_take(PRODUCT, Side.BUY, Decimal("0.25"))
    await settled(lambda: trades)
    (trade,) = trades[-1]
    assert (trade["amount"], trade["side"], trade["price"] > 60_000) == (0.25, "sell", True)
    await settled(lambda: tickers[-1]["last"] == trade["price"])


async def test_heartbeats_count_and_every_message_has_the_next_number(venue, settled):
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(venue.ws_url) as socket,
    ):
        for channel in ("heartbeats", "ticker"):
            await socket.send_json({"type": "subscribe", "channel": channel, "product_ids": [PRODUCT]})
        await settled(lambda: len(venue.subscriptions) == 2)
        for _ in range(3):
            venue.step()
        beats, numbers = [], []
        while len(beats) < 3:
            message = await socket.receive_json(timeout=10)
            numbers.append(message["sequence_num"])
            if message["channel"] == "heartbeats":
                beats.append(message["events"][0]["heartbeat_counter"])
        assert beats == [0, 1, 2]
        assert numbers == list(range(len(numbers)))
        await socket.send_json({"type": "subscribe", "channel": "user", "jwt": "a.b.c"})
        while (message := await socket.receive_json(timeout=10)).get("type") != "error":
            pass
        assert message["message"] == "authentication failure"
