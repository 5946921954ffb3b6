"""Load a registered model for a backtest: verify its bytes, parse every fold's model, predict with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.scorers import Scorer, scorers_of
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.core.training.artifact import fold_files, read_manifest, read_predictions, served_files
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.models.protocol import Model
from marketsentry.ports import Artifacts
from marketsentry.ports.models import RegisteredModel
from marketsentry.services.plugins import load_model, plugin_code_hash

MODEL_ARTIFACT_MISSING = "model_artifact_missing"
MODEL_LOAD_FAILED = "model_load_failed"
_ROWS_PER_PREDICTION = 65_536


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a run could not be made: a reason code of the contract, and a sentence for a person."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """A registered version with the models that may score: one per scorer, the serving one last.

    `first_ns` is the open time of the first bar of the training panel, UTC epoch ns.
    """

    registered: RegisteredModel
    interval: Interval
    horizon: str
    horizon_bars: int
    feature_names: tuple[str, ...]
    schema_hash: str
    first_ns: int
    scorers: tuple[Scorer, ...]
    models: tuple[Model, ...]


def load_scoring_model(
    registered: RegisteredModel, artifacts: Artifacts, *, model_file: str | None
) -> ScoringModel | Refusal:
    """Read a version's artifact, verify its SHA-256 and parse its models.

    Parameters
    ----------
    registered
        The line of the registry.
    artifacts
        Where the files are.
    model_file
        Source of a model of the user's own; needed when the version was trained with one.

    Returns
    -------
    ScoringModel or Refusal
        Refused with `model_artifact_missing` without files, else with `model_load_failed`.
    """
    version = registered.model
    try:
        files = artifacts.get(version.artifact_path, version.artifact_sha256)
    except NotFoundError as error:
        return Refusal(MODEL_ARTIFACT_MISSING, str(error))
    except ConflictError as error:
        return Refusal(MODEL_LOAD_FAILED, str(error))
    try:
        return _parse(registered, files, model_file)
    except (ConflictError, InputError, NotFoundError, KeyError, ValueError) as error:
        return Refusal(MODEL_LOAD_FAILED, f"model {version.name}:{version.version} does not load: {error}")


def score_rows(
    scoring: ScoringModel,
    features: NDArray[np.float64],
    present: NDArray[np.bool_],
    chosen: NDArray[np.int16],
) -> NDArray[np.float64]:
    """Predict every present row with the model that may score its bar.

    Parameters
    ----------
    scoring
        The models.
    features
        Shape (T, N, F). NaN = missing.
    present
        Shape (T, N). Cells with a bar and a snapshot.
    chosen
        Shape (T,). Index of the scorer per bar; negative means none.

    Returns
    -------
    ndarray of shape (T, N)
        Expected gross forward return; NaN where nothing may or can be said.

    Raises
    ------
    InputError
        If a model predicts something that is not finite or of another length.
    """
    scores = np.full(present.shape, np.nan)
    for index, model in enumerate(scoring.models):
        cells = present & (chosen == index)[:, None]
        if cells.any():
            scores[cells] = _predict(model, features[cells])
    return scores


def _parse(registered: RegisteredModel, files: Mapping[str, bytes], model_file: str | None) -> ScoringModel:
    manifest = read_manifest(files)
    recipe = manifest["recipe"]
    kind = _model_class(recipe["model"], model_file)
    interval = parse_interval(manifest["interval"])
    parsed = [kind.parse(fold_files(files, fold)) for fold in range(int(manifest["n_folds"]))]
    first_ns = int(read_predictions(files).ts_ns[0])
    return ScoringModel(
        registered=registered,
        interval=interval,
        horizon=str(manifest["horizon"]),
        horizon_bars=int(manifest["horizon_bars"]),
        feature_names=tuple(manifest["feature_names"]),
        schema_hash=str(manifest["feature_schema_hash"]),
        first_ns=first_ns,
        scorers=scorers_of(manifest, first_ns, interval),
        models=(*parsed, kind.parse(served_files(files))),
    )


def _model_class(recorded: Mapping[str, Any], model_file: str | None) -> type[Model]:
    """Find the class that wrote the files; the user's own code must be the one that was trained."""
    wanted = recorded["code_sha256"]
    if wanted is None:
        return cast(type[Model], load_model(recorded["reference"]))
    if model_file is None:
        raise NotFoundError(
            f"it was trained with {recorded['reference']}, a model of your own: give its file with --model-file"
        )
    found = plugin_code_hash(model_file)
    if found != wanted:
        raise ConflictError(
            f"{model_file} is not the code it was trained with: SHA-256 {found}, recorded {wanted}"
        )
    return cast(type[Model], load_model(model_file))


def _predict(model: Model, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict in blocks; a row without any feature, or that the model does not accept, stays NaN."""
    out = np.full(len(rows), np.nan)
    missing = np.isnan(rows)
    usable = ~missing.all(axis=1) if model.accepts_missing else ~missing.any(axis=1)
    where = np.flatnonzero(usable)
    for start in range(0, where.size, _ROWS_PER_PREDICTION):
        block = where[start : start + _ROWS_PER_PREDICTION]
        predicted = np.asarray(model.predict(rows[block]))
        if predicted.shape != (block.size,) or not np.isfinite(predicted).all():
            raise InputError(f"{model.name} must predict {block.size} finite numbers, gave {predicted.shape}")
        out[block] = predicted
    return out
