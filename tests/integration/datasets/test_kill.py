"""A build that is killed leaves nothing half-written, and the next one finishes the work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg

KILLED_BUILD = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from small_market import HOUR, FixedClock
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.services.datasets import DatasetRequest, build_dataset

def die(step, share):
    if step == "snapshots" and share > 0.3:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with Database(sys.argv[1]) as database:
        await build_dataset(
            DatasetRequest(("BTC", "ETH"), HOUR), feature_set=BUILTIN, code_version="code-1",
            transactions=database.transactions, files=ParquetDatasets(Path(sys.argv[2])),
            clock=FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)), on_progress=die,
        )

asyncio.run(main())
"""

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from marketsentry.adapters.whole_directory import whole_directory

with whole_directory(Path(sys.argv[1]) / ("a" * 64)) as draft:
    (draft / "bars.parquet").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_killed(code: str, *arguments: str) -> None:
    tests = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONPATH": tests}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


async def test_killed_between_two_symbols_no_snapshot_stays(build, files, database_url):
    root = str(Path(files.path_of("x")).parent)
    run_killed(KILLED_BUILD, database_url, root)
    with psycopg.connect(database_url) as connection:
        for table in ("datasets", "lineages", "feature_snapshots", "technical_indicators"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    built = await build()
    assert built.snapshots_written == built.n_rows
    assert built.lineage_ids == ("train-20260304050607-BTC", "train-20260304050607-ETH")


async def test_killed_while_writing_files_the_next_build_cleans_up(build, files):
    root = Path(files.path_of("x")).parent
    run_killed(KILLED_WRITER, str(root))
    (draft,) = root.iterdir()
    assert draft.name.startswith(".draft-")
    built = await build()
    assert [path.name for path in root.iterdir()] == [built.content_hash]
