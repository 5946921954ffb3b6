"""Bring the bars of live markets into the record as they close: from the venue's trades, and from REST what those lack.

A bar is made of the stream only when every trade of it was heard, and the venue has spoken on the same line since its
close. What was missed, by a broken connection, a gap or a silent line, is asked for over REST, and so is every bar
once more a while after its close: the stream is quick, and the venue's candles are what is kept.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import structlog

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.market.trade_bars import BarMaker, MadeBar
from marketsentry.exceptions import MarketSentryError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.ending import end
from marketsentry.ports.feeds import FeedBoard, FeedMode, FeedState
from marketsentry.ports.market_stream import Begun, Heard, Interrupted, MarketEvent, MarketStream, Traded
from marketsentry.ports.venues import CandleVenue, Sleep, VenueMarket
from marketsentry.services.download import DownloadRequest, download_bars
from marketsentry.services.pacing import Pace

FIRST_BARS = 1_000
OpenStream = Callable[[Mapping[str, str]], MarketStream]
"""Makes the stream of some markets, told as the venue's names by ours."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How patient a feed is.

    A venue's word `settle_ns` after a close proves that nothing of the bar is still on its way; `wait_s` beyond a
    close REST is asked instead. `verify_after` a close its bar is held against the venue's candle. A line on which
    nothing was said for `silent_after` is not counted on.
    """

    settle_ns: int = NS_PER_S
    wait_s: float = 3.0
    verify_after: timedelta = timedelta(seconds=20)
    silent_after: timedelta = timedelta(seconds=15)
    tend_every_s: float = 1.0
    say_every: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class FeedParts:
    """What a feed needs. Without `open_stream` it polls; `board` is where it says how it does."""

    transactions: Transactions
    clock: Clock
    venue: CandleVenue
    rng: np.random.Generator
    open_stream: OpenStream | None = None
    board: FeedBoard | None = None
    rules: FeedRules = field(default_factory=FeedRules)
    sleep: Sleep = asyncio.sleep


class LiveBars:
    """The bars of one trader; made once, closed at the end.

    Parameters
    ----------
    parts
        Record, time, the venue and its stream.
    """

    def __init__(self, parts: FeedParts) -> None:
        self._parts = parts
        self._feed: _Feed | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def refresh(self, symbols: Sequence[str], interval: Interval) -> None:
        """Bring what has closed by now into the record.

        Parameters
        ----------
        symbols
            The same with every call; the bars are stored under these names.
        interval
            Length of the bars, the same with every call.

        Raises
        ------
        MarketSentryError
            If REST had to be asked and failed, or the record is away; the next call goes on from there.
        """
        if self._feed is None:
            self._feed = feed = await _begin(symbols, interval, self._parts)
            self._tasks = [asyncio.create_task(feed.tend())]
            if self._parts.open_stream is not None:
                self._tasks.append(asyncio.create_task(feed.listen(self._parts.open_stream)))
        await self._feed.catch_up()

    @property
    def state(self) -> FeedState | None:
        """How the feed does; None before the first refresh."""
        return None if self._feed is None else self._feed.state()

    async def close(self) -> None:
        """Let go of the stream."""
        await end(self._tasks)


async def _begin(symbols: Sequence[str], interval: Interval, parts: FeedParts) -> "_Feed":
    pace = Pace(min_delay_s=parts.venue.min_delay_s, rng=parts.rng, sleep=parts.sleep)
    markets = {symbol: await pace.call(partial(parts.venue.market, symbol, interval)) for symbol in symbols}
    async with parts.transactions() as stores:
        known = await stores.bars.series_of(symbols, interval)
    first_ns = datetime_to_ns(parts.clock.now()) // interval.ns * interval.ns - FIRST_BARS * interval.ns
    kept_ns = {symbol: known[symbol].last_ns if symbol in known else first_ns for symbol in markets}
    return _Feed(markets, interval, kept_ns, parts, pace)


class _Feed:
    """The markets of one feed. `kept_ns` says up to where the venue's candles are in the record."""

    def __init__(
        self,
        markets: Mapping[str, VenueMarket],
        interval: Interval,
        kept_ns: dict[str, int],
        parts: FeedParts,
        pace: Pace,
    ) -> None:
        self.markets, self.interval, self.kept_ns, self.parts, self.pace = (
            markets,
            interval,
            kept_ns,
            parts,
            pace,
        )
        self.makers = {symbol: BarMaker(interval) for symbol in markets}
        self.since_ns = dict(kept_ns)  # names the download, which goes on from its checkpoint
        self.made_from_ns, self.made_ns = dict(kept_ns), dict(kept_ns)
        self.heard_ns = 0
        self.heard_at: datetime | None = None
        self.mode, self.since = FeedMode.POLLING, parts.clock.now()
        self.reason: str | None = (
            "the stream has not begun yet" if parts.open_stream else "the venue has none"
        )
        self.said_at: datetime | None = None
        self.counts = dict.fromkeys(("interruptions", "backfills", "streamed_bars", "corrected_bars"), 0)
        self.changed = asyncio.Event()
        self.asking = asyncio.Lock()
        self.verify_at = parts.clock.now()

    # What is heard.

    async def listen(self, open_stream: OpenStream) -> None:
        try:
            await open_stream({symbol: one.venue_symbol for symbol, one in self.markets.items()}).run(
                self.hear
            )
        except Exception as error:  # outermost loop of a stream: bars are asked for without it
            log.exception("market_stream_failed", source=self.parts.venue.name)
            self.hear(Interrupted(f"the stream failed: {type(error).__name__}"))

    def hear(self, event: MarketEvent) -> None:
        match event:
            case Traded(symbol, prints):
                for one in prints:
                    self.makers[symbol].add(one)
            case Begun(symbol, at_ns):
                self.makers[symbol].begin(at_ns)
            case Heard(at_ns):
                self.heard_ns, self.heard_at = max(self.heard_ns, at_ns), self.parts.clock.now()
                self.changed.set()
            case Interrupted(reason):
                for maker in self.makers.values():
                    maker.interrupt()
                self.heard_ns, self.reason = 0, reason
                self.counts["interruptions"] += 1
        self._judge()

    def _judge(self) -> None:
        """Say when the feed changes between stream and polling."""
        now = self.parts.clock.now()
        mode = FeedMode.POLLING
        if self.heard_at is not None and all(one.has_begun for one in self.makers.values()):
            if now - self.heard_at <= self.parts.rules.silent_after:
                mode, self.reason = FeedMode.STREAM, None
            elif self.reason is None:
                self.reason = f"nothing was heard for {self.parts.rules.silent_after.total_seconds():g} s"
        if mode is self.mode:
            return
        self.mode, self.since, self.said_at = mode, now, None
        source = self.parts.venue.name
        if mode is FeedMode.STREAM:
            log.info("market_data_streams", source=source, symbols=list(self.markets))
        else:
            log.warning("market_data_polls", source=source, reason=self.reason)

    # What has closed.

    async def catch_up(self) -> None:
        end_ns = self._closed_ns()
        await self._wait_for_stream(end_ns)
        await self._write_made(end_ns)
        late = [symbol for symbol in self.markets if self._has_until_ns(symbol) < end_ns]
        if late:
            self.counts["backfills"] += 1
            await self._ask(late)

    def _closed_ns(self) -> int:
        return datetime_to_ns(self.parts.clock.now()) // self.interval.ns * self.interval.ns

    def _is_told(self, symbol: str, end_ns: int) -> bool:
        """Whether nothing of the bars before `end_ns` can still be on its way."""
        heard = self.heard_ns >= end_ns + self.parts.rules.settle_ns
        return heard or self.makers[symbol].newest_ns >= end_ns

    def _has_until_ns(self, symbol: str) -> int:
        """End of what is in the record without a hole."""
        kept_ns = self.kept_ns[symbol]
        return max(kept_ns, self.made_ns[symbol]) if self.made_from_ns[symbol] <= kept_ns else kept_ns

    async def _wait_for_stream(self, end_ns: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.parts.rules.wait_s):
                while any(
                    maker.is_whole(end_ns - self.interval.ns)
                    and self.made_ns[symbol] < end_ns
                    and not self._is_told(symbol, end_ns)
                    for symbol, maker in self.makers.items()
                ):
                    self.changed.clear()
                    await self.changed.wait()

    async def _write_made(self, end_ns: int) -> None:
        made = {
            symbol: bars
            for symbol, maker in self.makers.items()
            if self._is_told(symbol, end_ns) and (bars := maker.close(end_ns))
        }
        if not made:
            return
        async with self.parts.transactions() as stores:
            for symbol, bars in made.items():
                await stores.bars.merge(self._series(symbol, bars))
        for symbol, bars in made.items():
            for bar in bars:
                if bar.ts_ns > self._has_until_ns(symbol):
                    self.made_from_ns[symbol] = bar.ts_ns
                self.made_ns[symbol] = bar.ts_ns + self.interval.ns
            self.counts["streamed_bars"] += len(bars)

    def _series(self, symbol: str, bars: Sequence[MadeBar]) -> BarSeries:
        ts_ns = np.array([one.ts_ns for one in bars], dtype=np.int64)
        values = np.array([one.values for one in bars], dtype=np.float64)
        return BarSeries(symbol, self.interval, self.markets[symbol].source, ts_ns, values)

    async def _ask(self, symbols: Sequence[str]) -> None:
        """Fetch the candles that closed since those that are kept."""
        async with self.asking:
            for symbol in symbols:
                (told,) = await download_bars(
                    DownloadRequest((symbol,), self.interval, self.since_ns[symbol], as_symbol=symbol),
                    venue=self.parts.venue,
                    transactions=self.parts.transactions,
                    clock=self.parts.clock,
                    pace=self.pace,
                )
                if told.last_ns is not None:
                    self.kept_ns[symbol] = max(self.kept_ns[symbol], told.last_ns + self.interval.ns)
                if told.n_updated:
                    self.counts["corrected_bars"] += told.n_updated
                    log.warning("streamed_bars_corrected", symbol=symbol, bars=told.n_updated)

    # What goes by time.

    async def tend(self) -> None:
        """Hold what came by the stream against the candles, and say how the feed does."""
        while True:
            self._judge()
            now = self.parts.clock.now()
            if now >= self.verify_at:
                self.verify_at = now + self.parts.rules.verify_after / 4
                try:
                    await self._verify(now)
                except MarketSentryError as error:
                    log.warning("bars_not_verified", source=self.parts.venue.name, reason=str(error))
                except Exception:  # outermost loop of a feed
                    log.exception("bars_not_verified", source=self.parts.venue.name)
            if self.said_at is None or now - self.said_at >= self.parts.rules.say_every:
                await self._say(now)
            await self.parts.sleep(self.parts.rules.tend_every_s)

    async def _verify(self, now: datetime) -> None:
        end_ns = datetime_to_ns(now - self.parts.rules.verify_after) // self.interval.ns * self.interval.ns
        await self._ask([one for one in self.markets if self.kept_ns[one] < min(self.made_ns[one], end_ns)])

    async def _say(self, now: datetime) -> None:
        if self.parts.board is None:
            return
        self.said_at = now
        with suppress(MarketSentryError):  # the status may be lost; it is said again
            await self.parts.board.put(self.state())

    def state(self) -> FeedState:
        return FeedState(
            source=self.parts.venue.name,
            symbols=tuple(self.markets),
            interval=str(self.interval),
            mode=self.mode,
            since=self.since,
            reason=self.reason,
            heard_at=self.heard_at,
            n_unverified_bars=sum(
                max(0, self.made_ns[one] - self.kept_ns[one]) // self.interval.ns for one in self.markets
            ),
            **{f"n_{name}": count for name, count in self.counts.items()},
        )
