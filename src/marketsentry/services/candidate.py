"""What a training is asked, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.dataset import BlockedSymbol
from marketsentry.core.gates.candidate import CandidateLimits
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.exceptions import InputError
from marketsentry.ports.training import ModelSpec
from marketsentry.services.plugins import BUILTIN_FEATURES

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class CandidateRequest:
    """What to train and how to judge it.

    `horizon` names the label; `embargo_bars` widens the purge beyond it; `final_frac` of the bars are the
    untouched last block; `kfold_splits` > 0 adds a purged k-fold as a second look, `combinatorial` (groups, groups
    tested at once) a combinatorial purged cross-validation. `replay` are costs and
    sizing, the defaults of the replay if None. `features` says where the features come from, for the
    record.
    """

    name: str
    version: str
    horizon: str
    track: str = "liquid"
    model: ModelSpec = field(default_factory=lambda: ModelSpec("lightgbm_panel"))
    features: str = BUILTIN_FEATURES
    n_folds: int = 5
    rolling: bool = False
    embargo_bars: int = 12
    final_frac: float = 0.15
    kfold_splits: int = 0
    combinatorial: tuple[int, int] | None = None
    seed: int = 42
    n_threads: int = 2
    memory_limit_bytes: int = 4096 * MIB
    replay: ReplayParams | None = None
    limits: CandidateLimits = field(default_factory=CandidateLimits)

    def __post_init__(self) -> None:
        if not 0 < self.final_frac < 0.5:
            raise InputError(f"final_frac must be in (0, 0.5), was {self.final_frac}")
        for name in ("name", "version"):
            if not getattr(self, name).strip():
                raise InputError(f"{name} must not be empty")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a training took: rows the served model was fitted on, seconds in all and in the fitting process, bytes.

    `predict_seconds` adds up what predictions took, which run side by side as fits do.
    """

    rows: int
    seconds: float
    fit_seconds: float
    predict_seconds: float
    child_peak_bytes: int
    peak_memory_bytes: int
    feature_matrix_bytes: int


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What came of a training.

    `status` is `ok` or `blocked_by_data_quality` (then nothing was trained or registered). `state` is
    `candidate`, or `refused` when the leak test proved the candidate unsound. `is_reused` says that this
    version had been trained from the same inputs before, and was read back.
    """

    status: str
    name: str
    version: str
    track: str
    results: tuple[dict[str, Any], ...]
    model_id: int | None = None
    state: str | None = None
    verdict: GateVerdict | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    artifact_path: str | None = None
    artifact_sha256: str | None = None
    train_lineage_id: str | None = None
    usage: Usage | None = None
    is_reused: bool = False

    def document(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "status": self.status,
            "name": self.name,
            "version": self.version,
            "track": self.track,
            "model_id": self.model_id,
            "state": self.state,
            "is_reused": self.is_reused,
            "verdict": self.verdict.document() if self.verdict else None,
            "metrics": self.metrics,
            "artifact_path": self.artifact_path,
            "artifact_sha256": self.artifact_sha256,
            "train_lineage_id": self.train_lineage_id,
            "usage": self.usage,
            "results": list(self.results),
        }


def blocked_result(request: CandidateRequest, blocked: Sequence[BlockedSymbol]) -> TrainingResult:
    """Say that the data gate blocks: nothing is trained, nothing registered."""
    rows = tuple(symbol.as_dict() for symbol in blocked)
    return TrainingResult("blocked_by_data_quality", request.name, request.version, request.track, rows)
