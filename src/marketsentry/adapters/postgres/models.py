"""The model registry and the list of trials in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports.models import ModelVersion, RegisteredModel, Trial

if TYPE_CHECKING:  # brings the kernels
    from marketsentry.core.evidence.pack import TrialRow
    from marketsentry.core.evidence.trials import TrialHistory

_COLUMNS = """
    m.id, m.model_name, m.track, m.model_version, m.state, m.artifact_path, m.artifact_sha256, m.metrics,
    m.manifest, m.verdict, m.train_lineage_id, m.code_version, d.content_hash AS dataset_hash, m.created_at
"""

_INSERT = """
    INSERT INTO model_registry (
        model_name, track, model_version, state, artifact_path, artifact_sha256, metrics, manifest, verdict,
        train_lineage_id, code_version, dataset_id
    ) VALUES (
        %(name)s, %(track)s, %(version)s, %(state)s, %(artifact_path)s, %(artifact_sha256)s, %(metrics)s,
        %(manifest)s, %(verdict)s, %(train_lineage_id)s, %(code_version)s,
        (SELECT id FROM datasets WHERE content_hash = %(dataset_hash)s)
    )
    ON CONFLICT (model_name, track, model_version) DO NOTHING
"""

_ADD_LINEAGE = """
    INSERT INTO lineages (lineage_id, kind, dataset_id)
    VALUES (%(train_lineage_id)s, 'train', (SELECT id FROM datasets WHERE content_hash = %(dataset_hash)s))
    ON CONFLICT (lineage_id) DO NOTHING
"""

_GET = f"""
    SELECT {_COLUMNS}
    FROM model_registry m LEFT JOIN datasets d ON d.id = m.dataset_id
    WHERE m.model_name = %(name)s AND m.track = %(track)s
      AND (%(version)s::text IS NULL OR m.model_version = %(version)s)
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 1
"""  # noqa: S608 - joins constants of this module

_LIST = f"""
    SELECT {_COLUMNS}
    FROM model_registry m LEFT JOIN datasets d ON d.id = m.dataset_id
    WHERE (%(track)s::text IS NULL OR m.track = %(track)s)
      AND (%(name)s::text IS NULL OR m.model_name = %(name)s)
    ORDER BY m.created_at DESC, m.id DESC
"""  # noqa: S608 - joins constants of this module

_ADD_TRIAL = """
    INSERT INTO trials (track, kind, model_name, params_hash, metrics)
    VALUES (%(track)s, %(kind)s, %(model_name)s, %(params_hash)s, %(metrics)s)
"""

# A setting of a sweep, and a training recorded before `is_sound` was kept, are sound unless their version was refused.
_TRIALS = """
    SELECT t.model_name, t.kind, t.created_at, (t.metrics->>'sharpe')::float8 AS sharpe,
           coalesce((t.metrics->>'is_sound')::boolean, NOT EXISTS (
               SELECT 1 FROM model_registry m
               WHERE m.track = t.track AND m.state = 'refused'
                 AND (m.manifest->>'recipe_hash' = t.params_hash
                      OR (m.model_name = t.model_name AND m.model_version = t.metrics->>'model_version'))
           )) AS is_sound
    FROM trials t
    WHERE t.track = %(track)s
    ORDER BY t.id DESC
"""

_COUNT_TRIALS = "SELECT count(*) AS n FROM trials WHERE track = %(track)s"


class PostgresModelStore:
    """`ModelStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def register(self, model: ModelVersion) -> RegisteredModel:
        """Add a version; see `ModelStore.register`."""
        await self._statements.send(
            _ADD_LINEAGE,
            {"train_lineage_id": model.train_lineage_id, "dataset_hash": model.dataset_hash},
        )
        await self._statements.send(
            _INSERT,
            {
                "name": model.name,
                "track": model.track,
                "version": model.version,
                "state": model.state,
                "artifact_path": model.artifact_path,
                "artifact_sha256": model.artifact_sha256,
                "metrics": Jsonb(dict(model.metrics)),
                "manifest": Jsonb(dict(model.manifest)),
                "verdict": Jsonb(dict(model.verdict)),
                "train_lineage_id": model.train_lineage_id,
                "code_version": model.code_version,
                "dataset_hash": model.dataset_hash,
            },
        )
        stored = await self.get(model.name, model.version, track=model.track)
        if stored.model.artifact_sha256 != model.artifact_sha256:
            raise ConflictError(
                f"model {model.name}:{model.version} of track {model.track} is registered with artifact "
                f"{stored.model.artifact_sha256[:12]} and never changes; this one is "
                f"{model.artifact_sha256[:12]}: give it a new version"
            )
        return stored

    async def get(self, name: str, version: str | None = None, *, track: str = "liquid") -> RegisteredModel:
        """Read one version; see `ModelStore.get`."""
        row = await self._statements.row(_GET, {"name": name, "track": track, "version": version})
        if row is None:
            wanted = f"{name}:{version}" if version is not None else name
            raise NotFoundError(f"model {wanted} is not registered in track {track}")
        return _registered(row)

    async def list_versions(
        self, *, track: str | None = None, name: str | None = None
    ) -> Sequence[RegisteredModel]:
        """List versions, newest first."""
        rows = await self._statements.rows(_LIST, {"track": track, "name": name})
        return [_registered(row) for row in rows]

    async def add_trial(self, trial: Trial) -> None:
        """Append a trial."""
        given = {
            "track": trial.track,
            "kind": trial.kind,
            "model_name": trial.model_name,
            "params_hash": trial.params_hash,
            "metrics": Jsonb(dict(trial.metrics)),
        }
        await self._statements.send(_ADD_TRIAL, given)

    async def count_trials(self, *, track: str) -> int:
        """Count the trials of a track."""
        ((n_trials,),) = await self._statements.tuples(_COUNT_TRIALS, {"track": track})
        return int(n_trials)

    async def trial_history(self, *, track: str, n_newest: int) -> "TrialHistory":
        """Read the trials of a track; see `ModelStore.trial_history`."""
        from marketsentry.core.evidence.trials import TrialHistory

        rows = await self._statements.rows(_TRIALS, {"track": track})
        sound = [row for row in rows if row["is_sound"] and row["sharpe"] is not None]
        return TrialHistory(
            n_trials=len(rows),
            sharpes=tuple(row["sharpe"] for row in sound),
            newest=tuple(_trial_row(row) for row in rows[:n_newest]),
            fitted_sharpes=tuple(row["sharpe"] for row in sound if row["kind"] != "sweep"),
        )


def _trial_row(row: Mapping[str, Any]) -> "TrialRow":
    from marketsentry.core.evidence.pack import TrialRow

    at = row["created_at"].astimezone(UTC).isoformat(timespec="seconds")
    return TrialRow(row["model_name"], row["kind"], at, row["sharpe"], row["is_sound"])


def _registered(row: Mapping[str, Any]) -> RegisteredModel:
    model = ModelVersion(
        name=row["model_name"],
        track=row["track"],
        version=row["model_version"],
        state=row["state"],
        artifact_path=row["artifact_path"],
        artifact_sha256=row["artifact_sha256"],
        metrics=row["metrics"],
        manifest=row["manifest"],
        verdict=row["verdict"],
        train_lineage_id=row["train_lineage_id"],
        code_version=row["code_version"],
        dataset_hash=row["dataset_hash"],
    )
    return RegisteredModel(row["id"], row["created_at"], model)
