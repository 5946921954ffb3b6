"""`ms data import | list | resample` as a person or a script calls them: output, exit codes, a killed run."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import duckdb
import pytest

from market_files import bar_rows, write_csv
from marketsentry.adapters.postgres.database import Database
from verbs import ms, on_engines

MS = Path(sys.executable).with_name("ms")


@pytest.fixture
def env(engines, database_url, tmp_path):
    """The environment of a program that uses this test's database."""
    return on_engines(engines, database_url, tmp_path / "home")


def data(env, *words):
    return ms(env, "data", *words)


def test_import_list_resample_and_their_json(folder, env):
    rows = bar_rows(60)
    rows[7][2] = 1.0
    path = write_csv(folder / "BTCUSDT.csv", rows)
    done = data(env, "import", path, "--resample", "5m", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 2, done.stderr
    assert (report["rows"], report["inserted"], report["rejected"], report["failed"]) == (60, 59, 1, 0)
    assert report["seconds"] > 0
    assert report["peak_memory_mib"] > 10
    assert report["resampled"][0]["inserted"] == 11
    (file,) = report["files"]
    assert (file["status"], file["reasons"], file["interval"]) == ("imported", {"high_below_low": 1}, "1m")
    assert file["first_rejects"][0]["line"] == 9
    assert Path(file["reject_file"]).read_text().splitlines()[0] == "file,line,reason,row"

    listed = json.loads(data(env, "list", "--json").stdout)["series"]
    assert [(s["symbol"], s["interval"], s["bars"], s["lost"]) for s in listed] == [
        ("BTC", "1m", 59, 1),
        ("BTC", "5m", 11, 1),
    ]
    assert listed[0]["gaps"] == [{"start": "2024-01-01T00:07:00Z", "stop": "2024-01-01T00:08:00Z", "bars": 1}]

    again = json.loads(data(env, "resample", "BTC", "--to", "5m", "--json").stdout)["series"]
    assert [(made["inserted"], made["unchanged"]) for made in again] == [(0, 11)]


def test_what_a_person_reads(folder, env):
    rows = bar_rows(30)
    rows[3][1] = "oops"
    done = data(env, "import", write_csv(folder / "BTCUSDT.csv", rows), "--force")
    assert done.returncode == 2
    assert "BTC 1m binance_spot: 30 rows, 29 new, 1 refused" in done.stdout
    assert f"{folder / 'BTCUSDT.csv'}:5: not_finite: " in done.stderr
    assert "all 1 refused rows: " in done.stderr
    listed = data(env, "list", "--gaps").stdout
    assert "2024-01-01T00:03:00Z to 2024-01-01T00:04:00Z: 1 bars" in listed
    assert max(map(len, listed.splitlines())) <= 80


def test_exit_codes_say_what_was_wrong(folder, tmp_path, env):
    good = write_csv(folder / "BTCUSDT.csv", bar_rows(30))
    other = write_csv(tmp_path / "bybit_spot_1m" / "BTCUSDT.csv", bar_rows(30))
    broken = folder / "ETHUSDT.parquet"
    broken.write_bytes(b"PAR1 no more")
    assert data(env, "import", good).returncode == 0
    assert data(env, "import", good).returncode == 0
    conflict = data(env, "import", other)
    assert conflict.returncode == 3
    assert "binance_spot, these are of bybit_spot" in conflict.stdout
    damaged = data(env, "import", broken)
    assert damaged.returncode == 2
    assert str(broken) in damaged.stdout
    missing = data(env, "import", tmp_path / "nowhere")
    assert (missing.returncode, missing.stdout) == (3, "")
    assert "no file or folder" in missing.stderr
    assert data(env, "import", good, "--interval", "7x").returncode == 2
    assert data(env, "resample", "NONE", "--to", "5m").returncode == 3


async def test_a_killed_import_leaves_nothing_and_the_next_one_lands(folder, env, database_url):
    path = folder / "BTCUSDT.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT to_timestamp(1600000020 + 60 * i) AS ts, 10.0 AS open, 11.0 AS high, 9.0 AS low,"
            f" 10.5 AS close, 1.0 AS volume FROM range(600000) AS numbers (i)) TO '{path}' (FORMAT PARQUET)"
        )
    process = await asyncio.create_subprocess_exec(
        MS, "data", "import", path, env=env, start_new_session=True
    )
    async with Database(database_url) as database:
        async with asyncio.timeout(60):
            while (
                await answer(
                    database, "SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 0"
                )
                == 0
            ):
                assert process.returncode is None, "the import ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert await answer(database, "SELECT count(*) FROM market_bars") == 0
        assert await answer(database, "SELECT count(*) FROM market_series") == 0
        assert await answer(database, "SELECT count(*) FROM import_files") == 0
        assert (await asyncio.to_thread(data, env, "import", path)).returncode == 0
        assert await answer(database, "SELECT count(*) FROM market_bars") == 600_000


async def answer(database, query):
    async with database.connection() as connection:
        return (await (await connection.execute(query)).fetchone())[0]
