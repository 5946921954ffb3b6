"""Recorded hours of three coins, and a forecast that trades on them."""

from pathlib import Path

import duckdb
import numpy as np

from marketsentry.core.market.bars import BarPanel, BarSeries
from marketsentry.core.market.interval import parse_interval

HOUR = parse_interval("1h")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def load_hours(realdata: Path, symbol: str) -> BarSeries:
    (path,) = (realdata / "bars" / "binance_spot_1h").glob(f"{symbol}*.parquet")
    query = "SELECT epoch_ns(ts) AS ts, open, high, low, close, volume FROM read_parquet(?) ORDER BY ts"
    columns = duckdb.execute(query, [str(path)]).fetchnumpy()
    values = np.column_stack([columns[name] for name in ("open", "high", "low", "close", "volume")])
    return BarSeries(
        symbol.removesuffix("USDT"), HOUR, "binance_spot", columns["ts"].astype(np.int64), values
    )


def copy_hours(realdata: Path, folder: Path, *, n_bars: int, symbols: tuple[str, ...] = SYMBOLS) -> Path:
    """Write the newest `n_bars` of each file into a folder whose name says what they are, below `folder`."""
    copies = folder / "binance_spot_1h"
    copies.mkdir(parents=True)
    for symbol in symbols:
        recorded = realdata / "bars" / copies.name / f"{symbol}.parquet"
        newest = f"SELECT * FROM (FROM '{recorded}' ORDER BY ts DESC LIMIT {n_bars}) ORDER BY ts"
        duckdb.sql(newest).write_parquet(str(copies / f"{symbol}.parquet"))
    return copies


def momentum(panel: BarPanel) -> np.ndarray:
    """A tenth of the last day's return: a forecast of nothing, but one that trades."""
    out = np.full(panel.close.shape, np.nan)
    out[24:] = 0.1 * (panel.close[24:] / panel.close[:-24] - 1.0)
    return out
