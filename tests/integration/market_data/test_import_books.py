"""Order books from text files, their bad rows, and a second import."""

from datetime import UTC, datetime

import orjson
import pytest

from marketsentry.core.market.timestamps import datetime_to_ns

HEADER = "recv_ts,exch_ts,kind,first_id,last_id,prev_id,side,price,qty"
START_MS = 1_704_067_200_000


def _rows(n_updates: int) -> list[list[object]]:
    """A whole book, then one message a tenth of a second that moves the best bid's size."""
    told: list[list[object]] = []
    for side, best in (("b", 100.0), ("a", 101.0)):
        step = -0.5 if side == "b" else 0.5
        told += [
            [START_MS + 2, START_MS, "snapshot", 10, 10, "", side, best + i * step, 1 + i] for i in range(3)
        ]
    for i in range(n_updates):
        at = START_MS + 100 * (i + 1)
        told.append([at + 2, at, "update", 11 + i, 11 + i, "", "b", 100.0, 2 + i])
        told.append([at + 2, at, "update", 11 + i, 11 + i, "", "a", 103.0, 0])
    return told


def _write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        keys = HEADER.split(",")
        told = [orjson.dumps({k: v for k, v in zip(keys, row, strict=True) if v != ""}) for row in rows]
        path.write_bytes(b"\n".join(told) + b"\n")
    else:
        path.write_text("\n".join([HEADER, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


async def _newest(transactions):
    at = datetime(2024, 1, 1, 1, tzinfo=UTC)
    async with transactions() as stores:
        return await stores.books.newest("BTC", as_of=at, since=datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ["BTCUSDT_l2.csv", "BTCUSDT_l2.jsonl"])
async def test_a_book_is_read_from_text(name, folder, run_import, transactions):
    path = _write(folder / name, _rows(20))
    (file,) = (await run_import(path)).files
    assert (file.status, file.kind, file.symbol, file.rejected) == ("imported", "book", "BTC", 0)
    assert (file.rows, file.inserted, file.duplicates) == (46, 21, 25)
    found = await _newest(transactions)
    assert (found.source, found.has_depth) == ("binance_spot", True)
    assert found.book.bids.tolist() == [[100.0, 21.0], [99.5, 2.0], [99.0, 3.0]]
    assert found.book.asks.tolist() == [[101.0, 1.0], [101.5, 2.0], [102.0, 3.0]]
    assert found.book.known_at_ns - found.book.ts_ns == 2_000_000
    (again,) = (await run_import(path)).files
    assert again.status == "unchanged"


async def test_a_recording_that_grew_adds_its_new_books_alone(folder, run_import, transactions):
    path = _write(folder / "BTCUSDT_l2.csv", _rows(5))
    await run_import(path)
    _write(path, _rows(9))
    (file,) = (await run_import(path)).files
    assert (file.inserted, file.unchanged) == (4, 6)
    async with transactions() as stores:
        (series,) = await stores.books.all_series()
    assert (series.n_books, series.n_quotes, series.symbol) == (10, 10, "BTC")
    assert datetime_to_ns(series.last_at) == (START_MS + 900) * 1_000_000


async def test_a_bad_row_hides_the_book_and_is_told(folder, run_import, transactions):
    rows = _rows(6)
    rows[6 + 4][-1] = "-3"
    (file,) = (await run_import(_write(folder / "BTCUSDT_l2.csv", rows))).files
    assert (file.reasons, file.first_rejects[0].line) == ({"negative_volume": 1}, 12)
    assert file.inserted == 3  # the whole book and two messages; nothing can be known after the bad one
    async with transactions() as stores:
        (series,) = await stores.books.all_series()
    assert series.n_books == 3


async def test_best_prices_alone_are_quotes(folder, run_import, transactions, database):
    header = "recv_ts,exch_ts,update_id,bid,bid_qty,ask,ask_qty"
    lines = [f"{START_MS + 5 + i},,{i},{100 - i},1,{101 - i},3" for i in range(4)]
    lines += [f"{START_MS + 9},,9,105,1,101,3", f"{START_MS + 10},,9,100,0,101,3"]
    path = folder / "BTCUSDT_bbo.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    (file,) = (await run_import(path)).files
    assert (file.kind, file.inserted) == ("quotes", 4)
    assert file.reasons == {"crossed_quote": 1, "size_not_positive": 1}
    async with database.connection() as connection:
        rows = await (
            await connection.execute(
                "SELECT bid_px, spread_bps, imbalance FROM orderbook_l2 ORDER BY ts LIMIT 1"
            )
        ).fetchone()
    assert rows == (100.0, pytest.approx(1e4 / 100.5), -0.5)
    found = await _newest(transactions)
    assert (found.has_depth, found.book.bids.tolist()) == (False, [[97.0, 1.0]])
