"""What fills paper orders is read by one statement, and is the newest that was known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.core.market.bars import CLOSE, VOLUME, BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.ports import Stores
from recorded_prices import add_prices

FIVE, HOUR = parse_interval("5m"), parse_interval("1h")
N_BARS, MAX_AGE = 97, timedelta(hours=3)


def _bars(n_bars: int) -> BarSeries:
    return make_market(seed=3, symbols=("BTC",), interval=FIVE, n_bars=n_bars).series[0]


async def _stored(database: Database, series: BarSeries) -> None:
    async with database.transactions() as stores:
        await stores.bars.merge(series)


async def _naive(stores: Stores, at_ns: int) -> tuple[float, int, float | None, float | None] | None:
    """Price, its time, volume and volatility, from the stores that keep them."""
    price = await stores.predictions.newest_price("BTC", as_of_ns=at_ns)
    if price is None or at_ns - price.at_ns > MAX_AGE // timedelta(microseconds=1) * 1_000:
        return None
    shortest = await stores.bars.shortest_of("BTC")
    if shortest is None:
        return price.value, price.at_ns, None, None
    bars = await stores.bars.last_bars("BTC", shortest.interval, N_BARS, as_of_ns=at_ns)
    if bars.ts_ns.size < 2:
        return price.value, price.at_ns, None, None
    closes = bars.values[:, CLOSE]
    deviation = float(np.std(closes[1:] / closes[:-1] - 1.0))
    return price.value, price.at_ns, float(bars.values[-1, VOLUME]), deviation


@pytest.mark.parametrize("kept", [slice(None), slice(0, None, 3), slice(0, 40)], ids=["all", "gaps", "few"])
async def test_the_market_is_what_the_stores_of_prices_and_bars_tell(database: Database, kept: slice) -> None:
    five = _bars(400)
    some = replace(five, ts_ns=five.ts_ns[kept], values=five.values[kept])
    await _stored(database, some)
    hours = replace(five, interval=HOUR, ts_ns=five.ts_ns[::12], values=five.values[::12])
    await _stored(database, hours)
    first, last = int(five.ts_ns[0]), int(five.ts_ns[-1]) + FIVE.ns
    await add_prices(database, "BTC", 123.0, until=ns_to_datetime(last - 30 * FIVE.ns), n=8)
    later = last + 200 * 24 * HOUR.ns  # the bars are far away then, and still are the newest that are known
    await add_prices(database, "BTC", 99.0, until=ns_to_datetime(later), n=2)
    market = RecordedMarket(database.transactions, max_age=MAX_AGE)
    steps = range(first, last + 5 * HOUR.ns, 37 * FIVE.ns // 2)
    async with database.transactions() as stores:
        for at_ns in (first - 1_000, first, first + FIVE.ns, *steps, later):
            look = await market.look_within(stores, "BTC", at=ns_to_datetime(at_ns))
            expected = await _naive(stores, at_ns)
            seen = await market.price_within(stores, "BTC", at=ns_to_datetime(at_ns))
            if look is None:
                assert expected is None
                assert seen is None
                continue
            told = float(look.mid), datetime_to_ns(look.at), look.volume, look.volatility
            assert told == expected
            assert seen is not None
            assert (seen.mid, seen.at) == (look.mid, look.at)


async def test_a_symbol_without_bars_has_a_price_alone(database: Database) -> None:
    at = ns_to_datetime(1_700_000_000 * 10**9)
    await add_prices(database, "BTC", 7.0, until=at, n=1)
    market = RecordedMarket(database.transactions, max_age=timedelta(minutes=1))
    look = await market.look("BTC", at=at)
    assert look is not None
    assert (float(look.mid), look.at, look.volume, look.volatility) == (7.0, at, None, None)
    assert await market.look("BTC", at=at + timedelta(minutes=2)) is None
    assert await market.look("ETH", at=at) is None
