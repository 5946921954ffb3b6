"""Downloading candles: in pages, chunk by chunk, with a checkpoint in the transaction that stores each chunk.

A crash costs at most the chunk in flight: its bars were not stored, so they are asked for again. A bar is
taken only when it has closed by our clock and by the venue's. Where the venue leaves out bars without trades,
a bar missing between two received ones, which two answers left out, is recorded as no-trade; everywhere else
it stays lost and is named in the gap list.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.candle_span import CandleSpan, add_answer, empty_span
from marketsentry.core.market.interval import NS_PER_S, Interval, parse_interval
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.market.validation import Reason, check_bars
from marketsentry.exceptions import InputError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.audits import OPEN_END_NS, Checkpoint, DownloadKey
from marketsentry.ports.bars import MergeCounts
from marketsentry.ports.venues import CandlePage, CandleVenue, VenueMarket
from marketsentry.services.pacing import Pace

CHUNK_PAGES = 16
SETTLE_NS = 600 * NS_PER_S
DAY = parse_interval("1d")


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What to download. `until_ns` None goes up to the present; `as_symbol` stores one market under another
    name.
    """

    symbols: tuple[str, ...]
    interval: Interval
    since_ns: int
    until_ns: int | None = None
    as_symbol: str | None = None


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far one symbol has come; `done_frac` is the share of its time range."""

    symbol: str
    done_frac: float
    n_bars: int


@dataclass(frozen=True, slots=True)
class SymbolDownload:
    """What one symbol's download brought.

    `n_received` bars came and were sound; `n_no_trade` cells were recorded as without trades; `n_rejected`
    rows were impossible. `resumed_from_ns` is where an earlier run had stopped. `gaps_ns` (n_gaps, 2) are
    lost spans of the range asked for, start inclusive, stop exclusive; `first_ns` None where the venue had no
    bar.
    """

    symbol: str
    source: str
    first_ns: int | None
    last_ns: int | None
    n_received: int
    n_inserted: int
    n_updated: int
    n_no_trade: int
    n_rejected: int
    n_requests: int
    n_retries: int
    resumed_from_ns: int | None
    gaps_ns: NDArray[np.int64]


async def download_bars(
    request: DownloadRequest,
    *,
    venue: CandleVenue,
    transactions: Transactions,
    clock: Clock,
    pace: Pace,
    on_progress: Callable[[DownloadProgress], None] = lambda _: None,
) -> tuple[SymbolDownload, ...]:
    """Download bars of several markets, one after the other.

    A range that ends less than ten minutes ago is not marked as done: its newest bars may still be on their
    way.

    Parameters
    ----------
    request
        What to download.
    venue
        Where from.
    transactions
        The record.
    clock
        Tells the present.
    pace
        How fast to ask and how often to try again.
    on_progress
        Called after each page.

    Returns
    -------
    tuple of SymbolDownload
        In the order of the request.

    Raises
    ------
    InputError
        If the range is empty, the venue has no such interval, or `as_symbol` is given for several markets.
    NotFoundError
        If the venue has no such market.
    ConflictError
        If the stored series comes from another source.
    DependencyError
        If the venue refuses or fails for good. What was stored before stays, and the same request goes on
        from there.
    """
    if request.until_ns is not None and request.until_ns <= request.since_ns:
        raise InputError("the end of a download must be after its start")
    if request.as_symbol is not None and len(request.symbols) != 1:
        raise InputError(f"another name fits one market, {len(request.symbols)} were given")
    markets = [await pace.call(partial(venue.market, symbol, request.interval)) for symbol in request.symbols]
    done = []
    for market in markets:
        stored_as = market if request.as_symbol is None else replace(market, symbol=request.as_symbol)
        done.append(await _Download(request, stored_as, venue, transactions, clock, pace, on_progress).run())
    return tuple(done)


class _Download:
    """One market's download: what is known so far, between one page and the next."""

    def __init__(
        self,
        request: DownloadRequest,
        market: VenueMarket,
        venue: CandleVenue,
        transactions: Transactions,
        clock: Clock,
        pace: Pace,
        on_progress: Callable[[DownloadProgress], None],
    ) -> None:
        self.interval = request.interval
        self.since_ns = _ceil(request.since_ns, request.interval)
        until_ns = OPEN_END_NS if request.until_ns is None else _ceil(request.until_ns, request.interval)
        self.key = DownloadKey(venue.name, market.symbol, request.interval, self.since_ns, until_ns)
        self.market = market
        self.venue = venue
        self.transactions = transactions
        self.clock = clock
        self.pace = pace
        self.on_progress = on_progress
        self.venue_lag_ns = 0
        self.counts = MergeCounts()
        self.n_received = self.n_no_trade = self.n_rejected = 0
        self.n_before = 0
        self.newest_ns: int | None = None
        self.oldest_ns: int | None = None
        self.rejected_ns: set[int] = set()

    async def run(self) -> SymbolDownload:
        """Download from the checkpoint to the end."""
        requests, retries = self.pace.n_requests, self.pace.n_retries
        next_ns, resumed_from_ns = await self._resume()
        is_first = resumed_from_ns is None
        while next_ns < self._stop_ns():
            chunk, next_ns = await self._chunk(next_ns, may_skip=is_first)
            is_first = False
            await self._commit(chunk, next_ns)
        return SymbolDownload(
            symbol=self.market.symbol,
            source=self.market.source,
            first_ns=self.oldest_ns,
            last_ns=self.newest_ns,
            n_received=self.n_received,
            n_inserted=self.counts.inserted,
            n_updated=self.counts.updated,
            n_no_trade=self.n_no_trade,
            n_rejected=self.n_rejected,
            n_requests=self.pace.n_requests - requests,
            n_retries=self.pace.n_retries - retries,
            resumed_from_ns=resumed_from_ns,
            gaps_ns=await self._gaps(),
        )

    async def _resume(self) -> tuple[int, int | None]:
        async with self.transactions() as stores:
            checkpoint = await stores.audits.checkpoint(self.key)
            series = await stores.bars.series(self.market.symbol, self.interval)
            if checkpoint is None or series is None:  # bars deleted since are asked for again
                return self.since_ns, None
            self.n_before = checkpoint.n_bars
            before = await stores.bars.last_bars(
                self.market.symbol, self.interval, 1, as_of_ns=checkpoint.next_ns
            )
        if before.ts_ns.size and before.ts_ns[-1] >= self.since_ns:
            self.newest_ns = int(before.ts_ns[-1])
        return checkpoint.next_ns, checkpoint.next_ns

    def _now_ns(self) -> int:
        return datetime_to_ns(self.clock.now()) - self.venue_lag_ns

    def _stop_ns(self) -> int:
        """End of the bars that have closed by both clocks."""
        closed_ns = self._now_ns() // self.interval.ns * self.interval.ns
        return min(self.key.until_ns, closed_ns)

    async def _chunk(self, start_ns: int, *, may_skip: bool) -> tuple[list[CandleSpan], int]:
        """Ask for up to `CHUNK_PAGES` pages; returns them and where the next chunk starts."""
        spans: list[CandleSpan] = []
        next_ns = start_ns
        while len(spans) < CHUNK_PAGES and next_ns < self._stop_ns():
            stop_ns = min(next_ns + self.venue.page_bars * self.interval.ns, self._stop_ns())
            span = await self._span(next_ns, stop_ns)
            next_ns = stop_ns
            if may_skip and not spans and span.ts_ns.size == 0:
                next_ns = max(next_ns, await self._listed_from(next_ns))
            spans.append(span)
            self._report(next_ns, sum(one.ts_ns.size for one in spans))
        return spans, next_ns

    async def _span(self, start_ns: int, stop_ns: int) -> CandleSpan:
        """Ask until every bar is there or nothing new comes."""
        span = empty_span(self.interval, start_ns, stop_ns)
        while not span.is_settled:
            page = await self._ask(self.interval, *span.question_ns)
            span = add_answer(span, page.ts_ns, page.values)
        return span

    async def _ask(self, interval: Interval, start_ns: int, stop_ns: int) -> CandlePage:
        request = partial(self.venue.candles, self.market, interval, start_ns, stop_ns)
        page = await self.pace.call(request)
        if page.venue_now_ns is not None:
            self.venue_lag_ns = max(0, datetime_to_ns(self.clock.now()) - page.venue_now_ns)
        return page

    async def _listed_from(self, start_ns: int) -> int:
        """Day of the first candle at or after `start_ns`, found with daily ones; the end where there is none."""
        day_ns = start_ns // DAY.ns * DAY.ns
        while day_ns < self._stop_ns():
            stop_ns = day_ns + self.venue.page_bars * DAY.ns
            page = await self._ask(DAY, day_ns, stop_ns)
            days = page.ts_ns[(page.ts_ns >= day_ns) & (page.ts_ns < stop_ns)]
            if days.size:
                return int(days.min())
            day_ns = stop_ns
        return self._stop_ns()

    async def _commit(self, spans: list[CandleSpan], next_ns: int) -> None:
        """Store a chunk: its bars, what is known not to have traded, and the checkpoint, together."""
        series = self._sound(spans)
        no_trade = self._no_trade(series.ts_ns)
        if series.ts_ns.size:
            self.newest_ns = int(series.ts_ns[-1])
            self.oldest_ns = int(series.ts_ns[0]) if self.oldest_ns is None else self.oldest_ns
        is_done = next_ns >= self.key.until_ns and self._now_ns() - next_ns >= SETTLE_NS
        if not is_done and self.newest_ns is not None:  # the venue may still publish the newest bars
            page_ns = self.venue.page_bars * self.interval.ns
            next_ns = min(next_ns, max(self.newest_ns + self.interval.ns, next_ns - page_ns))
        self.n_received += series.ts_ns.size
        checkpoint = Checkpoint(self.key, next_ns, self.n_before + self.n_received, is_done)
        async with self.transactions() as stores:
            self.counts += await stores.bars.merge(series)
            if no_trade.size:
                self.n_no_trade += await stores.bars.add_no_trade(self.market.symbol, self.interval, no_trade)
            await stores.audits.save_checkpoint(checkpoint)

    def _sound(self, spans: list[CandleSpan]) -> BarSeries:
        """Bars of a chunk without the impossible and the unfinished ones."""
        ts_ns = np.concatenate([span.ts_ns for span in spans])
        values = np.concatenate([span.values for span in spans])
        reason = check_bars(ts_ns, values, interval=self.interval, now_ns=self._now_ns())
        is_sound = reason == Reason.OK
        refused = ts_ns[~is_sound & (reason != Reason.FUTURE_TIME)]
        self.n_rejected += refused.size
        self.rejected_ns.update(refused.tolist())
        return BarSeries(
            self.market.symbol, self.interval, self.market.source, ts_ns[is_sound], values[is_sound]
        )

    def _no_trade(self, ts_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cells between received bars that the venue left out because nothing traded."""
        if not self.venue.omits_no_trade or ts_ns.size == 0:
            return np.empty(0, np.int64)
        first = int(ts_ns[0]) if self.newest_ns is None else self.newest_ns
        cells = np.arange(first, int(ts_ns[-1]), self.interval.ns, dtype=np.int64)
        known = np.concatenate([ts_ns, [first], np.array(sorted(self.rejected_ns), dtype=np.int64)])
        return np.setdiff1d(cells, known)

    async def _gaps(self) -> NDArray[np.int64]:
        """Lost spans of the range, from the manifest."""
        async with self.transactions() as stores:
            info = await stores.bars.series(self.market.symbol, self.interval)
        if info is None:
            return np.empty((0, 2), np.int64)
        stop_ns = self._stop_ns()
        clipped = np.column_stack(
            [np.maximum(info.gaps_ns[:, 0], self.since_ns), np.minimum(info.gaps_ns[:, 1], stop_ns)]
        )
        return clipped[clipped[:, 0] < clipped[:, 1]]

    def _report(self, next_ns: int, n_in_flight: int) -> None:
        whole_ns = max(self._stop_ns() - self.since_ns, 1)
        done = min((next_ns - self.since_ns) / whole_ns, 1.0)
        n_bars = self.n_before + self.n_received + n_in_flight
        self.on_progress(DownloadProgress(self.market.symbol, done, n_bars))


def _ceil(ns: int, interval: Interval) -> int:
    return -(-ns // interval.ns) * interval.ns
