"""Train a candidate: data gate, walk-forward in a child process, leak test, replay, verdict, registry.

Nothing is registered half: the artifact is written whole, and registry row, lineage and trial are one
transaction.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version as library_version
from pathlib import PurePath
from typing import Any

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.dataset import Dataset, has_bar
from marketsentry.core.evidence.trials import N_NEWEST, TrialHistory
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.gates.leak import LEAK_PROOFS
from marketsentry.core.gates.verdict import verdict_from_document
from marketsentry.core.market.symbols import Market
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.training.artifact import MANIFEST, pack_artifact
from marketsentry.core.training.coverage import absent_features
from marketsentry.core.training.judgement import Fitted, Judgement, judge_training
from marketsentry.core.training.manifest import Recipe, make_manifest, make_recipe
from marketsentry.core.training.market import on_its_market
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports import ArtifactRef, Artifacts, Clock, Transactions
from marketsentry.ports.models import ModelVersion, RegisteredModel, Trial
from marketsentry.ports.training import FitJob, FitProgress, FitResult, Trainer
from marketsentry.services.candidate import CandidateRequest, TrainingResult, Usage, blocked_result
from marketsentry.services.evidence import store_pack
from marketsentry.services.plugins import plugin_code_hash
from marketsentry.services.training_plan import Plans, label_bars, make_plan

ARTIFACT_KIND = "models"
LIBRARIES = ("lightgbm", "numba", "numpy")

OnProgress = Callable[[FitProgress], None]


async def train_candidate(
    dataset: Dataset,
    request: CandidateRequest,
    *,
    feature_set: FeatureSet,
    trainer: Trainer,
    transactions: Transactions,
    artifacts: Artifacts,
    clock: Clock,
    on_progress: OnProgress = lambda _: None,
) -> TrainingResult:
    """Train, judge and register one version of a model.

    Parameters
    ----------
    dataset
        Bars, features and labels. Any symbol that the data gate blocked blocks the candidate.
    request
        What to train and how to judge it.
    feature_set
        What computed the dataset's features; the leak test runs it again.
    trainer
        Where models are fitted.
    transactions
        The record.
    artifacts
        Where the model's files go.
    clock
        Names the lineage.
    on_progress
        Told about spans and trees.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        If the history cannot hold the folds, the horizon is not in the dataset, spot and perpetuals are mixed, or the
        model fails.
    DataQualityError
        If too few rates of funding of a perpetual are known.
    ConflictError
        If the version is registered and was made from other inputs.
    DependencyError
        If the training process died or the record cannot be reached.
    """
    if dataset.blocked:
        return blocked_result(request, dataset.blocked)
    started = time.perf_counter()
    prepared = await _prepare(dataset, request)
    dataset, plans, recipe = prepared.dataset, prepared.plans, prepared.recipe
    plan = plans.walk_forward
    stored = await _find_same(request, recipe, transactions)
    if stored is not None:
        return _result(stored, None, is_reused=True)
    fit = await trainer.fit_spans(_make_job(dataset, request, plans), on_progress=on_progress)
    async with transactions() as stores:
        history = await stores.models.trial_history(track=request.track, n_newest=N_NEWEST)
    judged = await asyncio.to_thread(_judge, dataset, request, plans, fit, feature_set, history, recipe.hash)
    manifest = make_manifest(recipe, dataset, plan, judged.metrics)
    artifact = await asyncio.to_thread(_store_artifact, manifest, len(plan.folds), fit, judged, artifacts)
    evidence = await asyncio.to_thread(store_pack, judged.pack, artifacts)
    model = _model_version(request, dataset, recipe, judged, manifest, artifact, evidence, clock)
    async with transactions() as stores:
        registered = await stores.models.register(model)
        await stores.models.add_trial(_trial(request, recipe, judged))
    usage = _usage(dataset, fit, len(plan.folds), time.perf_counter() - started)
    return _result(registered, usage, is_reused=False)


async def walk_candidate(
    dataset: Dataset,
    request: CandidateRequest,
    *,
    feature_set: FeatureSet,
    trainer: Trainer,
    history: TrialHistory,
    on_progress: OnProgress = lambda _: None,
) -> Judgement:
    """Train and judge as `train_candidate` does, and keep nothing: no version, no artifact, no trial.

    Parameters
    ----------
    dataset
        Bars, features and labels.
    request
        What to train and how to judge it; name and version are not used.
    feature_set
        What computed the dataset's features.
    trainer
        Where models are fitted.
    history
        The trials that its score is deflated by.
    on_progress
        Told about spans and trees.

    Returns
    -------
    Judgement

    Raises
    ------
    InputError
        If the history cannot hold the folds, the horizon is not in the dataset, spot and perpetuals are mixed, or the
        model fails.
    DataQualityError
        If too few rates of funding of a perpetual are known.
    DependencyError
        If the training process died.
    """
    prepared = await _prepare(dataset, request)
    dataset, plans = prepared.dataset, prepared.plans
    fit = await trainer.fit_spans(_make_job(dataset, request, plans), on_progress=on_progress)
    return await asyncio.to_thread(
        _judge, dataset, request, plans, fit, feature_set, history, prepared.recipe.hash
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a training begins with: the dataset on its market, how its history is cut, and what names the training."""

    dataset: Dataset
    plans: Plans
    recipe: Recipe


async def _prepare(dataset: Dataset, request: CandidateRequest) -> _Prepared:
    """Refuse what cannot be trained before anything is fitted."""
    dataset = await asyncio.to_thread(on_its_market, dataset)
    plans = make_plan(dataset, request)
    absent_features(dataset)  # refuses a dataset in which nothing has a value
    recipe = await asyncio.to_thread(_recipe, dataset, request, plans.walk_forward)
    return _Prepared(dataset, plans, recipe)


def _recipe(dataset: Dataset, request: CandidateRequest, plan: WalkForward) -> Recipe:
    model_code, feature_code = plugin_code_hash(request.model.reference), plugin_code_hash(request.features)
    return make_recipe(
        dataset,
        horizon=request.horizon,
        model={
            "reference": PurePath(request.model.reference).name,
            "code_sha256": model_code,
            "params": dict(request.model.params),
        },
        features={"reference": PurePath(request.features).name, "code_sha256": feature_code},
        plan=plan,
        settings={
            "seed": request.seed,
            "kfold_splits": request.kfold_splits,
            "combinatorial": list(request.combinatorial) if request.combinatorial else None,
            "replay": _replay_params(dataset, request).document(),
            "libraries": {name: library_version(name) for name in LIBRARIES},
        },
        limits=request.limits,
    )


async def _find_same(
    request: CandidateRequest, recipe: Recipe, transactions: Transactions
) -> RegisteredModel | None:
    """Find the version if it is registered; refuse one that was made from other inputs."""
    try:
        async with transactions() as stores:
            stored = await stores.models.get(request.name, request.version, track=request.track)
    except NotFoundError:
        return None
    was = stored.model.manifest.get("recipe_hash")
    if was != recipe.hash:
        changed = recipe.first_difference(stored.model.manifest.get("recipe", {}))
        raise ConflictError(
            f"model {request.name}:{request.version} is registered and never changes; this training differs "
            f"from it in {changed}: give it a new version"
        )
    return stored


def _make_job(dataset: Dataset, request: CandidateRequest, plans: Plans) -> FitJob:
    return FitJob(
        model=request.model,
        features=dataset.features.values,
        labels=dataset.labels[request.horizon],
        present=has_bar(dataset.panel),
        spans=plans.spans(),
        seed=request.seed,
        n_threads=request.n_threads,
        memory_limit_bytes=request.memory_limit_bytes,
    )


def _judge(
    dataset: Dataset,
    request: CandidateRequest,
    plans: Plans,
    fit: FitResult,
    feature_set: FeatureSet,
    history: TrialHistory,
    recipe_hash: str,
) -> Judgement:
    n_judged = len(plans.walk_forward.folds) + 1
    predictions = [span.predictions for span in fit.spans]
    n_crossed = n_judged + len(plans.kfold)
    fitted = Fitted(
        predictions=tuple(predictions[:n_judged]),
        kfold_predictions=tuple(predictions[n_judged:n_crossed]),
        train_rows=tuple(span.n_train_rows for span in fit.spans[:n_judged]),
        train_mse=fit.spans[n_judged - 1].train_mse,
        permutation=tuple(span.permutation for span in fit.spans if span.permutation is not None),
        gain=fit.spans[n_judged - 1].gain,
        combination_predictions=tuple(predictions[n_crossed:]),
    )
    return judge_training(
        dataset,
        fitted,
        horizon=request.horizon,
        plan=plans.walk_forward,
        kfold=plans.kfold,
        feature_set=feature_set,
        replay_params=_replay_params(dataset, request),
        limits=request.limits,
        history=history,
        recipe_hash=recipe_hash,
        seed=request.seed,
        combinations=plans.combinations,
        n_threads=request.n_threads,
    )


def _store_artifact(
    manifest: dict[str, Any], n_folds: int, fit: FitResult, judged: Judgement, artifacts: Artifacts
) -> ArtifactRef:
    files = pack_artifact(
        manifest,
        served=fit.spans[n_folds].files,
        folds=[span.files for span in fit.spans[:n_folds]],
        predictions=judged.predictions,
    )
    return artifacts.put(ARTIFACT_KIND, files)


def _model_version(
    request: CandidateRequest,
    dataset: Dataset,
    recipe: Recipe,
    judged: Judgement,
    manifest: dict[str, Any],
    artifact: ArtifactRef,
    evidence: ArtifactRef,
    clock: Clock,
) -> ModelVersion:
    now = clock.now()
    files = {
        "distilled_artifact": str(artifact.path),
        "train_manifest_path": str(artifact.path / MANIFEST),
    }
    unsound = any(not check.passed and check.name in LEAK_PROOFS for check in judged.verdict.checks)
    return ModelVersion(
        name=request.name,
        track=request.track,
        version=request.version,
        state="refused" if unsound else "candidate",
        artifact_path=str(artifact.path),
        artifact_sha256=artifact.sha256,
        metrics=judged.metrics,
        manifest={
            **manifest,
            "created_at": now.isoformat(),
            "results": [{**row, **files} for row in judged.results],
            "evidence": {"path": str(evidence.path), "sha256": evidence.sha256},
        },
        verdict=judged.verdict.document(),
        train_lineage_id=f"train-{now:%Y%m%d%H%M%S}-panel",
        code_version=str(recipe.parts["code"]),
        dataset_hash=dataset.content_hash,
    )


def _trial(request: CandidateRequest, recipe: Recipe, judged: Judgement) -> Trial:
    names = ("ic", "rank_ic", "pnl_after_cost", "max_drawdown", "sharpe", "samples")
    kept = {name: judged.metrics[name] for name in names} | {"is_sound": not judged.metrics["leaks"]}
    return Trial(request.track, "train", request.name, recipe.hash, kept)


def _usage(dataset: Dataset, fit: FitResult, final_span: int, seconds: float) -> Usage:
    return Usage(
        rows=fit.spans[final_span].n_train_rows,
        seconds=seconds,
        fit_seconds=fit.wall_s,
        predict_seconds=sum(span.predict_s for span in fit.spans),
        child_peak_bytes=fit.child_peak_bytes,
        peak_memory_bytes=fit.peak_memory_bytes,
        feature_matrix_bytes=int(dataset.features.values.nbytes),
    )


def _result(stored: RegisteredModel, usage: Usage | None, *, is_reused: bool) -> TrainingResult:
    """Report what the registry holds, so that what is said is what is stored."""
    model = stored.model
    return TrainingResult(
        status="ok",
        name=model.name,
        version=model.version,
        track=model.track,
        results=tuple(model.manifest["results"]),
        model_id=stored.id,
        state=model.state,
        verdict=verdict_from_document(dict(model.verdict)),
        metrics=dict(model.metrics),
        manifest=dict(model.manifest),
        artifact_path=model.artifact_path,
        artifact_sha256=model.artifact_sha256,
        train_lineage_id=model.train_lineage_id,
        usage=usage,
        is_reused=is_reused,
    )


def _replay_params(dataset: Dataset, request: CandidateRequest) -> ReplayParams:
    params = request.replay or params_for(dataset.panel.interval, label_bars(dataset, request.horizon))
    return params if dataset.panel.funding is None else replace(params, market=Market.PERP)
