"""What good files become: every format and layout, in any order, again, changed, interrupted."""

import asyncio
import json
import random
import shutil
import zipfile

import numpy as np
import pytest

from market_files import START_S, bar_rows, kline, write_csv, write_parquet
from marketsentry.adapters.files.rows import BLOCK_ROWS
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.ports.files import FileHints

MINUTE = parse_interval("1m")
COUNTS = ("inserted", "updated", "unchanged", "duplicates", "rejected")


def counts(file):
    return tuple(getattr(file, name) for name in COUNTS)


async def closes(transactions, symbol="BTC", interval=MINUTE):
    async with transactions() as stores:
        bars = await stores.bars.load(symbol, interval)
    return dict(
        zip(((bars.ts_ns // 10**9 - START_S) // 60).tolist(), bars.values[:, 3].tolist(), strict=True)
    )


def expected(rows):
    return {(row[0] // 1000 - START_S) // 60: row[4] for row in rows}


LAYOUTS = {
    "ms header": lambda rows: (rows, "timestamp,open,high,low,close,volume"),
    "seconds": lambda rows: ([[row[0] // 1000, *row[1:]] for row in rows], "time,open,high,low,close,volume"),
    "us": lambda rows: ([[row[0] * 1000, *row[1:]] for row in rows], "ts,open,high,low,close,volume"),
    "ns": lambda rows: ([[row[0] * 10**6, *row[1:]] for row in rows], "ts,open,high,low,close,volume"),
    "float seconds": lambda rows: (
        [[row[0] / 1000, *row[1:]] for row in rows],
        "ts,open,high,low,close,volume",
    ),
    "iso": lambda rows: ([[iso(row[0]), *row[1:]] for row in rows], "date,open,high,low,close,volume"),
    "no header": lambda rows: (rows, ""),
    "klines": lambda rows: ([kline(row) for row in rows], ""),
    "klines us": lambda rows: ([kline(row, scale=1000) for row in rows], ""),
    "klines header": lambda rows: (
        [kline(row) for row in rows],
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore",
    ),
    "other order": lambda rows: (
        [["x", row[2], row[3], row[5], row[4], row[1], row[0]] for row in rows],
        "symbol,high,low,volume,close,open,open_time",
    ),
    "quoted": lambda rows: (
        [[f'"{cell}"' for cell in row] for row in rows],
        '"ts","open","high","low","close","volume"',
    ),
}


def iso(ms):
    return np.datetime64(ms, "ms").astype(str) + "Z"


async def test_every_layout_gives_the_same_bars(tmp_path, run_import, transactions):
    rows = bar_rows(30)
    for number, (name, write) in enumerate(LAYOUTS.items()):
        path = tmp_path / f"binance_spot_1m/COIN{number}USDT.csv"
        write_csv(path, *write(rows))
        (file,) = (await run_import(path)).files
        assert counts(file) == (30, 0, 0, 0, 0), name
        assert await closes(transactions, f"COIN{number}") == expected(rows), name


@pytest.mark.parametrize(
    "suffix", ["csv", "csv.gz", "zip", "jsonl", "jsonl.gz", "parquet", "decimals.parquet"]
)
async def test_every_format_gives_the_same_bars(suffix, folder, run_import, transactions):
    rows = bar_rows(300)
    path = folder / f"BTCUSDT.{suffix}"
    if suffix.endswith("parquet"):
        path = write_parquet(folder / "BTCUSDT.parquet", rows, decimals="decimals" in suffix)
    elif suffix == "zip":
        plain = write_csv(folder / "x.csv", rows)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, "BTCUSDT-1m-2024-01.csv")
        plain.unlink()
    elif "jsonl" in suffix:
        names = ["timestamp", "open", "high", "low", "close", "volume"]
        write_csv(path, [[json.dumps(dict(zip(names, row, strict=True)))] for row in rows], header="")
    else:
        write_csv(path, rows)
    (file,) = (await run_import(folder)).files
    assert counts(file) == (300, 0, 0, 0, 0)
    assert (file.symbol, file.interval, file.source) == ("BTC", "1m", "binance_spot")
    assert await closes(transactions) == pytest.approx(expected(rows), abs=5e-4)


async def test_unordered_rows_and_repeated_rows_land_once(folder, run_import, transactions):
    rows = bar_rows(500)
    shuffled = [*rows, *rows[100:150]]
    random.Random(3).shuffle(shuffled)
    (file,) = (await run_import(write_csv(folder / "BTCUSDT.csv", shuffled))).files
    assert counts(file) == (500, 0, 0, 50, 0)
    assert await closes(transactions) == expected(rows)


async def test_overlapping_files_fit_together_in_any_order(folder, run_import, transactions):
    late, early = bar_rows(300, start=200), bar_rows(300)
    b = write_csv(folder / "BTCUSDT-1m-b.csv", late)
    a = write_parquet(folder / "BTCUSDT-1m-a.parquet", early)
    report = await run_import(b, a, hints=FileHints(symbol="BTC"))
    assert [counts(file) for file in report.files] == [(300, 0, 0, 0, 0), (200, 0, 100, 0, 0)]
    assert await closes(transactions) == {**expected(late), **expected(early)}


async def test_a_later_file_corrects_an_earlier_one_of_the_same_source(folder, run_import, transactions):
    rows = bar_rows(100)
    await run_import(write_csv(folder / "BTCUSDT.csv", rows))
    rows[40][4] = rows[40][2]
    (file,) = (await run_import(write_csv(folder / "BTCUSDT.csv", rows))).files
    assert counts(file) == (0, 1, 99, 0, 0)
    assert (await closes(transactions))[40] == rows[40][2]


async def test_the_manifest_describes_what_is_there_without_a_scan(folder, run_import, transactions):
    rows = [row for i, row in enumerate(bar_rows(50)) if i not in (10, 11, 12, 30)]
    rows[5][5] = 0.0
    await run_import(write_csv(folder / "BTCUSDT.csv", rows))
    async with transactions() as stores:
        (info,) = await stores.bars.all_series()
    assert (info.symbol, str(info.interval), info.source, info.is_synthetic) == (
        "BTC",
        "1m",
        "binance_spot",
        False,
    )
    assert (info.n_bars, info.n_missing, info.n_no_trade) == (46, 4, 1)
    assert ((info.gaps_ns // 10**9 - START_S) // 60).tolist() == [[10, 13], [30, 31]]
    repair = write_csv(folder / "BTCUSDT-1m-repair.csv", bar_rows(2, start=11))
    await run_import(repair, hints=FileHints(symbol="BTC"))
    async with transactions() as stores:
        info = await stores.bars.series("BTC", MINUTE)
    assert ((info.gaps_ns // 10**9 - START_S) // 60).tolist() == [[10, 11], [30, 31]]


async def test_the_same_bytes_again_are_not_read_again(folder, run_import, tmp_path):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(200))
    await run_import(path)
    moved = tmp_path / "binance_spot_1m" / "BTCUSDT-1m-2024.csv"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    report = await run_import(path, moved)
    assert [(str(file.status), counts(file)) for file in report.files] == [
        ("unchanged", (0, 0, 200, 0, 0))
    ] * 2
    (forced,) = (await run_import(path, force=True)).files
    assert (forced.status, counts(forced)) == ("imported", (0, 0, 200, 0, 0))


async def test_the_same_bytes_for_another_symbol_are_another_import(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(20))
    await run_import(path)
    (file,) = (await run_import(path, hints=FileHints(symbol="COPY"))).files
    assert (file.status, file.inserted) == ("imported", 20)


async def test_a_file_whose_series_is_gone_is_imported_again(folder, run_import, database):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(20))
    await run_import(path)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM market_bars")
        await connection.execute("DELETE FROM market_series")
    (file,) = (await run_import(path)).files
    assert (file.status, file.inserted) == ("imported", 20)


async def test_a_changed_tail_touches_only_the_blocks_that_changed(
    folder, run_import, transactions, database
):
    n_rows = 2 * BLOCK_ROWS + 500
    rows = bar_rows(n_rows)
    path = write_csv(folder / "BTCUSDT.csv", rows)
    await run_import(path)
    async with (
        database.connection() as connection
    ):  # a mark that reading the first blocks again would put right
        await connection.execute("UPDATE market_bars SET volume = 77777 WHERE ts = '2024-01-01T00:05:00Z'")
    longer = [*rows, *bar_rows(300, start=n_rows)]
    (file,) = (await run_import(write_csv(path, longer))).files
    assert counts(file) == (300, 0, n_rows, 0, 0)
    async with transactions() as stores:
        bars = await stores.bars.load("BTC", MINUTE)
    assert (bars.ts_ns.size, bars.values[5, 4]) == (n_rows + 300, 77_777)


async def test_what_is_known_of_a_bar_begins_at_its_close(folder, run_import, transactions):
    await run_import(write_csv(folder / "BTCUSDT.csv", bar_rows(10)))
    at = START_S * 10**9 + 5 * MINUTE.ns
    async with transactions() as stores:
        before = await stores.bars.load("BTC", MINUTE, as_of_ns=at - 1)
        then = await stores.bars.load("BTC", MINUTE, as_of_ns=at)
        last = await stores.bars.last_bars("BTC", MINUTE, 3, as_of_ns=at)
    assert (before.ts_ns.size, then.ts_ns.size) == (4, 5)
    assert last.ts_ns.tolist() == then.ts_ns[-3:].tolist()


async def test_funding_trades_and_news_land_with_their_times(tmp_path, run_import, transactions, database):
    funding = tmp_path / "BTCUSDT-fundingRate-2024-01.csv"
    write_csv(
        funding,
        [[START_S * 1000 + i * 28_800_000, 8, 0.0001 * i] for i in range(5)],
        header="calc_time,funding_interval_hours,last_funding_rate",
    )
    trades = write_csv(
        tmp_path / "data/spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2024-01.csv",
        [[100 + i, 42000.5, 0.01, 420.0, START_S * 1000 + i, str(i % 2 == 0), "True"] for i in range(50)],
        header="",
    )
    news = tmp_path / "wire.jsonl"
    news.write_text(
        '{"ts": "2024-01-01T10:00:00Z", "title": "SEC sues Solana lab", "url": "http://a/1", "mood": -0.5}\n'
        '{"ts": "2024-01-02T00:00:00Z", "text": "Bitcoin drifts", "date_only": true}\n'
    )
    first = await run_import(funding, trades, news, hints=FileHints(source="binance_perp"))
    assert [(file.kind, file.inserted) for file in first.files] == [
        ("funding", 5),
        ("trades", 50),
        ("news", 2),
    ]
    again = await run_import(funding, trades, news, hints=FileHints(source="binance_perp"), force=True)
    assert [counts(file) for file in again.files] == [(0, 0, 5, 0, 0), (0, 0, 50, 0, 0), (0, 0, 2, 0, 0)]
    async with transactions() as stores:
        rates = await stores.events.load_funding("BTC-PERP", as_of_ns=(START_S + 28_800) * 10**9)
        dated = await stores.events.load_events("BTC")
        about = await stores.events.load_events("SOL-PERP")
    assert rates.rate.tolist() == [0.0, 0.0001]
    assert (dated.occurred_at_ns.tolist(), dated.known_at_ns.tolist()) == (
        [parse_time_ns("2024-01-02")],
        [parse_time_ns("2024-01-03")],
    )
    assert about.known_at_ns.tolist() == [parse_time_ns("2024-01-01T10:00Z")]
    async with database.connection() as connection:
        sides = await (
            await connection.execute("SELECT side, count(*) FROM trades_ticks GROUP BY 1 ORDER BY 1")
        ).fetchall()
        kept = await (await connection.execute("SELECT payload FROM events ORDER BY occurred_at")).fetchall()
        judged = await (
            await connection.execute("SELECT count(*), min(notes) FROM data_quality_audit")
        ).fetchall()
    assert sides == [("buy", 25), ("sell", 25)]
    assert kept == [({"mood": -0.5},), ({"text": "Bitcoin drifts"},)]
    assert judged == [(2, "auto_audit_v1")]


async def test_an_import_that_is_cancelled_leaves_nothing(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(2 * BLOCK_ROWS))
    stored_some = asyncio.Event()
    task = asyncio.create_task(run_import(path, on_progress=lambda progress: stored_some.set()))
    async with asyncio.timeout(60):
        await stored_some.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with transactions() as stores:
        assert await stores.bars.all_series() == ()
    (file,) = (await run_import(path)).files
    assert file.inserted == 2 * BLOCK_ROWS


async def test_two_imports_of_one_series_at_once_take_turns(folder, run_import, transactions):
    one = write_csv(folder / "BTCUSDT-1m-a.csv", bar_rows(400))
    other = write_csv(folder / "BTCUSDT-1m-b.csv", bar_rows(400, start=200))
    hints = FileHints(symbol="BTC")
    await asyncio.gather(run_import(one, hints=hints), run_import(other, hints=hints))
    async with transactions() as stores:
        (info,) = await stores.bars.all_series()
    assert (info.n_bars, info.n_missing) == (600, 0)
    assert len(await closes(transactions)) == 600


async def test_progress_ends_at_the_whole(folder, run_import):
    one = write_csv(folder / "BTCUSDT.csv", bar_rows(400))
    other = write_csv(folder / "ETHUSDT.csv", bar_rows(100))
    seen = []
    await run_import(one, other, on_progress=seen.append)
    assert [progress.rows for progress in seen] == [400, 500]
    assert seen[-1].done_bytes == seen[-1].total_bytes == one.stat().st_size + other.stat().st_size
