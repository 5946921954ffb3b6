"""The real client against a server on loopback that speaks the venues' protocols."""

import numpy as np
import pytest

from marketsentry.adapters.venues.candles import open_candle_venue
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import DependencyError, InputError, NotFoundError
from marketsentry.ports.venues import VenueBusyError, VenueUnavailableError
from marketsentry.simexchange.candles import Candle, CandleExchange, Listing
from marketsentry.simexchange.faults import Fault, FaultSchedule
from marketsentry.simexchange.protocols import BinanceProtocol, BitgetProtocol, CoinbaseProtocol

M5 = parse_interval("5m")
START_S = 1_704_067_200
START_NS = START_S * 10**9
SIDES = {
    "coinbase": (CoinbaseProtocol, "USD", Market.SPOT, "BTC-USD", "coinbase_spot"),
    "bitget": (BitgetProtocol, "USDT", Market.SPOT, "BTC", "bitget_spot"),
    "bitget_perp": (BitgetProtocol, "USDT", Market.PERP, "BTC-PERP", "bitget_perp"),
    "binance": (BinanceProtocol, "USDT", Market.SPOT, "BTC", "binance_spot"),
    "binance_perp": (BinanceProtocol, "USDT", Market.PERP, "BTC-PERP", "binance_perp"),
}


def candles(n, step_s=300):
    return [
        Candle((START_S + i * step_s) * 1_000, 100 + i, 102 + i, 99 + i, 101 + i, 0.5 * i) for i in range(n)
    ]


def exchange(side, *, n=400, script=()):
    protocol, quote, market, _, _ = SIDES[side]
    listing = Listing("BTC", quote, {300: candles(n)}, market is Market.PERP)
    faults = FaultSchedule(script=script, retry_after_s=7.0)
    return CandleExchange(protocol(), [listing], faults=faults, now_s=lambda: START_S + 500 * 300.0)


@pytest.fixture(params=SIDES)
def side(request):
    return request.param


def opened(side, server, timeout_s=5.0):
    return open_candle_venue(side.partition("_")[0], SIDES[side][2], base_url=server.url, timeout_s=timeout_s)


async def test_a_page_comes_as_the_venue_has_it(side):
    async with exchange(side) as server, opened(side, server) as venue:
        market = await venue.market("BTC", M5)
        assert (market.symbol, market.source) == SIDES[side][3:]
        page = await venue.candles(market, M5, START_NS + 10 * M5.ns, START_NS + 110 * M5.ns)
    inside = (page.ts_ns >= START_NS + 10 * M5.ns) & (page.ts_ns < START_NS + 110 * M5.ns)
    np.testing.assert_array_equal(np.sort(page.ts_ns[inside]), START_NS + M5.ns * np.arange(10, 110))
    first = page.values[np.argmin(page.ts_ns)]
    np.testing.assert_array_equal(first, [110, 112, 109, 111, 5])
    assert page.venue_now_ns == START_NS + 500 * M5.ns


async def test_a_full_page_is_served_whole(side):
    async with exchange(side, n=1_200) as server, opened(side, server) as venue:
        market = await venue.market("BTC", M5)
        stop_ns = START_NS + venue.page_bars * M5.ns
        page = await venue.candles(market, M5, START_NS, stop_ns)
    assert np.unique(page.ts_ns[page.ts_ns < stop_ns]).size == venue.page_bars


async def test_the_venues_own_spelling_is_understood():
    async with exchange("coinbase") as server, opened("coinbase", server) as venue:
        assert {
            (await venue.market(word, M5)).symbol for word in ("BTC", "BTC-USD", "BTC/USD", "btcusd")
        } == {"BTC-USD"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.TOO_MANY, VenueBusyError),
        (Fault.SERVER_ERROR, VenueUnavailableError),
        (Fault.DROP, VenueUnavailableError),
        (Fault.CUT, VenueUnavailableError),
        (Fault.TIMEOUT, VenueUnavailableError),
    ],
)
async def test_failures_that_a_retry_may_help_are_told_apart(side, fault, error):
    async with exchange(side) as server, opened(side, server, timeout_s=0.3) as venue:
        market = await venue.market("BTC", M5)
        # aiohttp itself asks once more when a kept connection closes
        server.faults.script([fault] * (2 if fault is Fault.DROP else 1))
        with pytest.raises(error) as raised:
            await venue.candles(market, M5, START_NS, START_NS + 10 * M5.ns)
        if fault is Fault.TOO_MANY:
            assert raised.value.retry_after_s == 7.0
        page = await venue.candles(market, M5, START_NS, START_NS + 10 * M5.ns)
    assert page.ts_ns.size >= 10


async def test_a_blocked_location_is_explained_with_another_way(side):
    async with exchange(side, script=[Fault.BLOCKED] * 20) as server, opened(side, server) as venue:
        with pytest.raises(
            DependencyError, match=r"refuses this location .HTTP 451.*another venue"
        ) as raised:
            await venue.market("BTC", M5)
    assert not isinstance(raised.value, VenueBusyError | VenueUnavailableError)


async def test_what_the_venue_does_not_have_is_named():
    async with exchange("coinbase") as server, opened("coinbase", server) as venue:
        with pytest.raises(
            NotFoundError, match=r"coinbase has no spot market BTX .BTX/USD.; near names: BTC/USD"
        ):
            await venue.market("BTX", M5)
        with pytest.raises(InputError, match="coinbase has no 4h candles; it has 1m, 5m"):
            await venue.market("BTC", parse_interval("4h"))
        with pytest.raises(InputError, match="BTC-PERP is a perp market"):
            await venue.market("BTC-PERP", M5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kraken", Market.SPOT), "venue must be one of coinbase, bitget, binance, was 'kraken'"),
        (("coinbase", Market.PERP), "coinbase serves spot candles only, was perp"),
    ],
)
async def test_unknown_venues_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        async with open_candle_venue(*arguments):
            pass


async def test_a_base_url_must_be_one():
    with pytest.raises(InputError, match="base URL must look like"):
        async with open_candle_venue("bitget", Market.SPOT, base_url="localhost"):
            pass
