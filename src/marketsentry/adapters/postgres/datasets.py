"""Datasets, feature snapshots, indicators and labelled samples in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from psycopg import AsyncCopy
from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.binary import COPY_HEADER, COPY_TRAILER, postgres_us, row_template
from marketsentry.adapters.postgres.snapshot_rows import jsonb_order, snapshot_rows
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import ConflictError
from marketsentry.ports.datasets import (
    DatasetRecord,
    IndicatorRows,
    SampleRows,
    SnapshotRows,
    SnapshotStamp,
)

Buffer = bytes | bytearray | memoryview

_WRITE_ROWS = 512  # small enough that the server never waits for the next block to be encoded
_READ_ROWS = 8_192

_FIND = """
SELECT id, content_hash, track, symbols, timeframe, data_version, feature_version, schema_hash, lineage_ids,
       path, n_rows, manifest
FROM datasets WHERE content_hash = %(content_hash)s
"""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('dataset:' || %(content_hash)s, 0))"

_ADD = """
INSERT INTO datasets (content_hash, track, symbols, timeframe, data_version, feature_version, schema_hash,
                      lineage_ids, path, n_rows, manifest)
VALUES (%(content_hash)s, %(track)s, %(symbols)s, %(timeframe)s, %(data_version)s, %(feature_version)s,
        %(schema_hash)s, %(lineage_ids)s, %(path)s, %(n_rows)s, %(manifest)s)
ON CONFLICT (content_hash) DO UPDATE SET lineage_ids = excluded.lineage_ids
WHERE datasets.lineage_ids = '{}'
RETURNING id
"""

_LOCK_LINEAGES = """
SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended('lineage:' || lineage_id, 0))) AS mine
FROM unnest(%(lineage_ids)s::text[]) AS lineage_id
"""

_LINEAGES_TAKEN = "SELECT EXISTS (SELECT FROM lineages WHERE lineage_id = ANY (%(lineage_ids)s)) AS taken"

_ADD_LINEAGES = """
INSERT INTO lineages (lineage_id, kind, dataset_id)
SELECT lineage_id, 'train', %(dataset_id)s FROM unnest(%(lineage_ids)s::text[]) AS lineage_id
"""

_COPY_TRAINING_SNAPSHOTS = """
COPY feature_snapshots (target, track, as_of, as_of_ts, event_time, feature_version, data_version, lineage_id,
                        schema_hash, dataset_id, feature_payload)
FROM STDIN (FORMAT BINARY)
"""

_COPY_SNAPSHOTS = """
COPY feature_snapshots (target, track, as_of, as_of_ts, event_time, feature_version, data_version, lineage_id,
                        schema_hash, feature_payload)
FROM STDIN (FORMAT BINARY)
"""

_SCHEMA_OF_LINEAGE = """
SELECT schema_hash FROM feature_snapshots
WHERE lineage_id = %(lineage_id)s AND target = %(target)s LIMIT 1
"""

_READ_SNAPSHOTS = """
COPY (
    SELECT (extract(epoch FROM event_time) * 1000000)::bigint, jsonb_path_query_array(feature_payload, '$.*')
    FROM feature_snapshots
    WHERE lineage_id = %(lineage_id)s AND target = %(target)s
      AND event_time >= %(start_at)s::timestamptz AND event_time < %(stop_at)s::timestamptz
    ORDER BY event_time
) TO STDOUT
"""

_NEWEST_LINEAGE = """
SELECT lineage_ids[array_position(symbols, %(target)s)] AS lineage_id
FROM datasets
WHERE track = %(track)s AND data_version = %(data_version)s AND timeframe = %(timeframe)s
  AND %(target)s = ANY (symbols) AND lineage_ids <> '{}'
ORDER BY created_at DESC, id DESC LIMIT 1
"""

_STAGE_INDICATORS = """
CREATE TEMPORARY TABLE staged_indicators (
    event_time timestamptz, ma_7 float8, ma_30 float8, rsi float8, macd float8, macd_signal float8
) ON COMMIT DROP
"""

_DROP_INDICATORS = "DROP TABLE staged_indicators"

_COPY_INDICATORS = """
COPY staged_indicators (event_time, ma_7, ma_30, rsi, macd, macd_signal) FROM STDIN (FORMAT BINARY)
"""

_MERGE_INDICATORS = """
INSERT INTO technical_indicators AS stored (symbol, timeframe, timestamp, ma_7, ma_30, rsi, macd, macd_signal)
SELECT %(symbol)s, %(timeframe)s, event_time, nullif(ma_7, 'NaN'), nullif(ma_30, 'NaN'), nullif(rsi, 'NaN'),
       nullif(macd, 'NaN'), nullif(macd_signal, 'NaN')
FROM staged_indicators
ON CONFLICT (symbol, timeframe, timestamp) DO UPDATE
SET ma_7 = excluded.ma_7, ma_30 = excluded.ma_30, rsi = excluded.rsi, macd = excluded.macd,
    macd_signal = excluded.macd_signal
WHERE (stored.ma_7, stored.ma_30, stored.rsi, stored.macd, stored.macd_signal) IS DISTINCT FROM
      (excluded.ma_7, excluded.ma_30, excluded.rsi, excluded.macd, excluded.macd_signal)
"""


_STAGE_SAMPLES = """
CREATE TEMPORARY TABLE staged_samples (
    event_time timestamptz, price_start float8, price_end float8, pct_change float8, direction float8
) ON COMMIT DROP
"""

_COPY_SAMPLES = """
COPY staged_samples (event_time, price_start, price_end, pct_change, direction) FROM STDIN (FORMAT BINARY)
"""

_MERGE_SAMPLES = """
INSERT INTO training_samples (dataset_id, symbol, horizon_hours, event_time, price_start, price_end,
                              pct_change, direction)
SELECT %(dataset_id)s, %(symbol)s, %(horizon_hours)s, event_time, price_start, price_end, pct_change,
       CASE direction WHEN 1 THEN 'up' WHEN -1 THEN 'down' ELSE 'neutral' END
FROM staged_samples
ON CONFLICT (dataset_id, symbol, horizon_hours, event_time) DO NOTHING
"""

_DROP_SAMPLES = "DROP TABLE staged_samples"

_INDICATORS = ("ma_7", "ma_30", "rsi", "macd", "macd_signal")


class PostgresDatasetStore:
    """`DatasetStore` on one open transaction."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def find(self, content_hash: str) -> tuple[int, DatasetRecord] | None:
        """Read a dataset and its id by content hash."""
        row = await self._row(_FIND, {"content_hash": content_hash})
        if row is None:
            return None
        dataset_id, name, track, symbols, timeframe, data_version, feature_version, *rest = row
        schema_hash, lineage_ids, path, n_rows, manifest = rest
        return dataset_id, DatasetRecord(
            content_hash=name,
            track=track,
            symbols=tuple(symbols),
            timeframe=timeframe,
            data_version=data_version,
            feature_version=feature_version,
            schema_hash=schema_hash,
            lineage_ids=tuple(lineage_ids),
            path=path,
            n_rows=n_rows,
            manifest=manifest,
        )

    async def lock(self, content_hash: str) -> None:
        """Wait until no other transaction builds this content; held until this transaction ends."""
        await self._row(_LOCK, {"content_hash": content_hash})

    async def add(self, record: DatasetRecord) -> int:
        """Insert a dataset, or give a stored one without snapshots its lineages; returns its id."""
        values = {
            "content_hash": record.content_hash,
            "track": record.track,
            "symbols": list(record.symbols),
            "timeframe": record.timeframe,
            "data_version": record.data_version,
            "feature_version": record.feature_version,
            "schema_hash": record.schema_hash,
            "lineage_ids": list(record.lineage_ids),
            "path": record.path,
            "n_rows": record.n_rows,
            "manifest": Jsonb(record.manifest),
        }
        row = await self._row(_ADD, values)
        if row is None:
            raise ConflictError(f"dataset {record.content_hash} already has snapshots")
        await self._statements.send(
            _ADD_LINEAGES, {"dataset_id": row[0], "lineage_ids": list(record.lineage_ids)}
        )
        return int(row[0])

    async def reserve_lineage(self, symbols: Sequence[str], at: datetime) -> tuple[str, ...]:
        """Choose lineage ids, one per symbol and of one second, that nobody has, committed or not."""
        second = at.astimezone(UTC)
        while True:
            ids = [f"train-{second:%Y%m%d%H%M%S}-{symbol}" for symbol in symbols]
            locked = await self._row(_LOCK_LINEAGES, {"lineage_ids": ids})
            taken = await self._row(_LINEAGES_TAKEN, {"lineage_ids": ids})
            if locked is not None and locked[0] and taken is not None and not taken[0]:
                return tuple(ids)
            second += timedelta(seconds=1)

    async def write_snapshots(
        self,
        stamp: SnapshotStamp,
        names: Sequence[str],
        known_at_ns: NDArray[np.int64],
        values: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> int:
        """Insert one snapshot per row by COPY; returns how many."""

        def encode(start: int) -> memoryview:
            block = rows[start : start + _WRITE_ROWS]
            known_at = postgres_us(known_at_ns[block])
            columns: dict[str, bytes | NDArray[np.int64]] = {
                "target": stamp.target.encode(),
                "track": stamp.track.encode(),
                "as_of": known_at,
                "as_of_ts": known_at,
                "event_time": known_at,
                "feature_version": stamp.feature_version.encode(),
                "data_version": stamp.data_version.encode(),
                "lineage_id": stamp.lineage_id.encode(),
                "schema_hash": stamp.schema_hash.encode(),
            }
            if stamp.dataset_id is not None:
                columns["dataset_id"] = np.full(len(block), stamp.dataset_id)
            return snapshot_rows(columns, names, values[block])

        query = _COPY_SNAPSHOTS if stamp.dataset_id is None else _COPY_TRAINING_SNAPSHOTS
        async with self._statements.copy(query) as copy:
            await copy.write(COPY_HEADER)
            await _send_ahead(copy, encode, range(0, len(rows), _WRITE_ROWS))
            await copy.write(COPY_TRAILER)
        return len(rows)

    async def read_snapshots(
        self,
        lineage_id: str,
        target: str,
        names: Sequence[str],
        *,
        schema_hash: str,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> SnapshotRows:
        """Read the snapshots of a lineage whose event time lies in [start_ns, stop_ns), bit for bit."""
        key = {"lineage_id": lineage_id, "target": target}
        stored = await self._row(_SCHEMA_OF_LINEAGE, key)
        if stored is not None and stored[0] != schema_hash:
            raise ConflictError(f"snapshots of {lineage_id} have schema {stored[0]}, wanted {schema_hash}")
        span = {"start_at": _timestamp(start_ns, "-infinity"), "stop_at": _timestamp(stop_ns, "infinity")}
        order = jsonb_order(names)
        times: list[NDArray[np.int64]] = []
        blocks: list[NDArray[np.float64]] = []
        async with self._statements.copy(_READ_SNAPSHOTS, key | span) as copy:
            async for lines in _line_blocks(copy):
                time_us, block = await asyncio.to_thread(_parse_lines, lines, order)
                times.append(time_us)
                blocks.append(block)
        event_time_ns = np.concatenate(times) * 1_000 if times else np.empty(0, np.int64)
        values = np.concatenate(blocks) if blocks else np.empty((0, len(order)))
        return SnapshotRows(tuple(names), event_time_ns, values)

    async def newest_lineage(self, target: str, track: str, data_version: str, timeframe: str) -> str | None:
        """Name the lineage of the newest dataset with snapshots of this target."""
        row = await self._row(
            _NEWEST_LINEAGE,
            {"target": target, "track": track, "data_version": data_version, "timeframe": timeframe},
        )
        return None if row is None else str(row[0])

    async def write_indicators(self, rows: IndicatorRows) -> int:
        """Insert indicators; those of bars that have others are replaced. Returns how many rows changed."""
        columns = {name: getattr(rows, name) for name in _INDICATORS}
        staged = {"event_time": postgres_us(rows.event_time_ns), **columns}
        named = {"symbol": rows.symbol, "timeframe": rows.interval.name}
        await self._statements.send(_STAGE_INDICATORS)
        await self._copy_in(_COPY_INDICATORS, staged)
        written = await self._statements.count(_MERGE_INDICATORS, named)
        await self._statements.send(_DROP_INDICATORS)
        return written

    async def write_samples(self, dataset_id: int, rows: SampleRows) -> int:
        """Insert the labelled samples of a symbol and horizon that are not there yet; returns how many."""
        staged = {
            "event_time": postgres_us(rows.start_ns),
            "price_start": rows.price_start,
            "price_end": rows.price_end,
            "pct_change": rows.pct_change,
            "direction": rows.direction,
        }
        named = {"dataset_id": dataset_id, "symbol": rows.symbol, "horizon_hours": rows.horizon_hours}
        await self._statements.send(_STAGE_SAMPLES)
        await self._copy_in(_COPY_SAMPLES, staged)
        written = await self._statements.count(_MERGE_SAMPLES, named)
        await self._statements.send(_DROP_SAMPLES)
        return written

    async def _copy_in(self, query: str, columns: Mapping[str, NDArray[Any]]) -> None:
        async with self._statements.copy(query) as copy:
            await copy.write(COPY_HEADER)
            await copy.write(_number_rows(columns))
            await copy.write(COPY_TRAILER)

    async def _row(self, query: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
        rows = await self._statements.tuples(query, values)
        return rows[0] if rows else None


async def _send_ahead(copy: AsyncCopy, encode: Callable[[int], memoryview], starts: Iterable[int]) -> None:
    """Send blocks in order; each is encoded in a thread while the one before it is on its way."""
    ahead: asyncio.Task[memoryview] | None = None
    try:
        for start in starts:
            current, ahead = ahead, asyncio.create_task(asyncio.to_thread(encode, start))
            if current is not None:
                await copy.write(await current)
        if ahead is not None:
            await copy.write(await ahead)
    finally:
        if ahead is not None:
            await asyncio.gather(ahead, return_exceptions=True)


async def _line_blocks(copy: AsyncCopy) -> AsyncIterator[list[Buffer]]:
    """Gather the lines of a text COPY into blocks."""
    lines: list[Buffer] = []
    async for line in copy:
        lines.append(line)
        if len(lines) == _READ_ROWS:
            yield lines
            lines = []
    if lines:
        yield lines


def _parse_lines(
    lines: Sequence[Buffer], order: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read lines `microseconds<tab>[numbers in the order of jsonb]`; columns come out in schema order."""
    text = b"".join(lines).rstrip(b"\n").replace(b"\t", b",").replace(b"\n", b"],[")
    rows = orjson.loads(b"[[" + text + b"]]")
    stored = np.array([row[1] for row in rows], dtype=np.float64)
    values = np.empty_like(stored)
    values[:, order] = stored
    return np.array([row[0] for row in rows], dtype=np.int64), values


def _number_rows(columns: Mapping[str, NDArray[Any]]) -> memoryview:
    """Rows of bigint, timestamptz and double precision columns, all of one length, for a binary COPY."""
    layout: dict[str, str | bytes] = {name: f">{column.dtype.kind}8" for name, column in columns.items()}
    rows = row_template(len(next(iter(columns.values()))), layout)
    for name, column in columns.items():
        rows[name] = column
    return rows.view(np.uint8).data


def _timestamp(ts_ns: int | None, otherwise: str) -> str:
    return otherwise if ts_ns is None else ns_to_datetime(ts_ns).isoformat()
