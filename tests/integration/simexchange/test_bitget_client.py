"""The unmodified client of Bitget trades spot and perpetuals on the simulated venue."""

from decimal import Decimal

import ccxt.pro
import pytest
from ccxt.base import errors

from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.orders import Side
from marketsentry.simexchange.products import bitget_perpetual, bitget_spot

SPOT, PERP = "BTC/USDT", "BTC/USDT:USDT"
KEYS = {SPOT: "BTC-USDT", PERP: "BTC-USDT:USDT"}
SHAPE = BookShape(n_levels=5, level_quote=60_000.0, crowd_frac=0.0)


@pytest.fixture
async def venue():
    markets = [SimMarket(build("BTC"), [60_000.0], SHAPE) for build in (bitget_spot, bitget_perpetual)]
    async with SimExchange(VenueKind.BITGET, markets=markets, seed=7) as running:
        yield running


@pytest.fixture
async def client(venue):
    client = opened(venue)
    yield client
    await client.close()


@pytest.fixture(params=[SPOT, PERP])
def symbol(request):
    return request.param


def opened(venue, key=None):
    return ccxt.pro.bitget({**venue.ccxt_config(key), "enableRateLimit": False, "timeout": 20_000})


async def test_markets_prices_and_books_come_as_the_client_reads_them(client, symbol):
    market = (await client.load_markets())[symbol]
    expected = {SPOT: {"amount": 1e-6, "price": 0.01}, PERP: {"amount": 1e-4, "price": 0.1}}
    assert market["precision"] == expected[symbol]
    assert market["limits"]["cost"]["min"] == {SPOT: 1, PERP: 5}[symbol]
    book = await client.fetch_order_book(symbol, 2)
    assert len(book["bids"]) == len(book["asks"]) == 2
    ticker = await client.fetch_ticker(symbol)
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert await client.fetch_time() > 0


async def test_an_order_rests_is_partly_filled_and_cancelled(client, venue, symbol):
    placed = await client.create_order(symbol, "limit", "buy", 0.5, 59_000, {"clientOrderId": "mine"})
    assert placed["clientOrderId"] == "mine"
    venue.venue.house_take(KEYS[symbol], Side.SELL, Decimal(100), Decimal(59_001))
    venue.venue.house_take(KEYS[symbol], Side.SELL, Decimal("0.2"), Decimal(59_000))
    by_ids = [
        await client.fetch_order(placed["id"], symbol),
        await client.fetch_order("", symbol, {"clientOrderId": "mine"}),
        *(await client.fetch_open_orders(symbol)),
    ]
    for order in by_ids:
        assert (order["id"], order["clientOrderId"]) == (placed["id"], "mine")
        assert (order["status"], order["filled"], order["average"]) == ("open", 0.2, 59_000)
        assert (order["price"], order["amount"]) == (59_000, 0.5)
    await client.cancel_order(placed["id"], symbol)
    (ended,) = await client.fetch_canceled_orders(symbol)
    assert (ended["status"], ended["filled"]) == ("canceled", 0.2)
    (fill,) = await client.fetch_my_trades(symbol)
    assert (fill["order"], fill["price"], fill["amount"], fill["takerOrMaker"]) == (
        placed["id"],
        59_000,
        0.2,
        "maker",
    )
    expected = {SPOT: {"cost": 0.0002, "currency": "BTC"}, PERP: {"cost": 2.36, "currency": "USDT"}}
    assert fill["fee"] == expected[symbol]


async def test_balances_show_what_was_spent_and_what_is_held(client, venue):
    await client.create_order(SPOT, "limit", "buy", 0.5, 59_000)
    await client.create_order(
        SPOT, "market", "buy", 6_000, None, {"createMarketBuyOrderRequiresPrice": False}
    )
    balance = await client.fetch_balance()
    assert balance["USDT"]["used"] == 29_500
    assert balance["USDT"]["total"] == pytest.approx(94_000, abs=0.1)
    assert balance["BTC"]["free"] == pytest.approx(2.1 * 0.99995, abs=1e-3)


async def test_the_same_client_id_is_refused_the_second_time(client, venue, symbol):
    await client.create_order(symbol, "limit", "buy", 0.1, 59_000, {"clientOrderId": "mine"})
    with pytest.raises(errors.ExchangeError, match="uplicate"):
        await client.create_order(symbol, "limit", "buy", 0.1, 59_000, {"clientOrderId": "mine"})
    assert len(venue.truth()["orders"]) == 1


async def test_refusals_come_as_the_errors_that_the_client_knows(client, venue, symbol):
    with pytest.raises(errors.InsufficientFunds):
        await client.create_order(symbol, "limit", "buy", 100 if symbol is SPOT else 9_000, 59_000)
    with pytest.raises(errors.InvalidOrder, match="45110"):
        await client.create_order(symbol, "limit", "buy", 0.0001 if symbol is PERP else 0.00001, 10_000)
    with pytest.raises(errors.OrderNotFound):
        await client.fetch_order("1", symbol)
    with pytest.raises(errors.OrderNotFound):
        await client.cancel_order("1", symbol)
    crossing = await client.create_order(symbol, "limit", "buy", 0.1, 61_000, {"postOnly": True})
    assert (await client.fetch_order(crossing["id"], symbol))["status"] == "canceled"
    venue.set_halted(KEYS[symbol])
    with pytest.raises(errors.OnMaintenance):
        await client.create_order(symbol, "limit", "buy", 0.1, 59_000)


async def test_a_key_says_what_it_may_and_may_no_more(venue):
    viewer = opened(venue, venue.add_key("demo", [Permission.VIEW]))
    rich = opened(venue, venue.add_key("demo", list(Permission)))
    try:
        info = (await rich.privateSpotGetV2SpotAccountInfo())["data"]
        assert set(info["authorities"]) == {"readonly", "trade", "transfer", "withdraw"}
        assert (await viewer.privateSpotGetV2SpotAccountInfo())["data"]["authorities"] == ["readonly"]
        with pytest.raises(errors.PermissionDenied):
            await viewer.create_order(SPOT, "limit", "buy", 0.1, 59_000)
        rich.password = "other"
        with pytest.raises(errors.AuthenticationError, match="40012"):
            await rich.fetch_balance()
        viewer.secret = "other"
        with pytest.raises(errors.AuthenticationError, match="40009"):
            await viewer.fetch_balance()
    finally:
        await viewer.close()
        await rich.close()


async def test_a_position_is_opened_shown_and_closed(client, venue):
    assert await client.fetch_positions([PERP]) == []
    await client.set_leverage(5, PERP)
    await client.create_order(PERP, "market", "buy", 0.5)
    (held,) = await client.fetch_positions([PERP])
    assert (held["side"], held["contracts"], held["leverage"], held["hedged"]) == ("long", 0.5, 5, False)
    assert held["initialMargin"] == pytest.approx(0.5 * held["entryPrice"] / 5)
    venue.move_price(KEYS[PERP], 61_000)
    closed = await client.create_order(PERP, "market", "sell", 2, None, {"reduceOnly": True})
    order = await client.fetch_order(closed["id"], PERP)
    assert (order["filled"], order["reduceOnly"]) == (0.5, True)
    assert await client.fetch_positions([PERP]) == []
    pnl = Decimal(order["info"]["totalProfits"])
    fees = sum(Decimal(str(one["fee"]["cost"])) for one in await client.fetch_my_trades(PERP))
    balance = await client.fetch_balance({"type": "swap"})
    assert balance["USDT"]["total"] == pytest.approx(float(100_000 + pnl - fees))


async def test_legs_are_chosen_opened_and_closed(client):
    await client.set_position_mode(True, PERP)
    await client.set_margin_mode("isolated", PERP)
    hedged = {"hedged": True, "marginMode": "isolated"}
    await client.create_order(PERP, "market", "buy", 0.3, None, hedged)
    await client.create_order(PERP, "market", "sell", 0.2, None, hedged)
    sides = {one["side"]: one["contracts"] for one in await client.fetch_positions([PERP])}
    assert sides == {"long": 0.3, "short": 0.2}
    closed = await client.create_order(PERP, "market", "sell", 0.3, None, {**hedged, "reduceOnly": True})
    order = await client.fetch_order(closed["id"], PERP)
    assert (order["side"], order["status"], order["info"]["posSide"]) == ("sell", "closed", "long")
    (held,) = await client.fetch_positions([PERP])
    assert (held["side"], held["marginMode"]) == ("short", "isolated")
    with pytest.raises(errors.InvalidOrder, match="40774"):
        await client.create_order(PERP, "market", "buy", 0.1, None, {"marginMode": "isolated"})


async def test_orders_fills_accounts_and_positions_are_streamed(client, venue, symbol, listening, settled):
    await client.load_markets()
    kind = {"type": "swap" if symbol is PERP else "spot"}
    orders = listening(lambda: client.watch_orders(symbol))
    fills = listening(lambda: client.watch_my_trades(symbol))
    balances = listening(lambda: client.watch_balance(kind))
    positions = listening(client.watch_positions) if symbol is PERP else [()]
    names = {"orders default" if symbol is PERP else "orders BTCUSDT", "fill default"}
    await settled(lambda: names <= set(venue.subscriptions) and balances)
    placed = await client.create_order(symbol, "limit", "buy", 0.5, 60_000 - 3)
    await settled(lambda: orders and orders[-1][-1]["status"] == "open")
    venue.move_price(KEYS[symbol], 59_000)
    await settled(lambda: orders[-1][-1]["status"] == "closed" and fills)
    assert (orders[-1][-1]["id"], orders[-1][-1]["average"]) == (placed["id"], 59_997)
    assert (fills[-1][-1]["price"], fills[-1][-1]["amount"]) == (59_997, 0.5)
    fee = fills[-1][-1]["fee"]["cost"]
    spent = 59_997 / 2 if symbol is SPOT else fee
    await settled(lambda: balances[-1]["USDT"]["total"] == pytest.approx(100_000 - spent, abs=600))
    if symbol is PERP:
        await settled(lambda: positions and positions[-1])
        assert (positions[-1][0]["contracts"], positions[-1][0]["entryPrice"]) == (0.5, 59_997)


async def test_the_book_that_is_streamed_is_the_book_that_is_asked_for(
    client, venue, symbol, listening, settled
):
    books = listening(lambda: client.watch_order_book(symbol))
    trades = listening(lambda: client.watch_trades(symbol))
    tickers = listening(lambda: client.watch_ticker(symbol))
    await settled(lambda: books and tickers and trades)
    venue.move_price(KEYS[symbol], 61_000)
    asked = await client.fetch_order_book(symbol)

    def is_same():
        return all([level[:2] for level in books[-1][side]] == asked[side] for side in ("bids", "asks"))

    await settled(is_same)
    venue.venue.house_take(KEYS[symbol], Side.BUY, Decimal("0.25"))
    await settled(lambda: trades[-1] and trades[-1][-1]["amount"] == 0.25)
    assert trades[-1][-1]["side"] == "buy"
    await settled(lambda: tickers[-1]["last"] == trades[-1][-1]["price"])


async def test_positions_pay_each_other_and_bills_tell_it(client, venue):
    await client.create_order(PERP, "market", "buy", 0.5)
    before = (await client.fetch_balance({"type": "swap"}))["USDT"]["total"]
    (bill,) = venue.settle_funding(KEYS[PERP], Decimal("0.0001"))
    (told,) = await client.fetch_funding_history(PERP)
    assert told["amount"] == float(bill.amount) == pytest.approx(-0.5 * 60_000 * 0.0001, rel=1e-3)
    after = (await client.fetch_balance({"type": "swap"}))["USDT"]["total"]
    assert after - before == pytest.approx(told["amount"])
    assert [one["id"] for one in venue.truth()["funding"]] == [told["id"]]
