"""Bars as PostgreSQL's bytes and back, and the comparison of what is given with what is stored."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.postgres.binary import arrays_of, epoch_ns, postgres_us, row_template
from marketsentry.core.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.timestamps import datetime_to_ns


def compare_bars(series: BarSeries, stored: BarSeries) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which bars of `series` are not stored, and which are stored with other values."""
    is_changed = np.zeros(series.ts_ns.size, dtype=np.bool_)
    if stored.ts_ns.size == 0:
        return ~is_changed, is_changed
    at = np.minimum(np.searchsorted(stored.ts_ns, series.ts_ns), stored.ts_ns.size - 1)
    is_there = stored.ts_ns[at] == series.ts_ns
    is_changed[is_there] = (stored.values[at[is_there]] != series.values[is_there]).any(axis=1)
    return ~is_there, is_changed


def encode_bars(
    series: BarSeries, rows: NDArray[np.intp], trades_count: NDArray[np.int32] | None
) -> memoryview:
    """Encode the chosen rows of a series for the binary COPY of `market_bars`; a bar is known at its close."""
    out = row_template(
        rows.size,
        {
            "symbol": series.symbol.encode(),
            "timeframe": str(series.interval).encode(),
            "ts": ">i8",
            "open": ">f8",
            "high": ">f8",
            "low": ">f8",
            "close": ">f8",
            "volume": ">f8",
            "trades_count": ">i4",
            "source": series.source.encode(),
            "known_at": ">i8",
        },
    )
    ts_us = postgres_us(series.ts_ns[rows])
    out["ts"] = ts_us
    out["known_at"] = ts_us + series.interval.ns // 1_000
    values = series.values[rows]
    for name, column in (("open", OPEN), ("high", HIGH), ("low", LOW), ("close", CLOSE), ("volume", VOLUME)):
        out[name] = values[:, column]
    if trades_count is not None:
        out["trades_count"] = trades_count[rows]
    return out.view(np.uint8).data


def decode_bars(row: tuple[Any, ...] | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read a row of six `array_send` columns: open times in UTC epoch ns, and values (n_bars, 5)."""
    if row is None or row[0] is None:
        return np.empty(0, dtype=np.int64), np.empty((0, 5))
    bars = arrays_of(row)
    return epoch_ns(bars[0]), np.ascontiguousarray(bars[1:].view("f8").T)


def series_info(row: Mapping[str, Any]) -> SeriesInfo:
    """Read a line of the manifest."""
    return SeriesInfo(
        symbol=row["symbol"],
        interval=parse_interval(row["timeframe"]),
        source=row["source"],
        is_synthetic=row["is_synthetic"],
        first_ns=datetime_to_ns(row["first_ts"]),
        last_ns=datetime_to_ns(row["last_ts"]),
        n_bars=row["n_bars"],
        n_missing=row["n_missing"],
        n_no_trade=row["n_no_trade"],
        gaps_ns=np.array(row["gaps"], dtype=np.int64).reshape(-1, 2) * 1_000_000_000,
        revision=row["revision"],
    )
