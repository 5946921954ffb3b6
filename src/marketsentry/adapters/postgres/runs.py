"""Backtest runs in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.exceptions import NotFoundError
from marketsentry.ports.runs import RunRecord, SnapshotSpan, StoredRun

_COLUMNS = """
    id, run_name, track, model_id, status, started_at, ended_at, metrics, config, content_hash, artifact_path,
    artifact_sha256, created_at
"""

_ADD = f"""
    INSERT INTO backtest_runs (
        run_name, track, model_id, status, started_at, ended_at, metrics, config, content_hash, artifact_path,
        artifact_sha256
    ) VALUES (
        %(run_name)s, %(track)s, %(model_id)s, %(status)s, %(started_at)s, %(ended_at)s, %(metrics)s, %(config)s,
        %(content_hash)s, %(artifact_path)s, %(artifact_sha256)s
    )
    RETURNING {_COLUMNS}
"""  # noqa: S608 - joins constants of this module

_GET = f"SELECT {_COLUMNS} FROM backtest_runs WHERE id = %(run_id)s"  # noqa: S608 - constants of this module

_NEWEST = f"""{ANEW}
    SELECT {_COLUMNS}
    FROM backtest_runs
    WHERE (%(track)s::text IS NULL OR track = %(track)s) AND NOT config ? 'replay_of'
      AND (%(model_name)s::text IS NULL OR metrics ->> 'model_name' = %(model_name)s)
      AND (%(model_version)s::text IS NULL OR metrics ->> 'model_version' = %(model_version)s)
    ORDER BY id DESC
    LIMIT 1
"""  # noqa: S608 - joins constants of this module

_LIST = f"""{ANEW}
    SELECT {_COLUMNS}
    FROM backtest_runs
    WHERE (%(track)s::text IS NULL OR track = %(track)s)
    ORDER BY id DESC
    LIMIT %(limit)s
"""  # noqa: S608 - joins constants of this module

_SNAPSHOT_SPANS = (
    ANEW  # noqa: S608 - fixed texts
    + """
    SELECT lineage.lineage_id, d.schema_hash, span.first_at, span.last_at
    FROM datasets d
    CROSS JOIN LATERAL (SELECT d.lineage_ids[array_position(d.symbols, %(target)s)] AS lineage_id) lineage
    CROSS JOIN LATERAL (
        SELECT min(event_time) AS first_at, max(event_time) AS last_at
        FROM feature_snapshots s
        WHERE s.lineage_id = lineage.lineage_id AND s.target = %(target)s
    ) span
    WHERE d.track = %(track)s AND d.data_version = %(data_version)s AND d.timeframe = %(timeframe)s
      AND %(target)s = ANY (d.symbols) AND d.lineage_ids <> '{}' AND span.last_at IS NOT NULL
    ORDER BY span.last_at DESC, d.created_at DESC, d.id DESC
"""
)


class PostgresRunStore:
    """`RunStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(self, run: RunRecord) -> StoredRun:
        """Append a run."""
        rows = await self._statements.rows(
            _ADD,
            {
                "run_name": run.run_name,
                "track": run.track,
                "model_id": run.model_id,
                "status": run.status,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                "metrics": Jsonb(dict(run.metrics)),
                "config": Jsonb(dict(run.config)),
                "content_hash": run.content_hash,
                "artifact_path": run.artifact_path,
                "artifact_sha256": run.artifact_sha256,
            },
        )
        return _stored(rows[0])

    async def get(self, run_id: int) -> StoredRun:
        """Read a run; see `RunStore.get`."""
        rows = await self._statements.rows(_GET, {"run_id": run_id})
        if not rows:
            raise NotFoundError("backtest run not found")
        return _stored(rows[0])

    async def newest(
        self, *, track: str | None = None, model_name: str | None = None, model_version: str | None = None
    ) -> StoredRun:
        """Read the newest run that is not a replay; see `RunStore.newest`."""
        rows = await self._statements.rows(
            _NEWEST, {"track": track, "model_name": model_name, "model_version": model_version}
        )
        if not rows:
            model = "" if model_name is None else f": {model_name}:{model_version or '*'} has none"
            raise NotFoundError(f"backtest run not found{model}")
        return _stored(rows[0])

    async def list_runs(self, *, track: str | None = None, limit: int = 50) -> Sequence[StoredRun]:
        """List runs, newest first."""
        return [_stored(row) for row in await self._statements.rows(_LIST, {"track": track, "limit": limit})]

    async def snapshot_spans(
        self, target: str, *, track: str, data_version: str, timeframe: str
    ) -> Sequence[SnapshotSpan]:
        """List the lineages with snapshots of a target; see `RunStore.snapshot_spans`."""
        rows = await self._statements.rows(
            _SNAPSHOT_SPANS,
            {"target": target, "track": track, "data_version": data_version, "timeframe": timeframe},
        )
        return [
            SnapshotSpan(
                row["lineage_id"],
                row["schema_hash"],
                datetime_to_ns(row["first_at"]),
                datetime_to_ns(row["last_at"]),
            )
            for row in rows
        ]


def _stored(row: Mapping[str, Any]) -> StoredRun:
    run = RunRecord(
        run_name=row["run_name"],
        track=row["track"],
        model_id=row["model_id"],
        status=row["status"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        metrics=row["metrics"],
        config=row["config"],
        content_hash=row["content_hash"],
        artifact_path=row["artifact_path"],
        artifact_sha256=row["artifact_sha256"],
    )
    return StoredRun(row["id"], row["created_at"], run)
