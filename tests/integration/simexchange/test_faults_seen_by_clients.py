"""What each fault looks like from the client, and what the venue knows afterwards."""

import time

import ccxt.pro
import pytest
from ccxt.base import errors

from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_spot, coinbase_product

PATIENCE_MS = 20_000
SHAPE = BookShape(n_levels=5, level_quote=60_000.0, crowd_frac=0.0)
VENUES = {
    "coinbase": (coinbase_product, "BTC/USD", "BTC-USD", "POST */orders", "user", ccxt.pro.coinbase),
    "bitget": (bitget_spot, "BTC/USDT", "BTC-USDT", "POST */place-order", "orders", ccxt.pro.bitget),
}


class Bench:
    """A venue, its client, and their names for things."""

    def __init__(self, name):
        build, self.symbol, self.product, self.orders, self.channel, make = VENUES[name]
        self.name = name
        markets = [SimMarket(build("BTC"), [60_000.0], SHAPE)]
        self.venue = SimExchange(VenueKind(name), markets=markets, seed=7)
        self._make = make

    async def __aenter__(self):
        await self.venue.__aenter__()
        settings = {
            "enableRateLimit": False,
            "timeout": PATIENCE_MS,
            "options": {"maxRetriesOnFailure": 0},
        }
        self.client = self._make({**self.venue.ccxt_config(), **settings})
        try:
            await self.client.load_markets()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc):
        await self.client.close()
        await self.venue.__aexit__(*exc)

    async def buy(self, price=59_000, quantity=0.1, kind="limit"):
        name = "client_order_id" if self.name == "coinbase" else "clientOrderId"
        return await self.client.create_order(self.symbol, kind, "buy", quantity, price, {name: "mine"})

    @property
    def booked(self):
        return [one["client_id"] for one in self.venue.truth()["orders"]]


@pytest.fixture(params=VENUES)
async def bench(request):
    async with Bench(request.param) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "error", "is_booked"),
    [
        (VenueFault.TIMEOUT_BEFORE, errors.RequestTimeout, False),
        (VenueFault.TIMEOUT_AFTER, errors.RequestTimeout, True),
        (VenueFault.DROP_BEFORE, errors.NetworkError, False),
        (VenueFault.DROP_AFTER, errors.NetworkError, True),
        (VenueFault.SERVER_ERROR, errors.ExchangeNotAvailable, False),
        (VenueFault.ERROR_AFTER, errors.ExchangeNotAvailable, True),
        (VenueFault.INSUFFICIENT_FUNDS, errors.InsufficientFunds, False),
        (VenueFault.HALTED, errors.BaseError, False),
    ],
)
async def test_an_order_whose_answer_fails_is_booked_or_not_as_the_fault_says(bench, fault, error, is_booked):
    bench.venue.inject(fault, bench.orders, times=1)
    bench.client.timeout = 1_000 if error is errors.RequestTimeout else PATIENCE_MS
    with pytest.raises(error):
        await bench.buy()
    bench.client.timeout = PATIENCE_MS
    assert bench.booked == (["mine"] if is_booked else [])
    assert bench.venue.injected() == {fault.value: 1}
    waiting = await bench.client.fetch_open_orders(bench.symbol)
    assert [one["clientOrderId"] for one in waiting] == bench.booked


async def test_too_many_requests_are_told_with_a_time_to_wait(bench):
    bench.venue.inject(VenueFault.TOO_MANY, times=1, value=3)
    with pytest.raises((errors.RateLimitExceeded, errors.DDoSProtection), match="Too Many"):
        await bench.client.fetch_open_orders(bench.symbol)
    assert bench.client.last_response_headers["Retry-After"] == "3"


async def test_latency_delays_the_answer_by_what_it_says(bench):
    bench.venue.inject(VenueFault.LATENCY, bench.orders, value=0.2)
    started = time.monotonic()
    await bench.buy()
    assert time.monotonic() - started >= 0.2


async def test_an_order_finds_only_a_part_of_its_quantity(bench):
    bench.venue.inject(VenueFault.PARTIAL_FILL, bench.orders, value=0.4)
    placed = await bench.buy(price=60_100)
    order = await bench.client.fetch_order(placed["id"], bench.symbol)
    assert (order["status"], order["filled"]) == ("open", 0.04)


async def test_a_skewed_clock_refuses_what_was_signed_just_now(bench):
    bench.venue.inject(VenueFault.CLOCK_SKEW, value=600)
    with pytest.raises((errors.AuthenticationError, errors.InvalidNonce)):
        await bench.client.fetch_open_orders(bench.symbol)
    assert await bench.client.fetch_time() / 1_000 - time.time() > 500


async def test_the_client_reconnects_after_a_cut(bench, listening, settled):
    listening(lambda: bench.client.watch_orders(bench.symbol))
    await settled(lambda: any(one.startswith(bench.channel) for one in bench.venue.subscriptions))
    assert bench.venue.disconnect_all() == 1
    await settled(lambda: bench.venue.n_streams == 0)
    again = listening(lambda: bench.client.watch_orders(bench.symbol))
    await settled(lambda: any(one.startswith(bench.channel) for one in bench.venue.subscriptions))
    await bench.buy()
    await settled(lambda: again and again[-1])


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        (VenueFault.STREAM_DROP, ["first", "third"]),
        (VenueFault.STREAM_DUPLICATE, ["first", "second", "second", "third"]),
        (VenueFault.STREAM_REORDER, ["first", "third", "second"]),
    ],
)
async def test_a_message_is_lost_doubled_or_late(fault, order, listening, settled):
    async with Bench("coinbase") as bench:
        seen = []
        handle = bench.client.handle_message

        def record(client, message):
            if message["channel"] == "user":
                seen.extend(one["client_order_id"] for one in message["events"][0]["orders"])
            handle(client, message)

        bench.client.handle_message = record
        listening(bench.client.watch_orders)
        await settled(lambda: "user *" in bench.venue.subscriptions)
        bench.venue.inject(fault, "ws user", skip=1, times=1)
        for name in ("first", "second", "third"):
            await bench.client.create_order(
                bench.symbol, "limit", "buy", 0.1, 59_000, {"client_order_id": name}
            )
        await settled(lambda: len(seen) >= len(order))
        assert seen == order
        assert bench.venue.injected() == {fault.value: 1}
