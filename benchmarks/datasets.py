"""From Parquet bars to feature snapshots, beside the COPY of the same bytes."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, median, peak_memory_mib, spread
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.files.local_files import LocalFiles
from marketsentry.adapters.postgres.binary import COPY_HEADER, COPY_TRAILER, postgres_us
from marketsentry.adapters.postgres.snapshot_rows import snapshot_rows
from marketsentry.bootstrap import System, open_system
from marketsentry.core.dataset import Dataset, has_bar
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.bars import FIELDS
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.imports import import_files
from marketsentry.settings import Settings

COINS = tuple(f"C{n:02d}" for n in range(12))
FULL_HOURS, FULL_5M = 7 * 365 * 24, 5 * 365 * 288
SHARE = 0.05
RUNS = 5
_LIMIT_ROWS = 60_000

_EMPTY = """
TRUNCATE market_bars, market_series, no_trade_bars, import_files, feature_snapshots, technical_indicators,
    training_samples, lineages, datasets CASCADE
"""
_DATASET = """
INSERT INTO datasets (content_hash, track, symbols, timeframe, data_version, feature_version, schema_hash, path, n_rows)
VALUES ('limit', 'liquid', '{}', '1h', 'v1', 'limit', 'limit', '', 0) RETURNING id
"""
_COPY = """
COPY feature_snapshots (target, track, as_of, as_of_ts, event_time, feature_version, data_version, lineage_id,
                        schema_hash, dataset_id, feature_payload)
FROM STDIN (FORMAT BINARY)
"""


_WRITE = "COPY (SELECT * REPLACE (make_timestamp_ns(ts) AS ts) FROM bars) TO $path (FORMAT parquet)"


@dataclass(frozen=True, slots=True)
class _Work:
    """What is built: coins by interval, and where their Parquet files lie."""

    folder: Path
    requests: tuple[DatasetRequest, ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    """One run: seconds in all and by step, rows written."""

    seconds: float
    rows: int
    steps: dict[str, float]


def bench_features_panel(share: float = SHARE, runs: int = RUNS) -> list[dict[str, Any]]:
    """12 coins of hours and 2 coins of 5m: import, quality gate, features, files, indicators, snapshots.

    `share` of 7 years of hours and 5 years of 5m, on the embedded PostgreSQL; `python -m benchmarks.datasets --full`
    takes all of it.
    """
    return asyncio.run(_bench(share, runs))


async def _bench(share: float, runs: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        work = _make_bars(Path(folder), share)
        async with open_system(Settings(home=Path(folder) / "home")) as system:
            dataset = (await _build_all(system, work, Path(folder) / "warm"))[1]
            samples, copies = [], []
            for run in range(runs):
                await _execute(system, _EMPTY)
                samples.append((await _build_all(system, work, Path(folder) / f"run-{run}"))[0])
                await _execute(system, _EMPTY)
                copies.append(await _copy_rate(system, dataset))
    return _rows(samples, copies, share)


def _rows(samples: Sequence[_Sample], copies: Sequence[float], share: float) -> list[dict[str, Any]]:
    n_rows = samples[0].rows
    taken = [one.seconds for one in samples]
    limit = n_rows / median(copies)
    notes = (
        f"{n_rows:,} rows ({share:.0%} of the work) x {len(BUILTIN.schema.features)} features, "
        f"{n_rows / median(taken):,.0f} rows/s; COPY of the same bytes {median(copies):,.0f} rows/s; peak "
        f"{peak_memory_mib():.0f} MiB"
    )
    whole = Row(
        "features-panel",
        median(taken),
        "s",
        2 * limit,
        limit,
        n=len(taken),
        spread=spread(taken),
        notes=notes,
    )
    parts = [
        Row(f"features-panel-{step.replace(' ', '-')}", median([one.steps[step] for one in samples]), "s")
        for step in samples[0].steps
    ]
    return [row.as_dict() for row in (whole, *parts)]


def _make_bars(folder: Path, share: float) -> _Work:
    hour, minutes = parse_interval("1h"), parse_interval("5m")
    requests = []
    for interval, coins, n_bars in ((hour, COINS, FULL_HOURS), (minutes, COINS[:2], FULL_5M)):
        market = make_market(seed=7, symbols=coins, interval=interval, n_bars=max(400, round(share * n_bars)))
        for series in market.series:
            prices = {name: series.values[:, i] for i, name in enumerate(FIELDS)}
            path = folder / "bars" / f"binance_spot_{interval}" / f"{series.symbol}USDT.parquet"
            _write(path, {"ts": series.ts_ns, **prices})
        requests.append(DatasetRequest(coins, interval))
    return _Work(folder / "bars", tuple(requests))


def _write(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("bars", columns)
        connection.execute(_WRITE, {"path": str(path)})


async def _build_all(system: System, work: _Work, files: Path) -> tuple[_Sample, Dataset]:
    marks: list[tuple[str, float]] = []

    def mark(step: str, done: float) -> None:
        if not marks or marks[-1][0] != step:
            marks.append((step, time.perf_counter()))

    started = time.perf_counter()
    mark("import", 0.0)
    report = await import_files(
        [work.folder],
        files=LocalFiles.under(system.settings.home),
        transactions=system.transactions,
        clock=system.clock,
    )
    assert not report.failed, report.failed
    datasets = [await _build(system, request, files, mark) for request in work.requests]
    ended = time.perf_counter()
    steps: dict[str, float] = {}
    for (step, at), (_, until) in zip(marks, [*marks[1:], ("end", ended)], strict=True):
        steps[step] = steps.get(step, 0.0) + until - at
    return _Sample(ended - started, sum(one.snapshots_written for one in datasets), steps), datasets[0]


async def _build(
    system: System, request: DatasetRequest, files: Path, mark: Callable[[str, float], None]
) -> Dataset:
    return await build_dataset(
        request,
        feature_set=BUILTIN,
        code_version="benchmark",
        transactions=system.transactions,
        files=ParquetDatasets(files),
        clock=system.clock,
        limits=system.quality_limits,
        on_progress=mark,
    )


async def _copy_rate(system: System, dataset: Dataset) -> float:
    """Rows a second of a COPY of snapshot bytes that were made before, into the same table."""
    async with system.database.connection() as connection:
        cursor = await connection.execute(_DATASET)
        row = await cursor.fetchone()
        assert row is not None
        blocks = _encode(dataset, row[0])
        n_rows = sum(n for n, _ in blocks)
        started = time.perf_counter()
        async with connection.cursor() as sender, sender.copy(_COPY) as copy:
            await copy.write(COPY_HEADER)
            for _, block in blocks:
                await copy.write(block)
            await copy.write(COPY_TRAILER)
    return n_rows / (time.perf_counter() - started)


def _encode(dataset: Dataset, dataset_id: int) -> list[tuple[int, memoryview]]:
    blocks = []
    left = _LIMIT_ROWS
    for n, symbol in enumerate(dataset.panel.symbols):
        rows = np.flatnonzero(has_bar(dataset.panel)[:, n])[:left]
        left -= len(rows)
        for start in range(0, len(rows), 4_096):
            block = rows[start : start + 4_096]
            known_at = postgres_us(dataset.panel.known_at_ns[block])
            columns: dict[str, bytes | NDArray[np.int64]] = {
                "target": symbol.encode(),
                "track": b"liquid",
                "as_of": known_at,
                "as_of_ts": known_at,
                "event_time": known_at,
                "feature_version": dataset.features.schema.version.encode(),
                "data_version": b"v1",
                "lineage_id": f"train-20260101000000-{symbol}".encode(),
                "schema_hash": dataset.features.schema.hash.encode(),
                "dataset_id": np.full(len(block), dataset_id),
            }
            blocks.append(
                (
                    len(block),
                    snapshot_rows(columns, dataset.features.names, dataset.features.values[block, n]),
                )
            )
    return blocks


async def _execute(system: System, statement: str) -> None:
    async with system.database.connection() as connection:
        await connection.execute(statement.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="All of the work, once.")
    wanted = parser.parse_args()
    found = bench_features_panel(share=1.0, runs=1) if wanted.full else bench_features_panel()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
