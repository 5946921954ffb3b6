"""Where models are kept: immutable versions with their verdict, and every trial that was ever made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # brings the kernels
    from marketsentry.core.evidence.trials import TrialHistory


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of one model, as it is registered.

    `state` is `candidate`, or `refused` when the leak test proved it unsound. `verdict` is a `GateVerdict`
    document. `dataset_hash` names the stored dataset it was trained on, None if that was not stored.
    """

    name: str
    track: str
    version: str
    state: str
    artifact_path: str
    artifact_sha256: str
    metrics: Mapping[str, Any]
    manifest: Mapping[str, Any]
    verdict: Mapping[str, Any]
    train_lineage_id: str
    code_version: str
    dataset_hash: str | None


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered version with its row id and time."""

    id: int
    created_at: datetime
    model: ModelVersion


@dataclass(frozen=True, slots=True)
class Trial:
    """One training or one setting of a sweep, passed or not; a good score must be deflated by how many there were.

    `metrics` hold at least `sharpe`, yearly or None, and `is_sound`, whether the leak test found nothing.
    """

    track: str
    kind: str
    model_name: str
    params_hash: str
    metrics: Mapping[str, Any]


class ModelStore(Protocol):
    """Registered models."""

    async def register(self, model: ModelVersion) -> RegisteredModel:
        """Add a version. The same bytes again change nothing and give the row that is there.

        Raises `ConflictError` when the version exists with other bytes: a version never changes.
        """
        ...

    async def get(self, name: str, version: str | None = None, *, track: str = "liquid") -> RegisteredModel:
        """Read one version, or the newest of a name; raises `NotFoundError`."""
        ...

    async def list_versions(
        self, *, track: str | None = None, name: str | None = None
    ) -> Sequence[RegisteredModel]:
        """List versions, newest first."""
        ...

    async def add_trial(self, trial: Trial) -> None:
        """Append a trial."""
        ...

    async def count_trials(self, *, track: str) -> int:
        """Count the trials of a track."""
        ...

    async def trial_history(self, *, track: str, n_newest: int) -> "TrialHistory":
        """Read what a score of a track must be deflated by, and the newest trials."""
        ...
