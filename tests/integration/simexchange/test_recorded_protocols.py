"""The venue against messages that were recorded from the real ones: it takes their requests and answers alike."""

import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import ccxt.pro
import pytest

from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_perpetual, bitget_spot, coinbase_product
from marketsentry.simexchange.signatures import bitget_signature

FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures"
SHAPE = BookShape(n_levels=5, level_quote=60_000.0, crowd_frac=0.0)
COINBASE_PRICES = {
    "ADA-USDT": (0.3, "0.0001"),
    "DOGE-USDT": (0.06, "0.00001"),
    "BTC-USDC": (60_000.0, "0.01"),
    "BTC-USDT": (60_000.0, "0.01"),
    "ETH-USDT": (3_000.0, "0.01"),
    "BTC-USD": (60_000.0, "0.01"),
}
BITGET = [
    (bitget_spot("BTC"), 37_000.0),
    (bitget_perpetual("BTC"), 37_000.0),
    (bitget_perpetual("LTC", tick="0.01", lot="0.1"), 101.0),
]
pytestmark = pytest.mark.realdata


def recorded(name):
    path = FIXTURES / name
    if not path.exists():
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"CI needs the recorded protocols, and {path} is not there")
        pytest.skip(f"no recorded protocols at {path}")
    return json.loads(path.read_text())


def vectors(name, wanted):
    path = FIXTURES / name
    methods = json.loads(path.read_text())["methods"] if path.exists() else {}
    found = [(method, one) for method, ones in methods.items() for one in ones if wanted(one)]
    return [pytest.param(*one, id=f"{one[0]}-{index}") for index, one in enumerate(found)]


def coinbase():
    markets = []
    for name, (price, tick) in COINBASE_PRICES.items():
        product = coinbase_product(*name.split("-"), tick=tick, lot="0.00000001" if "BTC" in name else "0.01")
        markets.append(SimMarket(replace(product, min_quote=Decimal("0.1")), [price], SHAPE))
    balances = {coin: Decimal(100_000) for coin in ("USD", "USDT", "USDC")} | {"BTC": Decimal(2)}
    return SimExchange(VenueKind.COINBASE, markets=markets, balances=balances, seed=7)


def bitget():
    return SimExchange(
        VenueKind.BITGET, markets=[SimMarket(one, [price], SHAPE) for one, price in BITGET], seed=7
    )


def opened(venue):
    make = {VenueKind.COINBASE: ccxt.pro.coinbase, VenueKind.BITGET: ccxt.pro.bitget}[venue.kind]
    return make({**venue.ccxt_config(), "enableRateLimit": False})


def differences(expected, found, where=""):
    """Keys of the recording that are missing here, and values of another kind."""
    if expected is None or found is None:
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{where}.{key} is missing" for key in expected if key not in found]
        shared = [key for key in expected if key in found]
        return missing + [
            one for key in shared for one in differences(expected[key], found[key], f"{where}.{key}")
        ]
    if isinstance(expected, list) and isinstance(found, list):
        return differences(expected[0], found[0], f"{where}[0]") if expected and found else []
    kinds = [
        "number" if isinstance(one, int | float) and not isinstance(one, bool) else type(one).__name__
        for one in (expected, found)
    ]
    return [] if kinds[0] == kinds[1] else [f"{where} is {kinds[1]}, recorded as {kinds[0]}"]


def is_spot_vector(one):
    return (
        "api/v3/brokerage" in one["url"]
        and "PERP" not in str(one.get("output"))
        and not any(word in one["url"] for word in ("intx", "candles", "edit"))
    )


@pytest.mark.parametrize(("method", "vector"), vectors("coinbase/ccxt_request_vectors.json", is_spot_vector))
async def test_recorded_requests_to_coinbase_are_taken(method, vector):
    parts = urlsplit(vector["url"])
    body = vector.get("output")
    verb = "POST" if body else "GET"
    async with coinbase() as venue, aiohttp.ClientSession() as session:
        client = opened(venue)
        token = client.create_auth_token(client.seconds(), verb, venue.url + parts.path)
        await client.close()
        headers = {"Authorization": f"Bearer {token}"}
        target = f"{venue.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        async with session.request(verb, target, data=body, headers=headers) as answer:
            told = await answer.json()
            names_an_order = "historical/" in parts.path and parts.path.rsplit("/", 1)[1].count("-") == 4
            assert answer.status == (404 if names_an_order else 200), told
        if method.startswith("create") and "preview" not in parts.path:
            assert told["success"] is True
            (order,) = venue.truth()["orders"]
            assert order["client_id"] == json.loads(body)["client_order_id"]


@pytest.mark.parametrize(
    ("method", "vector"),
    vectors(
        "coinbase/ccxt_request_vectors.json",
        lambda one: is_spot_vector(one) and one["method"].startswith("create"),
    ),
)
async def test_the_client_makes_the_recorded_request_from_our_markets(method, vector):
    async with coinbase() as venue:
        client = opened(venue)
        try:
            await getattr(client, method)(*vector["input"])
            sent, expected = json.loads(client.last_request_body), json.loads(vector["output"])
        finally:
            await client.close()
    for one in (sent, expected):
        one.pop("client_order_id", None)
    assert sent == expected


def is_plain_order(one):
    return one["url"].endswith(("/api/v2/spot/trade/place-order", "/api/v2/mix/order/place-order"))


@pytest.mark.parametrize(("method", "vector"), vectors("bitget/ccxt_request_vectors.json", is_plain_order))
async def test_recorded_orders_to_bitget_are_taken(method, vector):
    body = vector["output"] if isinstance(vector["output"], dict) else json.loads(vector["output"])
    async with bitget() as venue:
        client = opened(venue)
        try:
            if "tradeSide" in body:
                await client.set_position_mode(True, "BTC/USDT:USDT")
            if body.get("reduceOnly") == "YES":
                await client.create_order("BTC/USDT:USDT", "market", "buy", 0.01)
            path = urlsplit(vector["url"]).path.removeprefix("/api/")
            side = "mix" if "/mix/" in path else "spot"
            answer = await client.request(path, ["private", side], "POST", body)
            assert answer["data"]["orderId"] == venue.truth()["orders"][-1]["id"]
        finally:
            await client.close()


COINBASE_REST = [
    ("rest/AdvancedTrade/Account/GetAccounts.json", "GET", "brokerage/accounts", {}),
    ("rest/AdvancedTrade/Account/GetFeeInfo.json", "GET", "brokerage/transaction_summary", {}),
    ("rest/AdvancedTrade/Account/GetApiKeyInfo.json", "GET", "brokerage/key_permissions", {}),
    (
        "rest/AdvancedTrade/ExchangeData/GetOrderBook.json",
        "GET",
        "brokerage/product_book",
        {"product_id": "BTC-USD"},
    ),
    ("rest/AdvancedTrade/ExchangeData/GetSymbols.json", "GET", "brokerage/products", {}),
    (
        "rest/AdvancedTrade/Trading/CancelOrders.json",
        "POST",
        "brokerage/orders/batch_cancel",
        {"order_ids": ["x"]},
    ),
    ("nautilus/http_accounts.json", "GET", "brokerage/accounts", {}),
    ("nautilus/http_order.json", "GET", "brokerage/orders/historical/{}", {}),
    ("nautilus/http_orders_list.json", "GET", "brokerage/orders/historical/batch", {}),
    ("nautilus/http_product_book.json", "GET", "brokerage/product_book", {"product_id": "BTC-USD"}),
    ("nautilus/http_ticker.json", "GET", "brokerage/products/BTC-USD/ticker", {}),
]


@pytest.mark.parametrize(("name", "verb", "path", "params"), COINBASE_REST)
async def test_coinbase_answers_have_the_recorded_shape(name, verb, path, params):
    expected = recorded(f"coinbase/{name}")
    async with coinbase() as venue:
        client = opened(venue)
        try:
            await client.create_order("BTC/USD", "limit", "sell", 0.5, 59_000)
            placed = await client.create_order("BTC/USD", "limit", "buy", 0.5, 59_990)
            found = await client.request(path.format(placed["id"]), ["v3", "private"], verb, params)
        finally:
            await client.close()
    assert differences(expected.get("response", expected), found) == []


SPOT_ORDER = {"symbol": "BTCUSDT", "side": "buy", "orderType": "limit", "force": "gtc", "size": "0.01"}
MIX = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT"}
BITGET_REST = [
    ("Spot/Trading/PlaceOrder", "POST", "v2/spot/trade/place-order", {**SPOT_ORDER, "price": "30000"}),
    ("Spot/Trading/GetOrder", "GET", "v2/spot/trade/orderInfo", {"orderId": "{spot}"}),
    ("Spot/Trading/GetOpenOrders", "GET", "v2/spot/trade/unfilled-orders", {}),
    (
        "Spot/Trading/CancelOrder",
        "POST",
        "v2/spot/trade/cancel-order",
        {"symbol": "BTCUSDT", "orderId": "{spot}"},
    ),
    ("Spot/Trading/GetUserTrades", "GET", "v2/spot/trade/fills", {}),
    ("Spot/ExchangeData/GetTickers", "GET", "v2/spot/market/tickers", {}),
    ("Spot/ExchangeData/GetServerTime", "GET", "v2/public/time", {}),
    ("Spot/ExchangeData/GetRecentTrades", "GET", "v2/spot/market/fills", {"symbol": "BTCUSDT"}),
    ("Spot/ExchangeData/GetSymbols", "GET", "v2/spot/public/symbols", {}),
    ("Spot/Account/GetSpotBalances", "GET", "v2/spot/account/assets", {}),
    ("Spot/Account/GetAccountInfo", "GET", "v2/spot/account/info", {}),
    ("Spot/Account/GetTradeFee", "GET", "v2/common/trade-rate", {"symbol": "BTCUSDT", "businessType": "mix"}),
    ("Futures/Trading/GetOrder", "GET", "v2/mix/order/detail", {**MIX, "orderId": "{mix}"}),
    ("Futures/Trading/GetOpenOrders2", "GET", "v2/mix/order/orders-pending", MIX),
    ("Futures/Trading/CancelOrder", "POST", "v2/mix/order/cancel-order", {**MIX, "orderId": "{mix}"}),
    ("Futures/Trading/GetHistoricalUserTrades", "GET", "v2/mix/order/fill-history", MIX),
    ("Futures/Account/GetBalances", "GET", "v2/mix/account/accounts", {"productType": "USDT-FUTURES"}),
    ("Futures/Account/SetLeverage", "POST", "v2/mix/account/set-leverage", {**MIX, "leverage": "5"}),
    (
        "Futures/Account/SetMarginMode",
        "POST",
        "v2/mix/account/set-margin-mode",
        {**MIX, "marginMode": "crossed"},
    ),
    ("Futures/ExchangeData/GetOrderBook", "GET", "v2/mix/market/merge-depth", MIX),
    ("Futures/ExchangeData/GetContracts", "GET", "v2/mix/market/contracts", {"productType": "USDT-FUTURES"}),
]


@pytest.mark.parametrize(("name", "verb", "path", "params"), BITGET_REST)
async def test_bitget_answers_have_the_recorded_shape(name, verb, path, params):
    expected = recorded(f"bitget/rest/{name}.json")["response"]["data"]
    async with bitget() as venue:
        client = opened(venue)
        try:
            ids = {}
            for label, symbol in (("spot", "BTC/USDT"), ("mix", "BTC/USDT:USDT")):
                await client.create_order(symbol, "limit", "buy", 0.01, 38_000)
                ids[label] = (await client.create_order(symbol, "limit", "buy", 0.01, 30_000))["id"]
            filled = {key: value.format(**ids) for key, value in params.items()}
            side = "mix" if "/mix/" in path else "spot"
            found = await client.request(path, ["private", side], verb, filled)
        finally:
            await client.close()
    assert differences(expected, found["data"]) == []


def server_messages(name):
    told = recorded(name)
    if "steps" in told:
        return [one["message"] for one in told["steps"] if one["dir"] != "client"]
    return told.get("messages", [told])


STREAMS = [
    ("coinbase/ws/AdvancedTrade/Heartbeat.json", "heartbeats"),
    ("coinbase/ws/AdvancedTrade/Ticker.json", "ticker"),
    ("coinbase/ws/AdvancedTrade/BatchTicker.json", "ticker_batch"),
    ("coinbase/ws/AdvancedTrade/User.json", "user"),
    ("coinbase/ws_live/market_trades.json", "market_trades"),
    ("coinbase/nautilus/ws_l2_data_snapshot.json", "level2"),
    ("coinbase/nautilus/ws_l2_data_update.json", "level2"),
]


@pytest.mark.parametrize(("name", "channel"), STREAMS)
async def test_coinbase_streams_have_the_recorded_shape(name, channel):
    expected = server_messages(name)
    async with (
        coinbase() as venue,
        aiohttp.ClientSession() as session,
        session.ws_connect(venue.ws_url) as socket,
    ):
        client = opened(venue)
        try:
            await client.create_order("BTC/USD", "limit", "sell", 0.1, 59_000)
            await client.create_order("BTC/USD", "limit", "buy", 0.5, 59_990)
            asked = {"type": "subscribe", "channel": channel, "product_ids": ["BTC-USD"]}
            await socket.send_json({**asked, "jwt": client.create_auth_token(client.seconds())})
            await client.create_order("BTC/USD", "limit", "sell", 0.5, 59_000)
        finally:
            await client.close()
        venue.step()
        await expect_each(socket, expected, lambda one: (one["channel"], one["events"][0].get("type")))


async def expect_each(socket, expected, kind):
    """Read until every kind of recorded message has come in the recorded shape."""
    missing = {kind(one): one for one in expected}
    while missing:
        found = await socket.receive_json(timeout=10)
        one = missing.pop(kind(found), None)
        if one is not None:
            one.pop("client_id", None)
            assert differences(one, found) == []


BITGET_STREAMS = [
    ("Spot/Order", {"channel": "orders", "instId": "default"}),
    ("Spot/Ticker", {"channel": "ticker", "instId": "BTCUSDT"}),
    ("Spot/Trades", {"channel": "trade", "instId": "BTCUSDT"}),
    ("Spot/Balance", {"channel": "account", "coin": "default"}),
    ("Spot/OrderBook", {"channel": "books5", "instId": "BTCUSDT"}),
    ("Futures/Order", {"channel": "orders", "instId": "default"}),
    ("Futures/Ticker", {"channel": "ticker", "instId": "BTCUSDT"}),
    ("Futures/Trade", {"channel": "trade", "instId": "BTCUSDT"}),
    ("Futures/Balance", {"channel": "account", "coin": "default"}),
    ("Futures/OrderBook", {"channel": "books5", "instId": "BTCUSDT"}),
]


@pytest.mark.parametrize(("name", "arg"), BITGET_STREAMS)
async def test_bitget_streams_have_the_recorded_shape(name, arg):
    steps = recorded(f"bitget/ws/{name}.json")["steps"]
    expected = next(one["message"] for one in steps if one["dir"] == "server_push")
    is_perpetual = name.startswith("Futures")
    symbol = "BTC/USDT:USDT" if is_perpetual else "BTC/USDT"
    inst_type = "USDT-FUTURES" if is_perpetual else "SPOT"
    async with (
        bitget() as venue,
        aiohttp.ClientSession() as session,
        session.ws_connect(venue.ws_url) as socket,
    ):
        client = opened(venue)
        try:
            timestamp = str(client.seconds())
            await socket.send_json({"op": "login", "args": [login(client, timestamp)]})
            assert (await socket.receive_json(timeout=10))["event"] == "login"
            await socket.send_json({"op": "subscribe", "args": [{"instType": inst_type, **arg}]})
            assert (await socket.receive_json(timeout=10))["event"] == "subscribe"
            await client.create_order(symbol, "market", "buy", 0.01, 38_000)
        finally:
            await client.close()
        await socket.send_str("ping")
        last = None
        while True:
            message = await socket.receive(timeout=10)
            if message.data == "pong":
                break
            told = json.loads(message.data)
            fills = [row for row in told["data"] if arg["channel"] != "orders" or "tradeId" in row]
            last = told if fills else last
    assert last is not None
    assert differences(expected, last) == []


def login(client, timestamp):
    return {
        "apiKey": client.apiKey,
        "passphrase": client.password,
        "timestamp": timestamp,
        "sign": bitget_signature(client.secret, timestamp, "GET", "/user/verify", ""),
    }
