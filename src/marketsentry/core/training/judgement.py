"""Judge a training: replay its out-of-sample predictions, run the leak test, give the verdict."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.plateau import Plateau
from marketsentry.core.dataset import Dataset
from marketsentry.core.evidence.measure import Shown, measure_evidence
from marketsentry.core.evidence.overfitting import measure_overfitting
from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.evidence.paths import CrossValidation
from marketsentry.core.evidence.sanity import measure_sanity
from marketsentry.core.evidence.sensitivity import DOUBLED_COSTS
from marketsentry.core.evidence.trials import TrialHistory
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.gates.candidate import CandidateEvidence, CandidateLimits, judge_candidate
from marketsentry.core.gates.leak import LeakEvidence, MeasuredIc, leak_document, run_leak_test
from marketsentry.core.gates.sanity import judge_sanity
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.core.splits.combinatorial import CombinatorialPlan
from marketsentry.core.splits.purged_kfold import PurgedFold
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.training.artifact import StoredPredictions
from marketsentry.core.training.coverage import absent_features
from marketsentry.core.training.evaluation import Evaluation, evaluate, performance, stitch
from marketsentry.core.training.manifest import kfold_metrics, symbol_results

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came out of the fits.

    `predictions` per fold, that of the untouched last block last, each (length of the test span, N); so
    `train_rows`. `kfold_predictions` per purged fold, `combination_predictions` per combination (length of its hull,
    N).
    `train_mse` is that of the model that serves. `permutation` per fold (F,) and `gain` (F,) are what
    `core.evidence.importance` puts together.
    """

    predictions: tuple[Floats, ...]
    kfold_predictions: tuple[Floats, ...]
    train_rows: tuple[int, ...]
    train_mse: float
    permutation: tuple[Floats, ...]
    gain: Floats | None
    combination_predictions: tuple[Floats, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, the evidence and metrics behind it, the predictions they were made of, the result per symbol."""

    predictions: StoredPredictions
    verdict: GateVerdict
    metrics: dict[str, Any]
    results: tuple[dict[str, Any], ...]
    pack: EvidencePack


def judge_training(
    dataset: Dataset,
    fitted: Fitted,
    *,
    horizon: str,
    plan: WalkForward,
    kfold: Sequence[PurgedFold],
    feature_set: FeatureSet,
    replay_params: ReplayParams,
    limits: CandidateLimits,
    history: TrialHistory,
    recipe_hash: str,
    seed: int,
    combinations: CombinatorialPlan | None = None,
    n_threads: int = 1,
) -> Judgement:
    """Measure everything the verdict needs, and give it.

    Parameters
    ----------
    dataset
        What was trained on.
    fitted
        What came out of it.
    horizon
        Name of the label.
    plan
        Folds and last block.
    kfold
        Purged folds, may be none.
    feature_set
        What computed the features; the leak test runs it again.
    replay_params
        Costs, sizing and limits of the replay; its horizon is that of the label.
    limits
        What a candidate must show.
    history
        The trials of the track before this one.
    recipe_hash
        Names the training in its evidence.
    seed
        Of the cuts of the leak test and of the resamples.
    combinations
        Combinatorial purged cross-validation, None where it was not asked for.
    n_threads
        Measurements and replays that run at once; changes no bit.

    Returns
    -------
    Judgement
        Metrics at the top level are those of the walk-forward folds; those of the last block are under
        `final`.
    """
    panel, label = dataset.panel, dataset.labels[horizon]
    values, fold = stitch(plan, fitted.predictions, label.shape)
    with ThreadPoolExecutor(n_threads, thread_name_prefix="judge") as pool:
        evaluating = pool.submit(evaluate, plan, values, panel, replay_params)
        testing = pool.submit(
            run_leak_test,
            feature_set,
            panel,
            dataset.inputs,
            horizon_bars=replay_params.horizon_bars,
            rng=np.random.default_rng(seed),
        )
        evaluation, leak = evaluating.result(), testing.result()
    tested = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    overfitting = measure_overfitting(
        np.ascontiguousarray(values[tested]),
        panel.window(tested.start, tested.stop),
        evaluation.account.params,
        seed=seed,
        n_threads=n_threads,
    )
    shown = Shown(
        values,
        evaluation.account,
        fitted.permutation,
        fitted.gain,
        is_sound=not leak.leaks,
        history=history,
        final_account=evaluation.final_account,
        sanity=_review(dataset, evaluation, leak, plan, limits, overfitting.assumed),
        overfitting=overfitting,
        cross=CrossValidation(kfold, fitted.kfold_predictions, combinations, fitted.combination_predictions),
    )
    pack = measure_evidence(
        dataset, shown, horizon=horizon, plan=plan, recipe_hash=recipe_hash, seed=seed, n_threads=n_threads
    )
    ics = _measured_ics(evaluation, plan)
    evidence = CandidateEvidence(
        leak=leak,
        n_folds=len(plan.folds),
        n_samples=evaluation.walk_forward["samples"],
        n_independent_samples=ics[0].n_independent_samples,
        n_final_independent_samples=ics[1].n_independent_samples,
        walk_forward=performance(evaluation.walk_forward),
        final=performance(evaluation.final),
        trials=pack.trials,
        baselines=pack.baselines,
        absent_features=absent_features(dataset),
        doubled_costs_pnl_frac=next(
            one.pnl_after_cost_frac for one in pack.scenarios if one.name == DOUBLED_COSTS
        ),
        sanity=pack.sanity,
        overfitting=pack.overfitting,
        paths=pack.paths,
    )
    metrics = {
        **evaluation.walk_forward,
        "final": evaluation.final,
        "purged_kfold": kfold_metrics(kfold, fitted.kfold_predictions, label),
        "combinatorial": pack.paths.summary() if pack.paths else None,
        "train_rows": list(fitted.train_rows),
        "train_mse": fitted.train_mse,
        "leaks": [leak_document(one) for one in leak.leaks],
    }
    predictions = StoredPredictions(
        panel.symbols, panel.interval, horizon, panel.ts_ns, fold, values, len(plan.folds)
    )
    results = symbol_results(dataset, limits.min_folds, metrics)
    return Judgement(predictions, judge_candidate(evidence, limits), metrics, results, pack)


def _review(
    dataset: Dataset,
    evaluation: Evaluation,
    leak: LeakEvidence,
    plan: WalkForward,
    limits: CandidateLimits,
    around: Plateau | None,
) -> GateVerdict:
    """Ask whether the account of the folds can be believed; the universe is that of all the bars."""
    tested = dataset.panel.window(plan.folds[0].test.start, plan.folds[-1].test.stop)
    ics = _measured_ics(evaluation, plan)
    facts = measure_sanity(evaluation.account, tested, ics, universe=dataset.panel, plateau=around, leak=leak)
    return judge_sanity(facts, replace(limits.sanity, max_plausible_ic=limits.max_plausible_ic))


def _measured_ics(evaluation: Evaluation, plan: WalkForward) -> tuple[MeasuredIc, MeasuredIc]:
    """The correlation in the folds and in the last block, each with its number of label windows that do not overlap."""
    horizon = evaluation.account.params.horizon_bars
    n_test_bars = sum(one.test.stop - one.test.start for one in plan.folds)
    n_final_bars = plan.final.test.stop - plan.final.test.start if plan.final else 0
    return (
        MeasuredIc(evaluation.walk_forward["ic"], n_test_bars // horizon),
        MeasuredIc(evaluation.final["ic"], n_final_bars // horizon),
    )
