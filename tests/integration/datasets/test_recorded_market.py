"""The build on recorded bars: twelve coins of hours, with the holes they really have."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from marketsentry.core.dataset import training_rows
from marketsentry.core.market.bars import BarSeries
from marketsentry.ports import Transactions
from marketsentry.services.snapshots import load_features
from small_market import HOUR

N_HOURS = 800


@pytest.fixture
async def market(transactions: Transactions, realdata: Path) -> Transactions:
    """The first hours of the youngest coin, and the same hours of the others."""
    files = sorted((realdata / "bars" / "binance_spot_1h").glob("*USDT.parquet"))
    async with transactions() as stores:
        for path in files:
            found = duckdb.sql(
                f"SELECT epoch_ns(ts) AS ts_ns, open, high, low, close, volume FROM '{path}'"
                f" WHERE ts >= '2020-12-15' ORDER BY ts LIMIT {N_HOURS}"
            ).fetchnumpy()
            values = np.column_stack([found[name] for name in ("open", "high", "low", "close", "volume")])
            symbol = path.stem.removesuffix("USDT")
            await stores.bars.merge(BarSeries(symbol, HOUR, "binance_spot", found["ts_ns"], values))
    return transactions


@pytest.mark.realdata
async def test_twelve_coins_of_hours(build, files, market):
    symbols = ("ADA", "BCH", "BTC", "DOGE", "DOT", "ETH", "LTC", "NEO", "SOL", "TRX", "XLM", "XRP")
    built = await build(symbols)
    assert built.blocked == ()
    assert built.snapshots_written == built.n_rows == 12 * N_HOURS
    assert built.panel.n_bars > N_HOURS  # Binance was down on 2020-12-21
    matrix = await load_features(symbols, HOUR, built.features.schema, transactions=market)
    np.testing.assert_array_equal(matrix.values, built.features.values)
    loaded = files.load(built.content_hash)
    np.testing.assert_array_equal(loaded.features.values, built.features.values)
    rows = training_rows(loaded, "1d")
    assert len(rows.label) > 11 * N_HOURS
    assert abs(np.mean(rows.label)) < 0.1
