"""The recorded data beside the checkout, every kind of it, through the import and back."""

import duckdb
import numpy as np
import pytest

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns

pytestmark = pytest.mark.realdata


def one(query):
    with duckdb.connect() as connection:
        return connection.execute(query).fetchone()


async def test_every_kind_of_recording_lands_whole(realdata, run_import, transactions, database):
    paths = [
        realdata / "bars" / "binance_spot_1h" / "BTCUSDT.parquet",
        realdata / "bars" / "binance_spot_5m",
        realdata / "bars" / "coinbase_spot_15m" / "BTC-USD.parquet",
        realdata / "bars" / "binance_perp_1h" / "BTCUSDT.parquet",
        realdata / "funding",
        realdata / "news",
        realdata / "ticks",
        realdata / "vol",
    ]
    report = await run_import(*paths)
    assert report.failed == ()
    assert report.rejected == 0
    for file in report.files:
        if file.status == "imported":
            assert file.rows == one(f"SELECT count(*) FROM read_parquet('{file.path}')")[0]
            assert file.inserted + file.unchanged + file.duplicates == file.rows
    skipped = {file.path.rsplit("_", 1)[-1] for file in report.files if file.status == "skipped"}
    assert skipped >= {"l2.parquet", "bbo.parquet", "events.parquet", "snapshots.parquet"}
    async with database.connection() as connection:
        trades = await (
            await connection.execute("SELECT source, symbol FROM trades_ticks GROUP BY 1, 2")
        ).fetchall()
        behind = await (
            await connection.execute("SELECT count(*) FROM trades_ticks WHERE known_at < ts")
        ).fetchone()
    assert set(trades) == {
        ("binance_spot", "BTC"),
        ("binance_spot", "ETH"),
        ("binance_perp", "BTC-PERP"),
        ("binance_coinm", "BTC-USD-PERP"),
        ("bitstamp_spot", "BTC-USD"),
    }
    assert behind == (0,)
    async with transactions() as stores:
        series = {(info.symbol, str(info.interval)): info for info in await stores.bars.all_series()}
        funding = await stores.events.load_funding("LTC-PERP")
        news = await stores.events.load_events("BTC")
    btc = series["BTC", "1h"]
    assert (btc.n_bars, btc.n_missing, len(btc.gaps_ns), btc.n_no_trade) == (67_403, 129, 28, 3)
    assert (series["BTC-PERP", "1h"].n_bars, series["SOL", "5m"].n_bars) == (49_471, 14_675)
    assert (funding.rate.size, int((funding.rate == 0).sum())) == (5_816, 312)
    assert news.known_at_ns.size > 3_000
    assert (news.known_at_ns >= news.occurred_at_ns).all()
    again = await run_import(*paths)
    assert {str(file.status) for file in again.files} == {"unchanged", "skipped"}


async def test_exact_decimals_of_the_minute_files_keep_their_prices(realdata, run_import, transactions):
    path = realdata / "bars" / "binance_spot_1m" / "BTCUSDT" / "2020.parquet"
    (file,) = (await run_import(path)).files
    assert (file.symbol, file.source, file.interval, file.inserted) == ("BTC", "binance_spot", "1m", 525_788)
    minute = parse_interval("1m")
    at = parse_time_ns("2020-03-13T02:00Z")
    async with transactions() as stores:
        info = await stores.bars.series("BTC", minute)
        bars = await stores.bars.load("BTC", minute, start_ns=at, stop_ns=at + minute.ns)
        whole = await stores.bars.load("BTC", minute)
    assert bars.values[0, 3] == 4107.66
    assert (info.n_missing, len(info.gaps_ns), info.n_no_trade) == (1_252, 8, 50)
    total = one(f"SELECT sum(volume::DOUBLE) FROM read_parquet('{path}')")[0]
    assert np.isclose(whole.values[:, 4].sum(), total, rtol=1e-12)
