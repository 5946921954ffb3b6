"""Prices and bars in the record, for tests that trade on them."""

from datetime import datetime, timedelta

import numpy as np

from marketsentry.adapters.postgres.database import Database
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import datetime_to_ns

FIVE_MINUTES = parse_interval("5m")


async def add_prices(database: Database, symbol: str, price: float, *, until: datetime, n: int = 64) -> None:
    """Insert steady spot prices, one a minute, the newest of `until`."""
    async with database.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO prices (symbol, price, timestamp, source, known_at) VALUES (%s, %s, %s, 'test', %s)"
            " ON CONFLICT DO NOTHING",
            [(symbol, price, at, at) for at in (until - timedelta(minutes=minute) for minute in range(n))],
        )


async def add_bars(
    database: Database, symbol: str, *, price: float, volume: float, until: datetime, n: int = 64
) -> None:
    """Insert bars of five minutes whose closes swing by 10 bps around a price."""
    last = datetime_to_ns(until) // FIVE_MINUTES.ns * FIVE_MINUTES.ns - FIVE_MINUTES.ns
    ts_ns = np.array([last - i * FIVE_MINUTES.ns for i in reversed(range(n))], dtype=np.int64)
    closes = price * (1 + 0.0005 * np.where(np.arange(n) % 2, 1.0, -1.0))
    values = np.column_stack([closes, closes, closes, closes, np.full(n, volume)])
    async with database.transactions() as stores:
        await stores.bars.merge(BarSeries(symbol, FIVE_MINUTES, "test", ts_ns, values))
