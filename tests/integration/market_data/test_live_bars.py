"""Bars of a live market on real PostgreSQL: from the stream where it is whole, from REST where it is not, never with a
hole; and how the feed does is said. The venue is a simulated one with WebSocket and REST."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from redis.asyncio import Redis

from live_venues import eventually
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.redis.feed_board import RedisFeedBoard
from marketsentry.adapters.venues.candles import open_candle_venue
from marketsentry.adapters.venues.trade_stream import TradeStream
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Transactions
from marketsentry.ports.feeds import FeedMode, FeedState
from marketsentry.services.live_bars import FeedParts, FeedRules, LiveBars
from marketsentry.simexchange.clock import VirtualClock
from marketsentry.simexchange.exchange import SimExchange, VenueKind
from marketsentry.simexchange.faults import STREAM_FAULTS, VenueFault

MINUTE = parse_interval("1m")
SYMBOLS = ("BTC", "ETH")
KINDS = list(VenueKind)


class Desk:
    """A simulated venue, a feed on it, and the time of both."""

    def __init__(self, kind: VenueKind, transactions: Transactions) -> None:
        self.time = VirtualClock(1_750_000_030.0)
        self.exchange = SimExchange(kind, seed=5, now_s=self.time)
        self.transactions = transactions
        self.bars: LiveBars

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), tz=UTC)

    async def state(self, condition: Callable[[FeedState], bool]) -> FeedState:
        await eventually(lambda: condition(self.told))
        return self.told

    @property
    def told(self) -> FeedState:
        assert self.bars.state is not None
        return self.bars.state

    async def a_minute_passes(self) -> None:
        """Trades come until half a minute after the next close."""
        for seconds in (15, 15, 15, 15):
            self.time.advance(seconds)
            self.exchange.step()
            await asyncio.sleep(0)

    def is_behind(self) -> bool:
        """Whether a bar was not held against the venue's candles yet."""
        return self.told.n_unverified_bars > 0

    async def refresh(self) -> None:
        await self.bars.refresh(SYMBOLS, MINUTE)

    async def kept(self, symbol: str) -> BarSeries:
        async with self.transactions() as stores:
            return await stores.bars.load(symbol, MINUTE)

    async def agrees_with_the_venue(self) -> None:
        """Every closed bar is there, as the venue's candles have it."""
        (listing, *_) = (one for one in self.exchange.listings if one.base == "BTC" and not one.is_perpetual)
        kept = await self.kept("BTC")
        stop_ns = int(self.time()) // 60 * MINUTE.ns
        wanted = [one for one in listing.candles[60] if one.start_ms * 10**6 < stop_ns]
        there = {
            int(ts): tuple(row) for ts, row in zip(kept.ts_ns.tolist(), kept.values.tolist(), strict=True)
        }
        assert there == {
            one.start_ms * 10**6: (one.open, one.high, one.low, one.close, one.volume) for one in wanted
        }


@asynccontextmanager
async def desk(
    kind: VenueKind, transactions: Transactions, *, streams: bool = True, wait_s: float = 20.0
) -> AsyncIterator[Desk]:
    opened = Desk(kind, transactions)
    async with (
        opened.exchange as exchange,
        open_candle_venue(kind.value, Market.SPOT, base_url=exchange.url, timeout_s=10.0) as venue,
    ):
        stream = partial(TradeStream, kind.value, base_url=exchange.url)
        rules = FeedRules(wait_s=wait_s, tend_every_s=0.05)
        rng = np.random.default_rng(1)
        parts = FeedParts(transactions, opened, venue, rng, stream if streams else None, rules=rules)
        opened.bars = LiveBars(parts)
        try:
            yield opened
        finally:
            await opened.bars.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_bars_of_the_stream_equal_the_candles_of_the_venue(
    kind: VenueKind, transactions: Transactions
) -> None:
    async with desk(kind, transactions) as at:
        await at.refresh()
        await at.state(lambda told: told.mode is FeedMode.STREAM)
        for _ in range(4):
            await at.a_minute_passes()
            await at.refresh()
        await at.agrees_with_the_venue()
        assert at.told.n_streamed_bars >= 3 * len(SYMBOLS)
        asked = at.told.n_backfills
        at.time.advance(25)
        await eventually(lambda: not at.is_behind())
        assert (at.told.n_backfills, at.told.n_corrected_bars) == (asked, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", STREAM_FAULTS)
async def test_no_fault_of_the_stream_leaves_a_hole_or_a_wrong_bar(
    kind: VenueKind, fault: VenueFault, transactions: Transactions
) -> None:
    async with desk(kind, transactions, wait_s=0.2) as at:
        await at.refresh()
        await at.state(lambda told: told.mode is FeedMode.STREAM)
        channel = "ws market_trades" if kind is VenueKind.COINBASE else "ws trade"
        at.exchange.inject(fault, channel, rate=0.3)
        for _ in range(5):
            await at.a_minute_passes()
            await at.refresh()
        at.time.advance(25)
        await eventually(lambda: not at.is_behind())
        await at.agrees_with_the_venue()


async def test_a_broken_stream_is_polled_told_and_taken_up_again(transactions: Transactions) -> None:
    async with desk(VenueKind.COINBASE, transactions, wait_s=0.5) as at:
        await at.refresh()
        await at.state(lambda told: told.mode is FeedMode.STREAM)
        at.exchange.inject(VenueFault.DISCONNECT, "ws *")
        at.exchange.disconnect_all()
        told = await at.state(lambda one: one.mode is FeedMode.POLLING)
        assert "the stream of coinbase broke" in (told.reason or "")
        streamed = told.n_streamed_bars
        for _ in range(2):
            await at.a_minute_passes()
            await at.refresh()
            await at.agrees_with_the_venue()
        assert at.told.n_streamed_bars == streamed
        at.exchange.faults.clear()
        told = await at.state(lambda one: one.mode is FeedMode.STREAM)
        assert told.reason is None
        for _ in range(2):
            await at.a_minute_passes()
            await at.refresh()
        assert at.told.n_streamed_bars > streamed
        await at.agrees_with_the_venue()


async def test_a_silent_stream_is_not_counted_on(transactions: Transactions) -> None:
    async with desk(VenueKind.BITGET, transactions, wait_s=0.2) as at:
        await at.refresh()
        await at.state(lambda told: told.mode is FeedMode.STREAM)
        at.exchange.inject(VenueFault.STREAM_DROP, "ws *")
        for _ in range(2):
            await at.a_minute_passes()
            await at.refresh()
        told = await at.state(lambda one: one.mode is FeedMode.POLLING)
        assert told.reason == "nothing was heard for 15 s"
        await at.agrees_with_the_venue()


async def test_a_venue_without_a_stream_is_polled(transactions: Transactions) -> None:
    async with desk(VenueKind.COINBASE, transactions, streams=False) as at:
        for _ in range(2):
            await at.refresh()
            await at.a_minute_passes()
        await at.refresh()
        await at.agrees_with_the_venue()
        assert (at.told.mode, at.told.reason) == (FeedMode.POLLING, "the venue has none")


async def test_what_feeds_say_is_read_by_others(engines: Engines) -> None:
    redis = Redis.from_url(engines.redis_url)
    board = RedisFeedBoard(redis)
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    said = FeedState("coinbase", SYMBOLS, "1h", FeedMode.POLLING, at, reason="it broke", n_interruptions=2)
    heard = FeedState("bitget", ("BTC",), "5m", FeedMode.STREAM, at, heard_at=at, n_streamed_bars=7)
    await board.put(said)
    await board.put(heard)
    assert list(await board.all()) == [heard, said]
    assert 0 < await redis.ttl("ms:feed:coinbase:1h") <= 60
    await redis.aclose()
    away = RedisFeedBoard(Redis.from_url("redis://127.0.0.1:1/0"))
    with pytest.raises(DependencyError):
        await away.all()
    with pytest.raises(DependencyError):
        await away.put(said)
