"""Bars in PostgreSQL: written by binary COPY, read as arrays, described by the manifest `market_series`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres import bars_sql as sql
from marketsentry.adapters.postgres.bar_rows import compare_bars, decode_bars, encode_bars, series_info
from marketsentry.adapters.postgres.bar_windows import read_windows
from marketsentry.adapters.postgres.binary import COPY_HEADER, COPY_TRAILER, array_of, epoch_ns
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarSeries
from marketsentry.core.market.coverage import (
    Coverage,
    coverage_from_gaps,
    coverage_of,
    empty_coverage,
    merge_coverage,
)
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE, base_of
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.ports.bars import BarWindow, MergeCounts

_WRITE_ROWS = 8_192
_READ_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class _State:
    """What the manifest says of a series while its lock is held."""

    source: str
    coverage: Coverage
    n_bars: int
    n_no_trade: int


class PostgresBarStore:
    """Bars of one open transaction; see `ports.bars.BarStore`.

    Parameters
    ----------
    statements : Statements
        Of a transaction that somebody else ends.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._locked: dict[tuple[str, str], _State] = {}

    async def merge(self, series: BarSeries, *, trades_count: NDArray[np.int32] | None = None) -> MergeCounts:
        """Add bars; only what is new or different is written."""
        if series.ts_ns.size == 0:
            return MergeCounts()
        if trades_count is not None and trades_count.shape != series.ts_ns.shape:
            raise InputError(f"trades_count must have shape {series.ts_ns.shape}, was {trades_count.shape}")
        state = await self._lock(series.symbol, series.interval) or await self._first_state(series)
        if state.source != series.source:
            raise ConflictError(_other_source(series, state.source))
        stored = await self._stored(series, state.coverage)
        is_new, is_changed = compare_bars(series, stored)
        await self._copy(series, is_new, trades_count)
        await self._update(series, is_changed)
        n_filled = await self._fill_no_trade(series, is_new, state)
        quiet = series.values[:, VOLUME] == 0
        was_quiet = int(np.isin(series.ts_ns[is_changed], stored.ts_ns[stored.values[:, VOLUME] == 0]).sum())
        n_no_trade = state.n_no_trade + int(quiet[is_new | is_changed].sum()) - was_quiet - n_filled
        n_inserted = int(is_new.sum())
        coverage = merge_coverage(state.coverage, coverage_of(series.interval, series.ts_ns))
        await self._save(
            series.symbol,
            _State(series.source, coverage, state.n_bars + n_inserted, n_no_trade),
            is_revised=_changes(state.coverage, series.ts_ns[is_new | is_changed]),
        )
        n_updated = int(is_changed.sum())
        return MergeCounts(n_inserted, n_updated, series.ts_ns.size - n_inserted - n_updated)

    async def load(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
        info: SeriesInfo | None = None,
    ) -> BarSeries:
        """Read bars in pieces of at most a million cells."""
        info = info or await self._existing(symbol, interval)
        start = max(info.first_ns, info.first_ns if start_ns is None else start_ns)
        stop = min(info.last_ns + interval.ns, info.last_ns + interval.ns if stop_ns is None else stop_ns)
        if as_of_ns is not None:
            stop = min(stop, as_of_ns - interval.ns + 1)  # a bar is never known before it closes
        return await self._read(symbol, interval, info.source, start, stop, as_of_ns)

    async def windows(
        self, symbols: Sequence[str], interval: Interval, *, start_ns: int, stop_ns: int
    ) -> Mapping[str, BarWindow]:
        """Read the few bars of a span; see `BarStore.windows`."""
        return await read_windows(self._statements, symbols, interval, start_ns=start_ns, stop_ns=stop_ns)

    async def last_bars(
        self,
        symbol: str,
        interval: Interval,
        n_bars: int,
        *,
        as_of_ns: int | None = None,
        info: SeriesInfo | None = None,
    ) -> BarSeries:
        """Read the newest bars; a stretch with gaps is searched in growing windows."""
        if n_bars < 1:
            raise InputError(f"n_bars must be >= 1, was {n_bars}")
        info = info or await self._existing(symbol, interval)
        stop = info.last_ns + interval.ns
        if as_of_ns is not None:
            stop = min(stop, as_of_ns - interval.ns + 1)
        span = n_bars * interval.ns
        while True:
            start = max(info.first_ns, stop - span)
            found = await self._read_last(symbol, interval, info.source, start, stop, n_bars, as_of_ns)
            if found.ts_ns.size >= n_bars or start == info.first_ns or stop <= info.first_ns:
                return found
            span *= 4

    async def add_no_trade(self, symbol: str, interval: Interval, ts_ns: NDArray[np.int64]) -> int:
        """Record cells in which nothing traded."""
        state = await self._lock(symbol, interval)
        if state is None:
            raise NotFoundError(f"there are no bars of {symbol} {interval}")
        wanted = np.unique(ts_ns)
        if wanted.size == 0:
            return 0
        if (wanted % interval.ns).any():
            raise InputError(f"cells of {symbol} must open on the {interval} grid")
        start, stop = int(wanted[0]), int(wanted[-1]) + interval.ns
        bars = await self._read(symbol, interval, state.source, start, stop, None)
        known = await self.load_no_trade(symbol, interval, start_ns=start, stop_ns=stop)
        new = np.setdiff1d(wanted, np.concatenate([bars.ts_ns, known]))
        if new.size == 0:
            return 0
        given = {"symbol": symbol, "timeframe": str(interval), "source": state.source, "ts": _datetimes(new)}
        await self._statements.send(sql.ADD_NO_TRADE, given)
        coverage = merge_coverage(state.coverage, coverage_of(interval, new))
        await self._save(
            symbol,
            replace(state, coverage=coverage, n_no_trade=state.n_no_trade + int(new.size)),
            is_revised=_changes(state.coverage, new),
        )
        return int(new.size)

    async def load_no_trade(
        self, symbol: str, interval: Interval, *, start_ns: int | None = None, stop_ns: int | None = None
    ) -> NDArray[np.int64]:
        """Read cells in which nothing traded."""
        given = {
            "symbol": symbol,
            "timeframe": str(interval),
            "start": _bound(start_ns, "-infinity"),
            "stop": "infinity" if stop_ns is None else _above(stop_ns),
        }
        row = await self._arrays(sql.READ_NO_TRADE, given)
        return epoch_ns(array_of(row[0] if row else None, "i8"))

    async def series(self, symbol: str, interval: Interval) -> SeriesInfo | None:
        """Read one manifest line."""
        row = await self._statements.row(sql.ONE_SERIES, {"symbol": symbol, "timeframe": str(interval)})
        return series_info(row) if row else None

    async def series_of(self, symbols: Sequence[str], interval: Interval) -> Mapping[str, SeriesInfo]:
        """Read the manifest lines of some symbols."""
        given = {"symbols": list(symbols), "timeframe": str(interval)}
        rows = await self._statements.rows(sql.SOME_SERIES, given)
        return {row["symbol"]: series_info(row) for row in rows}

    async def shortest_of(self, symbol: str) -> SeriesInfo | None:
        """Read the manifest line of the shortest bars that there are of a symbol."""
        known = map(series_info, await self._statements.rows(sql.OF_SYMBOL, {"symbol": symbol}))
        return min(known, key=lambda one: one.interval.ns, default=None)

    async def all_series(self) -> tuple[SeriesInfo, ...]:
        """Read the manifest."""
        rows = await self._statements.rows(sql.SERIES_COLUMNS)
        return tuple(sorted(map(series_info, rows), key=lambda info: (info.symbol, info.interval.ns)))

    async def _existing(self, symbol: str, interval: Interval) -> SeriesInfo:
        info = await self.series(symbol, interval)
        if info is None:
            raise NotFoundError(f"there are no bars of {symbol} {interval}; see `ms data list`")
        return info

    async def _first_state(self, series: BarSeries) -> _State:
        """Begin a series; made-up and recorded bars of one asset never share a database, for its news would mix."""
        is_synthetic = series.source == SYNTHETIC_SOURCE
        for info in await self.all_series():
            if info.is_synthetic != is_synthetic and base_of(info.symbol) == base_of(series.symbol):
                raise ConflictError(
                    f"{series.symbol} {series.interval} from {series.source} cannot be stored beside "
                    f"{info.symbol} {info.interval} from {info.source}: synthetic and recorded data of one asset "
                    "do not mix; set MS_HOME (or DATABASE_URL) to another place"
                )
        return _State(series.source, empty_coverage(series.interval), 0, 0)

    async def _lock(self, symbol: str, interval: Interval) -> _State | None:
        key = (symbol, str(interval))
        if key not in self._locked:
            await self._statements.send(sql.LOCK, {"symbol": symbol, "timeframe": str(interval)})
            info = await self.series(symbol, interval)
            if info is None:
                return None
            coverage = coverage_from_gaps(interval, info.first_ns, info.last_ns, info.gaps_ns)
            self._locked[key] = _State(info.source, coverage, info.n_bars, info.n_no_trade)
        return self._locked[key]

    async def _save(self, symbol: str, state: _State, *, is_revised: bool) -> None:
        coverage = state.coverage
        interval = coverage.interval
        given = {
            "symbol": symbol,
            "timeframe": str(interval),
            "source": state.source,
            "is_synthetic": state.source == SYNTHETIC_SOURCE,
            "first_ts": ns_to_datetime(coverage.first_ns),
            "last_ts": ns_to_datetime(coverage.last_ns),
            "n_bars": state.n_bars,
            "n_missing": coverage.n_missing,
            "n_no_trade": state.n_no_trade,
            "gaps": Jsonb((coverage.gaps_ns // 1_000_000_000).tolist()),
            "is_revised": is_revised,
        }
        await self._statements.send(sql.SAVE_SERIES, given)
        self._locked[symbol, str(interval)] = state

    async def _stored(self, series: BarSeries, coverage: Coverage) -> BarSeries:
        """Bars already there in the span of `series`; asks only where the manifest knows of some."""
        start, stop = int(series.ts_ns[0]), int(series.ts_ns[-1]) + series.interval.ns
        runs = coverage.runs_ns
        touching = runs[(runs[:, 0] < stop) & (runs[:, 1] > start)]
        if len(touching) == 0:
            return BarSeries(
                series.symbol, series.interval, series.source, series.ts_ns[:0], series.values[:0]
            )
        start, stop = max(start, int(touching[0, 0])), min(stop, int(touching[-1, 1]))
        return await self._read(series.symbol, series.interval, series.source, start, stop, None)

    async def _copy(
        self, series: BarSeries, wanted: NDArray[np.bool_], trades_count: NDArray[np.int32] | None
    ) -> None:
        rows = np.flatnonzero(wanted)
        if rows.size == 0:
            return
        async with self._statements.copy(sql.COPY) as copy:
            await copy.write(COPY_HEADER)
            for part in np.array_split(rows, -(-rows.size // _WRITE_ROWS)):
                await copy.write(encode_bars(series, part, trades_count))
            await copy.write(COPY_TRAILER)

    async def _update(self, series: BarSeries, wanted: NDArray[np.bool_]) -> None:
        if not wanted.any():
            return
        values = series.values[wanted]
        await self._statements.send(
            sql.UPDATE,
            {
                "symbol": series.symbol,
                "timeframe": str(series.interval),
                "ts": _datetimes(series.ts_ns[wanted]),
                "open": values[:, OPEN].tolist(),
                "high": values[:, HIGH].tolist(),
                "low": values[:, LOW].tolist(),
                "close": values[:, CLOSE].tolist(),
                "volume": values[:, VOLUME].tolist(),
            },
        )

    async def _fill_no_trade(self, series: BarSeries, is_new: NDArray[np.bool_], state: _State) -> int:
        """Forget no-trade cells that have a bar now; returns how many there were."""
        if state.n_no_trade == 0 or not is_new.any():
            return 0
        start, stop = int(series.ts_ns[0]), int(series.ts_ns[-1]) + 1
        known = await self.load_no_trade(series.symbol, series.interval, start_ns=start, stop_ns=stop)
        filled = np.intersect1d(known, series.ts_ns[is_new])
        if filled.size:
            given = {"symbol": series.symbol, "timeframe": str(series.interval), "ts": _datetimes(filled)}
            await self._statements.send(sql.DROP_NO_TRADE, given)
        return int(filled.size)

    async def _read(
        self, symbol: str, interval: Interval, source: str, start: int, stop: int, as_of_ns: int | None
    ) -> BarSeries:
        given = {"symbol": symbol, "timeframe": str(interval), "as_of": _bound(as_of_ns, "infinity")}
        pieces: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = [decode_bars(None)]
        for piece_start, piece_stop in _pieces(start, stop, _READ_CELLS * interval.ns):
            bounds = {"start": ns_to_datetime(piece_start), "stop": _above(piece_stop)}
            pieces.append(decode_bars(await self._arrays(sql.READ, {**given, **bounds})))
        ts_ns, values = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        return BarSeries(symbol, interval, source, ts_ns, values)

    async def _read_last(
        self,
        symbol: str,
        interval: Interval,
        source: str,
        start: int,
        stop: int,
        n_bars: int,
        as_of_ns: int | None,
    ) -> BarSeries:
        given = {
            "symbol": symbol,
            "timeframe": str(interval),
            "start": ns_to_datetime(start),
            "stop": _above(stop),
            "as_of": _bound(as_of_ns, "infinity"),
            "n_bars": n_bars,
        }
        ts_ns, values = decode_bars(await self._arrays(sql.READ_LAST, given))
        return BarSeries(symbol, interval, source, ts_ns[::-1], values[::-1])

    async def _arrays(self, query: str, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        rows = await self._statements.tuples(query, given, is_binary=True)
        return rows[0] if rows else None


def _changes(before: Coverage, written_ns: NDArray[np.int64]) -> bool:
    """Tell whether a write touches what the series already covered, rather than only what follows."""
    return bool(len(before.runs_ns) and written_ns.size and written_ns.min() <= before.last_ns)


def _other_source(series: BarSeries, stored: str) -> str:
    venue = series.source.partition("_")[0].upper()
    return (
        f"{series.symbol} {series.interval} holds bars of {stored}, these are of {series.source}; "
        f"keep both by giving the new ones a name, as in --as {series.symbol}-{venue}"
    )


def _pieces(start: int, stop: int, span: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        yield start, min(stop, start + span)
        start += span


def _datetimes(ts_ns: NDArray[np.int64]) -> list[Any]:
    return [ns_to_datetime(ns) for ns in ts_ns.tolist()]


def _bound(ns: int | None, otherwise: str) -> Any:
    return otherwise if ns is None else ns_to_datetime(ns)


def _above(ns: int) -> Any:
    """An exclusive upper bound rounded up to what PostgreSQL can tell apart."""
    return ns_to_datetime(ns + 999)
