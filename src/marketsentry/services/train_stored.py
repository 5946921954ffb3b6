"""From stored bars to a judged candidate: build the dataset, then train on it."""

from collections.abc import Callable
from dataclasses import dataclass

from marketsentry.core.dataset import AllBlockedError, horizon_bars
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.lineage import code_version_with
from marketsentry.exceptions import InputError
from marketsentry.ports import Artifacts, Clock, Transactions
from marketsentry.ports.dataset_files import DatasetFiles
from marketsentry.ports.training import FitProgress, Trainer
from marketsentry.services.candidate import CandidateRequest, TrainingResult, blocked_result
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.plugins import load_feature_set, plugin_code_hash
from marketsentry.services.training import train_candidate

OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class TrainingParts:
    """The ports that a training needs, and the hash of the program's code."""

    transactions: Transactions
    artifacts: Artifacts
    dataset_files: DatasetFiles
    trainer: Trainer
    clock: Clock
    code_version: str
    quality_limits: QualityLimits


async def train_stored(
    wanted: DatasetRequest, candidate: CandidateRequest, parts: TrainingParts, *, on_progress: OnStep
) -> TrainingResult:
    """Build a dataset from stored bars and train a candidate on it.

    Parameters
    ----------
    wanted
        Symbols, bar length, span.
    candidate
        What to train on them; its `features` name the feature set.
    parts
        Where everything is.
    on_progress
        Called with the step and its done share 0..1.

    Returns
    -------
    TrainingResult
        With status `blocked_by_data_quality` when the gate blocks any of the symbols.

    Raises
    ------
    InputError
        If the horizon does not fit the bars, or the history, the model or the memory limit do not suffice.
    NotFoundError
        If bars, features or model are not there.
    ConflictError
        If the version is registered and was made from other inputs.
    """
    if candidate.horizon not in horizon_bars(wanted.interval):
        known = ", ".join(horizon_bars(wanted.interval)) or "none"
        raise InputError(
            f"horizon must be one of {known} for {wanted.interval} bars, was {candidate.horizon}"
        )
    feature_set = load_feature_set(candidate.features)
    try:
        dataset = await build_dataset(
            wanted,
            feature_set=feature_set,
            code_version=code_version_with(parts.code_version, plugin_code_hash(candidate.features)),
            transactions=parts.transactions,
            files=parts.dataset_files,
            clock=parts.clock,
            limits=parts.quality_limits,
            on_progress=on_progress,
        )
    except AllBlockedError as error:
        return blocked_result(candidate, error.blocked)
    return await train_candidate(
        dataset,
        candidate,
        feature_set=feature_set,
        trainer=parts.trainer,
        transactions=parts.transactions,
        artifacts=parts.artifacts,
        clock=parts.clock,
        on_progress=lambda progress: on_progress(*describe_progress(progress)),
    )


def describe_progress(progress: FitProgress) -> tuple[str, float]:
    """Name the fold that is being fitted, and its done share; the last span of the plan is the served model."""
    share = progress.step / progress.n_steps if progress.n_steps else 0.0
    return f"fit {progress.span + 1} of {progress.n_spans}", share
