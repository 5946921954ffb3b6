"""The newest features of a universe, and what is read beside them: by one round trip while nothing old has changed.

The manifest line of a series names the transaction that last changed what it already held. While that is the one of
the last reading, only bars behind it are read and stepped over; else the checked window is read again, and when a bar
of it changed, everything.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.serving.answer import Reason, Why
from marketsentry.core.serving.readiness import ServedRow
from marketsentry.core.serving.stream import FeatureStream, LiveBar
from marketsentry.exceptions import ConflictError
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.serving import LiveSeries, TargetFacts
from marketsentry.ports.together import together
from marketsentry.services.market_inputs import context_inputs, load_context
from marketsentry.services.serving import KeptStream, ServedModel, ServingCache

CONTEXT_EVENTS = 8
DAY_NS = 86_400_000_000_000
_QUICK_BARS = 64
"""So many bars of every symbol are stepped over at once; more of them go to a thread."""

B = TypeVar("B")
Beside = Callable[[Stores], Coroutine[Any, Any, B]]
"""A read that goes with those of the rows: it sends its only statement before it first waits."""
Facts = Mapping[str, TargetFacts]
Live = Mapping[str, LiveSeries]
Rows = Mapping[str, ServedRow | Why]


@dataclass(frozen=True, slots=True)
class OpenedRows(Generic[B]):
    """A transaction with what was read in it: facts of the targets asked for, rows of the whole universe.

    `live` are the newest bars, of the whole universe where they were read for the rows: all of them that opened at
    `live_from_ns` or later and are known. `beside` is what was read beside them.
    """

    stores: Stores
    facts: Facts
    rows: Rows
    beside: B
    live: Live = field(default_factory=dict)
    live_from_ns: int | None = None


@dataclass(frozen=True, slots=True)
class _Advanced:
    bars: tuple[LiveBar, ...]
    kept: KeptStream
    missing_frac: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Read:
    """The newest bars as they were read, and what became of them."""

    found: _Advanced | Why
    live: Live
    live_from_ns: int | None


@asynccontextmanager
async def open_facts(
    symbols: Sequence[str], transactions: Transactions, *, as_of_ns: int, beside: Beside[B]
) -> AsyncIterator[OpenedRows[B]]:
    """Open a transaction and read the facts of symbols alone; see `open_rows`."""
    async with transactions() as stores:
        facts, told = await together(_facts(stores, symbols, as_of_ns), beside(stores))
        yield OpenedRows(stores, facts, {}, told)


@asynccontextmanager
async def open_rows(
    served: ServedModel,
    symbols: Sequence[str],
    cache: ServingCache,
    transactions: Transactions,
    *,
    as_of_ns: int,
    beside: Beside[B],
) -> AsyncIterator[OpenedRows[B]]:
    """Open a transaction and compute the features of the newest bar of a universe, as the training writer would.

    Parameters
    ----------
    served
        Names features and universe.
    symbols
        Of these facts are read.
    cache
        Holds the stream of the version.
    transactions
        The record.
    as_of_ns
        Nothing known later is read, UTC epoch ns.
    beside
        Read by the same round trip.

    Yields
    ------
    OpenedRows
        All rows are `no_bars` when a series of the universe is not there.
    """
    async with AsyncExitStack() as turn:  # whoever waits for its turn holds no connection
        await turn.enter_async_context(cache.locks[served.sha256])
        kept = cache.streams.get(served.sha256)
        is_past = kept is not None and kept.stream.next_ts_ns > as_of_ns
        if kept is None or is_past:  # what has seen more than may be known steps over the past once more
            first = await _from_start(served, as_of_ns, transactions)
        async with transactions() as stores:
            if kept is None or is_past:
                read = _Read(first, {}, None)
                facts, told = await together(_facts(stores, symbols, as_of_ns), beside(stores))
            else:
                newest, facts, told = await together(
                    _newest(kept, served, as_of_ns, stores),
                    _facts(stores, symbols, as_of_ns),
                    beside(stores),
                )
                read = await _advanced(newest, kept, served, as_of_ns, stores, transactions)
            found = read.found
            if isinstance(found, _Advanced) and not is_past and found.kept.stream.has_started:
                cache.streams[served.sha256] = found.kept
            rows = {symbol: _row_of(found, served, symbol) for symbol in served.symbols}
            await turn.aclose()
            yield OpenedRows(stores, facts, rows, told, read.live, read.live_from_ns)


async def _facts(stores: Stores, symbols: Sequence[str], as_of_ns: int) -> Facts:
    return await stores.serving.facts(symbols, as_of_ns=as_of_ns, max_events=CONTEXT_EVENTS)


async def _newest(
    kept: KeptStream, served: ServedModel, as_of_ns: int, stores: Stores, start_ns: int | None = None
) -> Live:
    """Read what the stream has not stepped over, or all from `start_ns` on."""
    stream = kept.stream
    return await stores.serving.series(
        served.symbols,
        stream.interval,
        start_ns=stream.next_ts_ns if start_ns is None else start_ns,
        since_ns=stream.next_known_ns,
        as_of_ns=as_of_ns,
    )


async def _advanced(
    live: Live,
    kept: KeptStream,
    served: ServedModel,
    as_of_ns: int,
    stores: Stores,
    transactions: Transactions,
) -> _Read:
    """Follow the record, or look at the checked window where it does not prove that nothing of it has changed."""
    stream = kept.stream
    step, from_ns = stream.follow, stream.next_ts_ns
    if not (stream.can_follow and all(kept.is_unchanged(live.get(symbol)) for symbol in served.symbols)):
        assert stream.checked_from_ns is not None  # what is kept has started
        step, from_ns = stream.advance, stream.checked_from_ns
        live = await _newest(kept, served, as_of_ns, stores, from_ns)
    missing = next((symbol for symbol in served.symbols if symbol not in live), None)
    if missing is not None:
        return _Read(_no_bars(missing, stream.interval), live, from_ns)
    given = [live[symbol] for symbol in served.symbols]
    stepped = kept.again(given) if step == stream.follow else None
    if stepped is None:
        try:
            stepped = await _stepped(step, given)
        except ConflictError:
            return _Read(await _from_start(served, as_of_ns, transactions), live, from_ns)
    lines = {one.info.symbol: one.info for one in given}
    is_open = stream.next_ts_ns == from_ns  # it went on from where it stood
    newest = KeptStream(stream, lines, (given, stepped) if is_open else None)
    return _Read(_Advanced(stepped, newest, stream.missing_frac), live, from_ns)


async def _stepped(
    step: Callable[..., tuple[LiveBar, ...]], given: Sequence[LiveSeries]
) -> tuple[LiveBar, ...]:
    bars, quiet = [one.bars for one in given], [one.no_trade_ts_ns for one in given]
    inputs = context_inputs(
        {one.info.symbol: one.funding for one in given}, {one.info.symbol: one.events for one in given}
    )
    if max(one.ts_ns.size for one in bars) + max(one.size for one in quiet) > _QUICK_BARS:
        return await asyncio.to_thread(step, bars, quiet, inputs)
    return step(bars, quiet, inputs)


async def _from_start(served: ServedModel, as_of_ns: int, transactions: Transactions) -> _Advanced | Why:
    """Step over everything from the first bar of the training on."""
    interval, span = served.scoring.interval, served.scoring.scorers[-1]
    stream = FeatureStream(
        served.feature_set,
        served.symbols,
        interval,
        train_span_ns=(span.train_start_ns, span.train_stop_ns),
    )
    bars, quiet = [], []
    async with transactions() as stores:
        lines = await stores.bars.series_of(
            served.symbols, interval
        )  # before the bars: a change of them shows
        for symbol in served.symbols:
            if symbol not in lines:
                return _no_bars(symbol, interval)
        span_ns = {"start_ns": served.scoring.first_ns}
        for line in (lines[symbol] for symbol in served.symbols):
            bars.append(
                await stores.bars.load(line.symbol, interval, **span_ns, as_of_ns=as_of_ns, info=line)
            )
            closed_ns = as_of_ns - interval.ns + 1
            quiet.append(
                await stores.bars.load_no_trade(line.symbol, interval, **span_ns, stop_ns=closed_ns)
                if line.n_no_trade
                else np.empty(0, dtype=np.int64)
            )
        inputs = await load_context(stores, served.symbols, as_of_ns=as_of_ns)
    stepped = await asyncio.to_thread(stream.advance, bars, quiet, inputs)
    return _Advanced(stepped, KeptStream(stream, lines), stream.missing_frac)


def _no_bars(symbol: str, interval: Interval) -> Why:
    return Why(Reason.NO_BARS, f"there are no {interval} bars of {symbol}; see `ms data list`")


def _row_of(found: _Advanced | Why, served: ServedModel, symbol: str) -> ServedRow | Why:
    """Pick the newest bar of the symbol, and name those of its universe that lack it although they trade."""
    if isinstance(found, Why):
        return found
    n, interval = served.symbols.index(symbol), served.scoring.interval
    newest = next((bar for bar in reversed(found.bars) if not np.isnan(bar.bars[n]).any()), None)
    if newest is None:
        last = len(found.bars)
        return Why(
            Reason.STALE_INPUTS,
            f"{symbol} has no bar among the newest {last} {interval} bars of its universe",
        )
    late = tuple(
        other
        for i, other in enumerate(served.symbols)
        if np.isnan(newest.bars[i]).any() and _is_trading(found.kept.lines[other], newest.ts_ns, interval)
    )
    return ServedRow(
        event_time_ns=newest.ts_ns + interval.ns,
        values=newest.values[n],
        n_bars=int(newest.n_bars[n]),
        late=late,
        missing_frac=found.missing_frac,
    )


def _is_trading(series: SeriesInfo, ts_ns: int, interval: Interval) -> bool:
    """A symbol trades from its first bar on until it has had none for a day."""
    return series.first_ns <= ts_ns <= series.last_ns + max(DAY_NS, 2 * interval.ns)
