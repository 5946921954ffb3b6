"""Every kind of bad file and bad row: a clear error, nothing half-landed, nothing lost."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from market_files import START_S, FixedClock, bar_rows, write_csv, write_parquet
from marketsentry.adapters.files.rows import BLOCK_ROWS
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.exceptions import ConflictError, DataQualityError, InputError, NotFoundError
from marketsentry.ports import Transactions
from marketsentry.ports.files import FileHints

MINUTE = parse_interval("1m")
HEADER = "timestamp,open,high,low,close,volume"
GOOD = [100.0, 101.0, 99.0, 100.5, 5.0]

BAD_ROWS = {
    "price_not_positive": [-1.0, 101.0, -1.0, 100.5, 5.0],
    "high_below_low": [98.5, 98.0, 99.0, 98.5, 5.0],
    "price_outside_range": [100.0, 101.0, 99.0, 150.0, 5.0],
    "not_finite": ["NaN", 101.0, 99.0, 100.5, 5.0],
    "negative_volume": [100.0, 101.0, 99.0, 100.5, -5.0],
}


async def stored(transactions: Transactions, symbol: str = "BTC") -> list[int]:
    async with transactions() as stores:
        info = await stores.bars.series(symbol, MINUTE)
        if info is None:
            return []
        bars = await stores.bars.load(symbol, MINUTE)
        assert info.n_bars == bars.ts_ns.size
        return [(ts // 10**9 - START_S) // 60 for ts in bars.ts_ns.tolist()]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "jsonl", "parquet"])
async def test_bad_rows_stay_out_and_their_neighbours_land(suffix, folder, run_import, transactions):
    rows = bar_rows(20)
    for i, values in enumerate(BAD_ROWS.values()):
        rows[2 * i + 1][1:] = values
    path = folder / f"BTCUSDT.{suffix}"
    if suffix == "parquet":
        write_parquet(path, rows)
    elif suffix == "jsonl":
        names = HEADER.split(",")
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        write_csv(path, rows)
    (file,) = (await run_import(path)).files
    assert (file.status, file.rows, file.inserted, file.rejected) == ("imported", 20, 15, 5)
    assert file.reasons == dict.fromkeys(BAD_ROWS, 1)
    n_header = 1 if "csv" in suffix else 0
    assert [(reject.line, reject.reason) for reject in file.first_rejects] == [
        (2 * i + 2 + n_header, reason) for i, reason in enumerate(BAD_ROWS)
    ]
    assert {reject.file for reject in file.first_rejects} == {str(path)}
    assert await stored(transactions) == [i for i in range(20) if i not in (1, 3, 5, 7, 9)]


async def test_rejects_are_all_written_and_ten_are_shown(folder, run_import):
    rows = bar_rows(40)
    for i in range(0, 30, 2):
        rows[i][4] = "what?"
    path = write_csv(folder / "BTCUSDT.csv", rows)
    (file,) = (await run_import(path)).files
    assert (file.rejected, len(file.first_rejects)) == (15, 10)
    with Path(file.reject_file).open(newline="") as kept:
        lines = list(csv.DictReader(kept))
    assert [int(line["line"]) for line in lines] == [i + 2 for i in range(0, 30, 2)]
    assert {line["reason"] for line in lines} == {"not_finite"}
    assert lines[0]["row"] == path.read_text().splitlines()[1]
    assert Path(file.reject_file).name == f"BTCUSDT.csv-{file_sha(path)}.csv"


async def test_a_wrong_column_count_names_its_line_whatever_else_is_there(folder, run_import, transactions):
    lines = [HEADER, *(",".join(map(str, row)) for row in bar_rows(6))]
    lines[2] += ",9"
    lines[4] = lines[4].rpartition(",")[0]
    lines.insert(3, "")
    lines.insert(6, "; DROP TABLE market_bars")
    path = folder / "BTCUSDT.csv"
    path.write_text("\r\n".join(lines) + "\r\n")
    (file,) = (await run_import(path)).files
    assert file.reasons == {"wrong_column_count": 3}
    assert [reject.line for reject in file.first_rejects] == [3, 6, 7]
    assert await stored(transactions) == [0, 2, 4, 5]


async def test_a_row_from_the_future_is_refused_until_it_is_past(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(10))
    early = FixedClock(datetime_at("2024-01-01T00:08:00Z"))
    (file,) = (await run_import(path, clock=early)).files
    assert (file.reasons, await stored(transactions)) == ({"future_time": 2}, list(range(8)))
    (later,) = (await run_import(path)).files
    assert (later.status, later.inserted, later.rejected) == ("imported", 2, 0)
    assert await stored(transactions) == list(range(10))


async def test_times_that_are_none_and_times_off_the_grid(folder, run_import, transactions):
    rows = bar_rows(20)
    rows[3][0], rows[5][0], rows[9][0] = "soon", 17, rows[9][0] + 1500
    (file,) = (await run_import(write_csv(folder / "BTCUSDT.csv", rows))).files
    assert file.reasons == {"bad_time": 2, "off_grid": 1}
    assert await stored(transactions) == [i for i in range(20) if i not in (3, 5, 9)]


DAMAGED = {
    "truncated.parquet": (
        lambda good: good["parquet"][: len(good["parquet"]) // 2],
        "BTCUSDT-truncated.parquet",
    ),
    "cut footer.parquet": (lambda good: good["parquet"][:-10], "BTCUSDT-cut.parquet"),
    "truncated.csv.gz": (lambda good: good["gz"][: len(good["gz"]) // 2], "BTCUSDT.csv.gz"),
    "cut trailer.csv.gz": (lambda good: good["gz"][:-5], "BTCUSDT.csv.gz"),
    "flipped bit.csv.gz": (lambda good: flip(good["gz"]), "BTCUSDT.csv.gz"),
    "cut line.csv": (lambda good: good["csv"][:-20], "BTCUSDT.csv"),
    "cut line.jsonl": (lambda good: good["jsonl"][:-20], "BTCUSDT.jsonl"),
    "parquet as csv": (lambda good: good["parquet"], "BTCUSDT.csv"),
    "gz as csv": (lambda good: good["gz"], "BTCUSDT.csv"),
    "gz as parquet": (lambda good: good["gz"], "BTCUSDT.parquet"),
    "csv as parquet": (lambda good: good["csv"], "BTCUSDT.parquet"),
    "csv as gz": (lambda good: good["csv"], "BTCUSDT.csv.gz"),
    "csv as zip": (lambda good: good["csv"], "BTCUSDT.zip"),
    "zip without end": (lambda good: good["zip"][:-30], "BTCUSDT.zip"),
    "empty csv": (lambda good: b"", "BTCUSDT.csv"),
    "empty parquet": (lambda good: b"", "BTCUSDT.parquet"),
    "empty inside gz": (lambda good: gzip.compress(b""), "BTCUSDT.csv.gz"),
    "header only": (lambda good: HEADER.encode() + b"\n", "BTCUSDT.csv"),
    "binary as csv": (lambda good: bytes(range(256)) * 40, "BTCUSDT.csv"),
}


@pytest.mark.parametrize("kind", DAMAGED)
async def test_a_damaged_or_mislabelled_file_is_named_and_none_of_it_lands(
    kind, folder, run_import, transactions, tmp_path
):
    damage, name = DAMAGED[kind]
    path = folder / name
    path.write_bytes(damage(good_bytes(tmp_path / "good")))
    sound = write_csv(folder / "ETHUSDT.csv", bar_rows(5))
    report = await run_import(path, sound)
    bad, other = report.files
    assert bad.status == "failed"
    assert isinstance(bad.error, DataQualityError | InputError)
    assert str(path) in str(bad.error)
    assert (bad.inserted, await stored(transactions, "BTC")) == (0, [])
    assert (other.status, await stored(transactions, "ETH")) == ("imported", list(range(5)))


async def test_damage_behind_many_good_rows_lands_nothing(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(2 * BLOCK_ROWS + 9))
    path.write_bytes(path.read_bytes()[:-15])
    (file,) = (await run_import(path)).files
    assert (file.status, file.rows) == ("failed", 2 * BLOCK_ROWS)
    assert f"truncated, it ends in the middle of line {2 * BLOCK_ROWS + 10}" in str(file.error)
    assert await stored(transactions) == []


async def test_a_file_of_another_interval_than_its_name_is_refused(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(50, step_s=300))
    (file,) = (await run_import(path)).files
    assert isinstance(file.error, DataQualityError)
    assert "said to hold 1m bars, its rows are 5m apart" in str(file.error)


async def test_a_file_of_another_kind_than_asked_for_is_refused(folder, run_import):
    path = write_csv(folder / "BTCUSDT.csv", [[START_S, 0.0001]], header="ts,funding_rate")
    (file,) = (await run_import(path, hints=FileHints(kind="bars"))).files
    assert "holds funding, was to hold bars" in str(file.error)


async def test_a_file_without_one_good_row_fails_with_its_reasons(folder, run_import, transactions):
    rows = [[row[0], -1, -1, -1, -1, 1] for row in bar_rows(12)]
    (file,) = (await run_import(write_csv(folder / "BTCUSDT.csv", rows))).files
    assert (file.status, file.rejected) == ("failed", 12)
    assert "none of its 12 rows is good (price_not_positive 12)" in str(file.error)
    assert await stored(transactions) == []


async def test_unknown_columns_fail_where_named_and_are_passed_over_in_a_folder(folder, run_import):
    path = write_csv(folder / "people.csv", [["Ann", 7]], header="name,age")
    write_csv(folder / "BTCUSDT.csv", bar_rows(3))
    (folder / "notes.md").write_text("hello")
    (named,) = (await run_import(path)).files
    assert isinstance(named.error, InputError)
    report = await run_import(folder)
    assert {Path(file.path).name: str(file.status) for file in report.files} == {
        "BTCUSDT.csv": "imported",
        "people.csv": "skipped",
        "notes.md": "skipped",
    }


async def test_a_name_that_does_not_say_the_source_asks_for_it(tmp_path, run_import, transactions):
    path = write_csv(tmp_path / "BTCUSDT-1m-2024-01.csv", bar_rows(30))
    (file,) = (await run_import(path)).files
    assert "--source binance_spot" in str(file.error)
    (said,) = (await run_import(path, hints=FileHints(source="binance_spot"))).files
    assert (said.status, said.symbol, said.interval) == ("imported", "BTC", "1m")


async def test_a_name_that_is_no_symbol_and_a_path_that_is_not_there(tmp_path, run_import):
    path = write_csv(tmp_path / "binance_spot_1m" / "2024.csv", bar_rows(30))
    (file,) = (await run_import(path)).files
    assert "--symbol BTC" in str(file.error)
    with pytest.raises(NotFoundError, match="no file or folder"):
        await run_import(tmp_path / "nowhere")


async def test_a_second_source_is_a_conflict_that_names_both_and_a_way_out(
    tmp_path, folder, run_import, transactions
):
    await run_import(write_csv(folder / "BTCUSDT.csv", bar_rows(30)))
    other = write_csv(tmp_path / "bybit_spot_1m" / "BTCUSDT.csv", bar_rows(30, seed=2))
    (file,) = (await run_import(other)).files
    assert isinstance(file.error, ConflictError)
    assert "binance_spot" in str(file.error)
    assert "bybit_spot" in str(file.error)
    assert "--as BTC-BYBIT" in str(file.error)
    (renamed,) = (await run_import(other, hints=FileHints(symbol="BTC-BYBIT"))).files
    assert (renamed.status, renamed.inserted) == ("imported", 30)
    assert await stored(transactions) == list(range(30))


async def test_news_without_title_or_from_the_future_stays_out(tmp_path, run_import, transactions):
    path = tmp_path / "headlines.csv"
    path.write_text(
        'published_at,title,url\n2024-01-01T10:00Z,"Bitcoin, a ""story""\nin two lines",http://x\n'
        "2024-01-02,,\n2031-01-02,Bitcoin later,\n2024-01-03,Solana halts,,\n2024-01-04,Ether up,\n"
    )
    (file,) = (await run_import(path)).files
    assert (file.inserted, file.reasons) == (2, {"empty_title": 1, "future_time": 1, "wrong_column_count": 1})
    assert [reject.line for reject in file.first_rejects] == [4, 5, 6]
    async with transactions() as stores:
        events = await stores.events.load_events("BTC")
    assert events.occurred_at_ns.tolist() == [parse_time_ns("2024-01-01T10:00Z")]


def datetime_at(text):
    from marketsentry.core.market.timestamps import ns_to_datetime

    return ns_to_datetime(parse_time_ns(text))


def file_sha(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def good_bytes(folder):
    import io
    import zipfile

    rows = bar_rows(400)
    plain = write_csv(folder / "a.csv", rows).read_bytes()
    names = HEADER.split(",")
    lines = "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTCUSDT-1m-2024-01.csv", plain)
    return {
        "csv": plain,
        "gz": gzip.compress(plain),
        "jsonl": lines.encode(),
        "parquet": write_parquet(folder / "a.parquet", rows).read_bytes(),
        "zip": packed.getvalue(),
    }


async def test_one_name_for_two_markets_is_refused(folder, run_import, transactions):
    first = write_csv(folder / "BTCUSDT.csv", bar_rows(30))
    second = write_csv(folder / "ETHUSDT.csv", bar_rows(30, start=30))
    report = await run_import(folder, hints=FileHints(symbol="MIX"))
    assert [str(file.status) for file in report.files] == ["imported", "failed"]
    assert f"{second}: MIX cannot name both BTCUSDT and ETHUSDT" in str(report.failed[0].error)
    assert (first.exists(), await stored(transactions, "MIX")) == (True, list(range(30)))


async def test_a_file_that_changes_while_it_is_read_does_not_land(folder, run_import, transactions):
    path = write_csv(folder / "BTCUSDT.csv", bar_rows(30))

    def append(progress):
        with path.open("a") as file:
            file.write("1,2,3\n")

    (file,) = (await run_import(path, on_progress=append)).files
    assert (file.status, str(file.error)) == ("failed", f"{path}: changed while it was read")
    assert await stored(transactions) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
async def test_a_name_that_looks_like_a_pattern_is_one_file(suffix, folder, run_import, transactions):
    write = write_parquet if suffix == "parquet" else write_csv
    write(folder / f"BTCUSDT-1m-1.{suffix}", bar_rows(5))
    path = write(folder / f"BTCUSDT-1m-[1]*?.{suffix}", bar_rows(7))
    (file,) = (await run_import(path, hints=FileHints(symbol="BTC"))).files
    assert (file.status, file.rows) == ("imported", 7)


async def test_a_symbol_that_cannot_be_one_names_the_file(tmp_path, run_import):
    path = write_csv(tmp_path / "binance_spot_1m" / f"{'LONG' * 6}.csv", bar_rows(30))
    (file,) = (await run_import(path)).files
    assert file.status == "failed"
    assert str(path) in str(file.error)
