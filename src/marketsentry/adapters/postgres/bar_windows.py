"""The few newest bars of several symbols by one statement, arrays instead of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketsentry.adapters.postgres.bar_rows import decode_bars, series_info
from marketsentry.adapters.postgres.binary import array_of, epoch_ns
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.ports.bars import BarWindow

SERIES_LINE = """line.symbol, line.timeframe, line.source, line.is_synthetic, line.first_ts, line.last_ts, line.n_bars,
       line.n_missing, line.n_no_trade, line.gaps, line.revised_in::text::bigint AS revision"""

BARS_OF_LINE = """
CROSS JOIN LATERAL (
    SELECT array_send(array_agg(ts)) AS ts, array_send(array_agg(open)) AS open, array_send(array_agg(high)) AS high,
           array_send(array_agg(low)) AS low, array_send(array_agg(close)) AS close,
           array_send(array_agg(volume)) AS volume
    FROM (
        SELECT ts, open, high, low, close, volume
        FROM market_bars
        WHERE symbol = line.symbol AND timeframe = line.timeframe AND ts >= %(start)s AND ts < %(stop)s
          AND known_at <= %(as_of)s
        ORDER BY ts
    ) AS ordered
) AS bars
CROSS JOIN LATERAL (
    SELECT array_send(array_agg(cell.ts ORDER BY cell.ts)) AS ts
    FROM no_trade_bars AS cell
    WHERE cell.symbol = line.symbol AND cell.timeframe = line.timeframe AND cell.ts >= %(start)s
      AND cell.ts < %(stop)s
) AS quiet
"""
"""Beside a line of the manifest: `bars` that open in [start, stop) and are known at as_of, and `quiet` cells."""

_WINDOWS = (
    "SELECT "
    + SERIES_LINE
    + """, bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, quiet.ts AS quiet
FROM market_series AS line"""
    + BARS_OF_LINE
    + "WHERE line.symbol = ANY(%(symbols)s::text[]) AND line.timeframe = %(timeframe)s"
)


async def read_windows(
    statements: Statements, symbols: Sequence[str], interval: Interval, *, start_ns: int, stop_ns: int
) -> Mapping[str, BarWindow]:
    """Read what opens in a span; see `BarStore.windows`."""
    given = {
        "symbols": list(symbols),
        "timeframe": str(interval),
        "start": ns_to_datetime(start_ns),
        "stop": ns_to_datetime(stop_ns),
        "as_of": "infinity",
    }
    rows = await statements.rows(_WINDOWS, given, is_binary=True)
    return {row["symbol"]: window_of(row) for row in rows}


def window_of(row: Mapping[str, Any]) -> BarWindow:
    """Make a window of a row with the columns of the manifest, of the bars and `quiet`."""
    info = series_info(row)
    ts_ns, values = decode_bars(
        (row["ts"], row["open"], row["high"], row["low"], row["close"], row["volume"])
    )
    quiet = row["quiet"]
    return BarWindow(
        info,
        BarSeries(info.symbol, info.interval, info.source, ts_ns, values),
        np.empty(0, dtype=np.int64) if quiet is None else epoch_ns(array_of(quiet, "i8")),
    )
