"""The record: importing bars, importing them again, reading the last ones, committing a row.

Every limit is measured in the same run, on the same private PostgreSQL, in turns with what it limits.
"""

import asyncio
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psycopg

from benchmarks.rows import Row, median, percentile, spread
from marketsentry.adapters.files.local_files import LocalFiles
from marketsentry.adapters.postgres.binary import COPY_HEADER, COPY_TRAILER, postgres_us, row_template
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.interval import parse_interval
from marketsentry.ports.files import FileHints
from marketsentry.services.imports import import_files
from marketsentry.settings import Settings

MS = Path(sys.executable).with_name("ms")
N_BARS = 1_000_000
N_TAIL = 10_000
N_RUNS = 5
N_LAST = 200
MINUTE = parse_interval("1m")
START_S = 1_262_304_000  # 2010: a file of millions of minutes must end before the present

_COLUMNS = "symbol, timeframe, ts, open, high, low, close, volume, trades_count, source, known_at"
_COPY = f"COPY bench_bars ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TO_STAGE = f"COPY bench_stage ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_MERGE = f"""
INSERT INTO bench_bars ({_COLUMNS}) SELECT {_COLUMNS} FROM bench_stage
ON CONFLICT (symbol, timeframe, ts) DO UPDATE SET close = excluded.close
"""  # noqa: S608  (the columns are a constant above)
_LAST = """
SELECT ts, open, high, low, close, volume FROM bench_bars
WHERE symbol = %s AND timeframe = %s ORDER BY ts DESC LIMIT %s
"""


def bench_import() -> list[dict[str, Any]]:
    """New 1m bars, Parquet -> checked rows with key and known_at; the limit is a binary COPY of the same rows."""
    return _with_system(_import)


def bench_import_again() -> list[dict[str, Any]]:
    """The same file again, and the file with a longer tail; the limit is its hash, the peer COPY and merge."""
    return _with_system(_import_again)


def bench_last_bars() -> list[dict[str, Any]]:
    """The last 200 bars of a series of a million; the limit is a bare select, the peer DuckDB."""
    return _with_system(_last_bars)


def bench_commit() -> list[dict[str, Any]]:
    """One row, durably; the limit is the same insert on a bare connection."""
    return _with_system(_commit)


async def _import(system: System, folder: Path) -> list[dict[str, Any]]:
    path = _write_bars(folder / "BTCUSDT.parquet", N_BARS)
    encoded = _encode(N_BARS)
    ours, limits = [], []
    for run in range(N_RUNS):
        seconds = await _seconds(_import_file(system, path, f"RUN{run}"))
        ours.append(N_BARS / seconds)
        limits.append(N_BARS / await asyncio.to_thread(_seconds_of_copy, system, encoded))
    memory = {n: _peak_memory_mib(system, folder, n) for n in (N_BARS, 4 * N_BARS)}
    rows = [
        Row(
            "import",
            median(ours),
            "rows/s",
            budget=350_000,
            limit=median(limits),
            better="higher",
            n=N_RUNS,
            spread=spread(ours),
            notes="limit: binary COPY of encoded rows into an unpartitioned table with the same columns and checks",
        )
    ]
    rows += [Row(f"import-memory-{n // 10**6}m", peak, "MiB", budget=300) for n, peak in memory.items()]
    return [row.as_dict() for row in rows]


async def _import_again(system: System, folder: Path) -> list[dict[str, Any]]:
    path = _write_bars(folder / "BTCUSDT.parquet", N_BARS)
    await _import_file(system, path, "BTC")
    again = [await _seconds(_import_file(system, path, "BTC")) for _ in range(N_RUNS)]
    hashes = [_seconds_of_hash(path) for _ in range(N_RUNS)]
    tails = []
    for run in range(1, N_RUNS + 1):
        _write_bars(path, N_BARS + run * N_TAIL)
        tails.append(await _seconds(_import_file(system, path, "BTC")))
    peer = await asyncio.to_thread(_seconds_of_merge, system, _encode(N_BARS))
    rows = (
        Row(
            "import-again",
            median(again),
            "s",
            1.0,
            median(hashes),
            peer,
            n=N_RUNS,
            spread=spread(again),
            notes="limit: SHA-256 of the file; peer: COPY to a stage and merge",
        ),
        Row(
            "import-again-tail",
            median(tails),
            "s",
            1.0,
            None,
            peer,
            n=N_RUNS,
            spread=spread(tails),
            notes=f"{N_TAIL:,} rows more: the file is decoded and compared by block, the tail is written",
        ),
    )
    return [row.as_dict() for row in rows]


async def _last_bars(system: System, folder: Path) -> list[dict[str, Any]]:
    path = _write_bars(folder / "BTCUSDT.parquet", N_BARS)
    await _import_file(system, path, "BTC")
    await asyncio.to_thread(_seconds_of_copy, system, _encode(N_BARS))

    async def ours() -> None:
        async with system.transactions() as stores:
            assert (await stores.bars.last_bars("BTC", MINUTE, N_LAST)).ts_ns.size == N_LAST

    samples = await _samples(ours)
    bare = await asyncio.to_thread(_seconds_of_selects, system)
    peer = await asyncio.to_thread(_seconds_in_duckdb, path)
    rows = (
        Row(
            "last-bars",
            _ms(samples, 0.5),
            "ms",
            0.8,
            _ms(bare, 0.5),
            _ms(peer, 0.5),
            n=len(samples),
            spread=spread(samples),
            notes="p50, with its transaction; limit: prepared select; peer: DuckDB table",
        ),
        Row("last-bars-p99", _ms(samples, 0.99), "ms", 3.0, _ms(bare, 0.99), _ms(peer, 0.99), n=len(samples)),
    )
    return [row.as_dict() for row in rows]


async def _commit(system: System, folder: Path) -> list[dict[str, Any]]:
    async with system.database.connection() as connection:
        await connection.execute(
            "CREATE TABLE bench_commits (id bigint PRIMARY KEY, at timestamptz NOT NULL)"
        )
    numbers = itertools.count()
    insert = "INSERT INTO bench_commits VALUES (%s, now())"

    async def ours() -> None:
        async with system.database.connection() as connection:
            await connection.execute(insert, (next(numbers),))

    samples = await _samples(ours)

    def bare() -> list[float]:
        with psycopg.connect(system.engines.database_url, autocommit=True) as connection:
            return _timed(lambda: connection.execute(insert, (next(numbers),)), 1_000)

    limit = await asyncio.to_thread(bare)
    rows = (
        Row(
            "commit",
            _ms(samples, 0.5),
            "ms",
            limit=_ms(limit, 0.5),
            n=len(samples),
            spread=spread(samples),
            notes=f"p50, durable; data directory on {folder.resolve().anchor}",
        ),
        Row("commit-p99", _ms(samples, 0.99), "ms", limit=_ms(limit, 0.99), n=len(samples)),
    )
    return [row.as_dict() for row in rows]


def _with_system(
    work: Callable[[System, Path], Coroutine[Any, Any, list[dict[str, Any]]]],
) -> list[dict[str, Any]]:
    async def run(folder: Path) -> list[dict[str, Any]]:
        async with open_system(Settings(home=folder / "home")) as system:
            async with system.database.connection() as connection:
                await connection.execute("CREATE TABLE bench_bars (LIKE market_bars INCLUDING ALL)")
            return await work(system, folder)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder)))


def _write_bars(path: Path, n_bars: int) -> Path:
    """A market that is the same for every run; a longer file begins like a shorter one."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            COPY (
                SELECT to_timestamp({START_S} + 60 * i) AS ts, price AS open, price + 5 AS high, price - 5 AS low,
                       price + 1 AS close, 1 + i % 17 AS volume
                FROM (SELECT i, round(30000 + 5000 * sin(i / 50000) + hash(i) % 1000 / 100, 2) AS price
                      FROM range({n_bars}) AS numbers (i))
                ORDER BY i
            ) TO '{path}' (FORMAT PARQUET, COMPRESSION ZSTD)
            """  # noqa: S608  (constants)
        )
    return path


async def _import_file(system: System, path: Path, symbol: str) -> None:
    report = await import_files(
        [path],
        files=LocalFiles.under(path.parent),
        transactions=system.transactions,
        clock=system.clock,
        hints=FileHints(symbol=symbol, interval=MINUTE, source="binance_spot"),
    )
    if report.failed or report.rejected:
        raise RuntimeError(f"the import did not go well: {report}")


def _peak_memory_mib(system: System, folder: Path, n_bars: int) -> float:
    """Peak resident memory of a process that imports `n_bars` bars."""
    path = _write_bars(folder / f"M{n_bars}USDT.parquet", n_bars)
    command = (MS, "data", "import", path, "--source", "binance_spot", "--interval", "1m", "--json")
    env = {**os.environ, **system.engine_env(), "MS_HOME": str(folder / "home")}
    done = subprocess.run(command, env=env, capture_output=True, check=True)
    return float(json.loads(done.stdout)["peak_memory_mib"])


def _encode(n_bars: int) -> bytes:
    rows = row_template(
        n_bars,
        {
            "symbol": b"LIMIT",
            "timeframe": b"1m",
            "ts": ">i8",
            **dict.fromkeys(("open", "high", "low", "close", "volume"), ">f8"),
            "trades_count": ">i4",
            "source": b"binance_spot",
            "known_at": ">i8",
        },
    )
    ts_us = postgres_us(START_S * 10**9 + np.arange(n_bars) * MINUTE.ns)
    rows["ts"], rows["known_at"] = ts_us, ts_us + MINUTE.ns // 1_000
    price = 30_000 + np.sin(np.arange(n_bars) / 50_000)
    rows["open"], rows["high"], rows["low"], rows["close"] = price, price + 5, price - 5, price + 1
    return rows.tobytes()


def _seconds_of_copy(system: System, encoded: bytes) -> float:
    with psycopg.connect(system.engines.database_url) as connection:
        connection.execute("TRUNCATE bench_bars")
        connection.commit()
        started = time.perf_counter()
        _copy(connection, _COPY, encoded)
        connection.commit()
        return time.perf_counter() - started


def _seconds_of_merge(system: System, encoded: bytes) -> float:
    _seconds_of_copy(system, encoded)
    with psycopg.connect(system.engines.database_url) as connection:
        started = time.perf_counter()
        connection.execute(
            "CREATE TEMP TABLE bench_stage (LIKE bench_bars INCLUDING IDENTITY) ON COMMIT DROP"
        )
        connection.execute("ALTER TABLE bench_stage ALTER COLUMN created_at DROP NOT NULL")
        _copy(connection, _COPY_TO_STAGE, encoded)
        connection.execute(_MERGE)
        connection.commit()
        return time.perf_counter() - started


def _copy(connection: psycopg.Connection[Any], statement: str, encoded: bytes) -> None:
    with connection.cursor().copy(statement.encode()) as copy:
        copy.write(COPY_HEADER)
        for start in range(0, len(encoded), 1 << 20):
            copy.write(encoded[start : start + (1 << 20)])
        copy.write(COPY_TRAILER)


def _seconds_of_selects(system: System) -> list[float]:
    with psycopg.connect(system.engines.database_url) as connection:
        cursor = connection.cursor(binary=True)
        return _timed(lambda: cursor.execute(_LAST, ("LIMIT", "1m", N_LAST), prepare=True).fetchall(), 1_000)


def _seconds_in_duckdb(path: Path) -> list[float]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE bars AS SELECT * FROM read_parquet(?)", [str(path)])
        return _timed(
            lambda: connection.execute("SELECT * FROM bars ORDER BY ts DESC LIMIT 200").fetchnumpy(), 100
        )


def _seconds_of_hash(path: Path) -> float:
    started = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return time.perf_counter() - started


async def _seconds(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _samples(work: Callable[[], Awaitable[None]], n: int = 1_000) -> list[float]:
    for _ in range(20):
        await work()
    return [await _seconds(work()) for _ in range(n)]


def _timed(work: Callable[[], object], n: int) -> list[float]:
    for _ in range(20):
        work()
    samples = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return samples


def _ms(samples: list[float], q: float) -> float:
    return percentile(samples, q) * 1_000
