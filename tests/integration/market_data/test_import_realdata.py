"""The recorded data beside the checkout, every kind of it, through the import and back."""

from bisect import bisect_right
from datetime import timedelta
from decimal import Decimal

import duckdb
import numpy as np
import pytest

from marketsentry.adapters.venues.paper_book import RecordedBooks
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.core.orders.book_match import take
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg

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
    assert "events.parquet" in skipped
    assert not skipped & {"l2.parquet", "bbo.parquet", "snapshots.parquet"}
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
        books = {one.symbol: one for one in await stores.books.all_series()}
        series = {(info.symbol, str(info.interval)): info for info in await stores.bars.all_series()}
        funding = await stores.events.load_funding("LTC-PERP")
        news = await stores.events.load_events("BTC")
    btc = series["BTC", "1h"]
    assert (btc.n_bars, btc.n_missing, len(btc.gaps_ns), btc.n_no_trade) == (67_403, 129, 28, 3)
    assert (series["BTC-PERP", "1h"].n_bars, series["SOL", "5m"].n_bars) == (49_471, 14_675)
    assert (funding.rate.size, int((funding.rate == 0).sum())) == (5_816, 312)
    assert set(books) == {"BTC", "ETH", "BTC-PERP", "BTC-USD-PERP", "BTC-USD"}
    assert books["BTC-USD"].n_books == 4_104  # every book of that recording
    assert news.known_at_ns.size > 3_000
    assert (news.known_at_ns >= news.occurred_at_ns).all()
    again = await run_import(*paths)
    assert {str(file.status) for file in again.files} == {"unchanged", "skipped"}


async def test_books_built_from_changes_have_the_best_prices_that_the_venue_told(
    realdata, run_import, transactions, database
):
    ticks = realdata / "ticks"
    report = await run_import(ticks / "binance_usdm_BTCUSDT_20240808_l2.parquet")
    (file,) = report.files
    assert (file.rows, file.rejected, file.symbol) == (445_521, 0, "BTC-PERP")
    async with database.connection() as connection:
        rows = await (
            await connection.execute("SELECT ts, bid_px[1], ask_px[1] FROM orderbook_depth ORDER BY ts")
        ).fetchall()
    assert len(rows) == file.inserted
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        told = connection.execute(
            f"SELECT exch_ts, bid, ask FROM read_parquet('{ticks}/binance_usdm_BTCUSDT_20240808_bbo.parquet')"
        ).fetchall()
    times = [at for at, *_ in told]
    newest = [told[bisect_right(times, at) - 1][1:] for at, *_ in rows]
    agree = [tuple(best) == best_told for (_, *best), best_told in zip(rows, newest, strict=True)]
    assert sum(agree) / len(agree) > 0.99
    with_best = (await run_import(ticks / "binance_usdm_BTCUSDT_20240808_bbo.parquet")).files[0]
    assert with_best.rejected == 0
    forced = (await run_import(ticks / "binance_usdm_BTCUSDT_20240808_l2.parquet", force=True)).files[0]
    assert (forced.inserted, forced.unchanged) == (0, file.inserted)


async def test_a_paper_order_pays_what_the_raw_recording_asked(realdata, run_import, transactions, database):
    path = realdata / "ticks" / "binance_spot_BTCUSDT_20240808_l2.parquet"
    await run_import(path)
    async with database.connection() as connection:
        (at,) = await (
            await connection.execute(
                "SELECT max(ts) FROM orderbook_depth WHERE ts < '2024-08-08T23:57:00Z' AND symbol = 'BTC'"
            )
        ).fetchone()
    asks = _asks_of_the_raw_rows(path, at)
    books = RecordedBooks(transactions, max_age=timedelta(seconds=5))
    look = await books.look("BTC", at=at)
    for qty in ("0.01", "1", "5"):
        leg = PaperLeg(Side.BUY, LegKind.MARKET, Decimal(qty), Decimal(10**6), TimeInForce.IOC)
        found = take(leg, look, gone=Decimal(0), lot_size=Decimal("1e-8"))
        assert found.qty == Decimal(qty)
        assert float(found.price) == pytest.approx(_mean_price(asks[:20], float(qty)), rel=1e-12)
    deep = PaperLeg(Side.BUY, LegKind.MARKET, Decimal(100), Decimal(10**6), TimeInForce.IOC)
    found, exact = take(deep, look, gone=Decimal(0), lot_size=Decimal("1e-8")), _mean_price(asks, 100.0)
    assert (
        0.0 <= float(found.price) / exact - 1.0 < 1e-4
    )  # behind the best levels a step of a basis point is lost


def _asks_of_the_raw_rows(path, at):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(
            f"""
            WITH raw AS (SELECT *, file_row_number AS place FROM read_parquet('{path}', file_row_number = true)),
                 whole AS (SELECT max(last_id) AS id FROM raw WHERE kind = 'snapshot')
            SELECT price, last(qty ORDER BY last_id, place) AS qty
            FROM raw, whole
            WHERE side = 'a' AND (kind = 'snapshot' OR (last_id > whole.id AND exch_ts <= '{at.isoformat()}'))
            GROUP BY price HAVING last(qty ORDER BY last_id, place) > 0
            ORDER BY price
            """
        ).fetchall()


def _mean_price(levels, qty):
    left, paid = qty, 0.0
    for price, size in levels:
        part = min(left, size)
        left, paid = left - part, paid + part * price
    assert left <= 1e-9
    return paid / qty


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
