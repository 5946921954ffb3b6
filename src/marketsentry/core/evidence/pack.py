"""The evidence pack of a model version: one tree of facts, one JSON, the same bytes for the same inputs.

An undefined number is None. Fractions are fractions, Sharpe ratios are annualised, intervals are two-sided at the level
that stands in the pack. Nothing in it depends on the clock; the dates of earlier trials are facts.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from marketsentry.core.evidence.overfitting import Overfitting, overfitting_from
from marketsentry.core.evidence.parts import (
    Capacity,
    IntervalEvidence,
    PerformanceTable,
    Stability,
    read_capacity,
    read_intervals,
    read_performance,
    read_stability,
    rows_of,
    with_bounds,
)
from marketsentry.core.evidence.paths import Paths, paths_from
from marketsentry.core.gates.verdict import GateVerdict, verdict_from_document
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.exceptions import ConflictError

SCHEMA = "evidence/2"


@dataclass(frozen=True, slots=True)
class SkillRow:
    """Correlation of prediction and outcome in one part of the out-of-sample predictions.

    `name` is a fold's number, a symbol, a month as `2024-03`, `walk_forward` or `final`. The bounds are None where
    fewer than five blocks of `block_bars` fit.
    """

    name: str
    n_samples: int
    ic: float | None
    ic_bounds: Bounds | None
    rank_ic: float | None
    rank_ic_bounds: Bounds | None
    block_bars: int


@dataclass(frozen=True, slots=True)
class Skill:
    """Skill over all folds, on the untouched last block, by fold, by symbol and by calendar month (UTC)."""

    walk_forward: SkillRow
    final: SkillRow
    folds: tuple[SkillRow, ...]
    symbols: tuple[SkillRow, ...]
    months: tuple[SkillRow, ...]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """A tenth of the predictions, lowest first: what they promised and what came, gross, over the horizon."""

    n_samples: int
    predicted_frac: float
    realised_frac: float
    realised_bounds: Bounds | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """`slope` of outcome on prediction: 1 says what it means, below 1 it promises too much."""

    slope: float | None
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True, slots=True)
class FeatureImportance:
    """What a feature is worth: `gain_frac` is its share of the loss the served model's splits saved (None where a model
    cannot say), `permutation_ic` the IC lost when its values are shuffled among test rows, mean over folds.
    """

    feature: str
    gain_frac: float | None
    permutation_ic: float | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rule on the same bars and costs, and how the candidate stands to it.

    `sharpe_lead` is the candidate's Sharpe ratio less the rule's; `lead_probability` the share of paired resamples in
    which it is positive. `excess_frac` is the yearly mean of the difference of returns per bar.
    """

    name: str
    pnl_after_cost_frac: float | None
    max_drawdown_frac: float | None
    turnover: float
    ic: float | None
    sharpe: float | None
    sharpe_lead: float | None
    sharpe_lead_bounds: Bounds | None
    lead_probability: float | None
    excess_frac: float | None
    excess_bounds: Bounds | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """The same predictions under another assumption; `without:SOL` leaves a symbol out."""

    name: str
    pnl_after_cost_frac: float | None
    sharpe: float | None
    max_drawdown_frac: float | None
    turnover: float
    n_trades: int


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial that was recorded before: what it scored, and whether it was sound."""

    model_name: str
    kind: str
    recorded_at: str
    sharpe: float | None
    is_sound: bool


@dataclass(frozen=True, slots=True)
class TrialEvidence:
    """The Sharpe ratio against the number and spread of the trials of its track, itself among them.

    `n_measured` of the trials are sound and have a Sharpe ratio. `expected_maximum` is what the best of as many
    worthless trials would show, if they lie about `centre` with `deviation`: that of the sound trials, of the trainings
    alone or of chance, whichever is highest. `deflated_sharpe` is the probability that the true ratio is above it.
    `newest` are the last earlier trials. A pack without a centre was counted from zero.
    """

    n_trials: int
    n_measured: int
    deviation: float
    expected_maximum: float
    sharpe: float | None
    sharpe_bounds: Bounds | None
    deflated_sharpe: float | None
    newest: tuple[TrialRow, ...]
    centre: float = 0.0


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """All of it. `recipe_hash` names the training; `level` and `n_resamples` are those of every interval.

    `overfitting` is the neighbourhood of the assumed replay parameters. `kfold` is empty and `paths` None where no
    cross-validation was asked for.
    """

    recipe_hash: str
    symbols: tuple[str, ...]
    interval: str
    horizon: str
    seed: int
    level: float
    n_resamples: int
    skill: Skill
    trials: TrialEvidence
    baselines: tuple[Baseline, ...]
    scenarios: tuple[Scenario, ...]
    calibration: Calibration
    importance: tuple[FeatureImportance, ...]
    performance: PerformanceTable
    stability: Stability
    intervals: IntervalEvidence
    capacity: Capacity
    sanity: GateVerdict
    overfitting: Overfitting
    kfold: tuple[SkillRow, ...] = ()
    paths: Paths | None = None
    schema: str = SCHEMA


def pack_bytes(pack: EvidencePack) -> bytes:
    """Write a pack as JSON, keys sorted, so that equal packs have equal bytes; a number that is not finite is null."""
    return json.dumps(_plain(asdict(pack)), sort_keys=True, indent=1, allow_nan=False).encode()


def read_pack(content: bytes) -> EvidencePack:
    """Read what `pack_bytes` wrote.

    Parameters
    ----------
    content
        The JSON.

    Returns
    -------
    EvidencePack

    Raises
    ------
    ConflictError
        If it was written under a schema that is not one of `READABLE`.
    """
    document: dict[str, Any] = json.loads(content)
    schema = document.get("schema")
    if schema != SCHEMA:
        raise ConflictError(f"an evidence pack must have schema {SCHEMA}, had {schema}")
    skill, trials, calibration = document["skill"], document["trials"], document["calibration"]
    parts: dict[str, Any] = {
        "symbols": tuple(document["symbols"]),
        "skill": Skill(
            _skill_row(skill["walk_forward"]),
            _skill_row(skill["final"]),
            *(tuple(map(_skill_row, skill[name])) for name in ("folds", "symbols", "months")),
        ),
        "trials": TrialEvidence(
            **{
                **with_bounds(trials, "sharpe_bounds"),
                "newest": tuple(TrialRow(**row) for row in trials["newest"]),
            }
        ),
        "baselines": rows_of(Baseline, document["baselines"], "sharpe_lead_bounds", "excess_bounds"),
        "scenarios": rows_of(Scenario, document["scenarios"]),
        "calibration": Calibration(
            calibration["slope"], rows_of(CalibrationBin, calibration["bins"], "realised_bounds")
        ),
        "importance": rows_of(FeatureImportance, document["importance"]),
        "performance": read_performance(document["performance"]),
        "stability": read_stability(document["stability"]),
        "intervals": read_intervals(document["intervals"]),
        "capacity": read_capacity(document["capacity"]),
        "sanity": verdict_from_document(document["sanity"]),
        "overfitting": overfitting_from(document["overfitting"]),
        "kfold": tuple(map(_skill_row, document["kfold"])),
        "paths": paths_from(document["paths"]) if document["paths"] else None,
    }
    return EvidencePack(**{**document, **parts})


def _skill_row(document: Mapping[str, Any]) -> SkillRow:
    return SkillRow(**with_bounds(document, "ic_bounds", "rank_ic_bounds"))


def _plain(value: Any) -> Any:  # Any: nested JSON in, the same shape out
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
