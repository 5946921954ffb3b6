"""Backtest runs: one row each, append-only, stored even when the run failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `metrics` and `config` are JSON values; the artifact and the hash are None for a failed run."""

    run_name: str
    track: str
    model_id: int | None
    status: str
    started_at: datetime
    ended_at: datetime
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    content_hash: str | None = None
    artifact_path: str | None = None
    artifact_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run with its row id and the time it was stored."""

    id: int
    created_at: datetime
    run: RunRecord


@dataclass(frozen=True, slots=True)
class SnapshotSpan:
    """Snapshots of one target and lineage: their schema, the first and the last event time, UTC epoch ns."""

    lineage_id: str
    schema_hash: str
    first_ns: int
    last_ns: int


class RunStore(Protocol):
    """Backtest runs, and which snapshots there are to run on."""

    async def add(self, run: RunRecord) -> StoredRun:
        """Append a run."""
        ...

    async def get(self, run_id: int) -> StoredRun:
        """Read a run; raises `NotFoundError`."""
        ...

    async def newest(
        self, *, track: str | None = None, model_name: str | None = None, model_version: str | None = None
    ) -> StoredRun:
        """Read the newest run that is not the replay of another, of a model if named; raises `NotFoundError`."""
        ...

    async def list_runs(self, *, track: str | None = None, limit: int = 50) -> Sequence[StoredRun]:
        """List runs, newest first."""
        ...

    async def snapshot_spans(
        self, target: str, *, track: str, data_version: str, timeframe: str
    ) -> Sequence[SnapshotSpan]:
        """List the lineages with snapshots of a target, the one that reaches furthest first, newer before older."""
        ...
