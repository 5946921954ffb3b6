"""Measure the evidence pack of a training: everything that a sceptic asks of its out-of-sample predictions."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.dataset import Dataset, has_bar
from marketsentry.core.evidence.baselines import measure_baselines
from marketsentry.core.evidence.capacity import measure_capacity
from marketsentry.core.evidence.importance import measure_importance
from marketsentry.core.evidence.intervals import measure_intervals, volatility_at
from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.pack import Baseline, EvidencePack
from marketsentry.core.evidence.paths import CrossValidation, measure_paths
from marketsentry.core.evidence.performance import Traded, measure_performance
from marketsentry.core.evidence.resampling import Floats, Resampling
from marketsentry.core.evidence.ridge import ridge_predictions
from marketsentry.core.evidence.sensitivity import measure_sensitivity
from marketsentry.core.evidence.skill import measure_calibration, measure_kfold, measure_skill
from marketsentry.core.evidence.stability import measure_stability
from marketsentry.core.evidence.trials import TrialHistory, measure_trials
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.splits.walk_forward import WalkForward


@dataclass(frozen=True, slots=True)
class Shown:
    """What a training shows.

    `values` (T, N) stitched predictions; `account` traded the folds, `final_account` the last block; `permutation` per
    fold (F,) and `gain` (F,), see `measure_importance`; `is_sound` says that the leak test found nothing; `history` are
    the trials before; `sanity` is the review of the account, `overfitting` the settings around it, `cross` what was
    fitted beside the walk-forward.
    """

    values: Floats
    account: ReplayResult
    permutation: Sequence[Floats]
    gain: Floats | None
    is_sound: bool
    history: TrialHistory
    final_account: ReplayResult
    sanity: GateVerdict
    overfitting: Overfitting
    cross: CrossValidation = field(default_factory=CrossValidation)


def measure_evidence(
    dataset: Dataset,
    shown: Shown,
    *,
    horizon: str,
    plan: WalkForward,
    recipe_hash: str,
    seed: int,
    n_threads: int = 1,
) -> EvidencePack:
    """Measure the pack.

    Parameters
    ----------
    dataset
        What was trained on.
    shown
        What came of it.
    horizon
        Name of the label.
    plan
        Folds and last block.
    recipe_hash
        Names the training.
    seed
        Of all resamples.
    n_threads
        How many parts are measured at once; changes no bit.

    Returns
    -------
    EvidencePack
        The same arguments give the same pack.
    """
    panel, params = dataset.panel, shown.account.params
    tested = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    outcome = _outcome(dataset, plan, params.horizon_bars, tested)
    how = Resampling(seed, at_least_bars=params.horizon_bars)
    predicted, part = np.ascontiguousarray(shown.values[tested]), panel.window(tested.start, tested.stop)
    last = _last(plan)
    tested_account = Traded(shown.account, shown.values[tested], outcome[tested])
    final_account = Traded(shown.final_account, shown.values[last], outcome[last])
    label, there = dataset.labels[horizon], has_bar(panel)

    def against_baselines() -> tuple[Baseline, ...]:
        ridge = ridge_predictions(dataset.features.values, label, there, plan.folds)
        return measure_baselines(shown.account, ridge, panel, tested, how)

    with ThreadPoolExecutor(n_threads, thread_name_prefix="evidence") as pool:  # what takes longest first
        skill = pool.submit(measure_skill, shown.values, outcome, plan, panel.ts_ns, panel.symbols, how)
        baselines = pool.submit(against_baselines)
        scenarios = pool.submit(measure_sensitivity, predicted, part, params)
        capacity = pool.submit(measure_capacity, predicted, part, params)
        paths = pool.submit(measure_paths, shown.cross, panel, params)
        performance = pool.submit(measure_performance, tested_account, final_account, plan, how)
        volatility = volatility_at(panel.close, params)
        intervals = pool.submit(measure_intervals, shown.values, outcome, volatility, plan, how)
        calibration = pool.submit(measure_calibration, predicted, outcome[tested], how)
        stability = pool.submit(measure_stability, predicted, outcome[tested], part.ts_ns, how)
        trials = pool.submit(measure_trials, shown.account, shown.history, how, is_sound=shown.is_sound)
        kfold = pool.submit(
            measure_kfold,
            shown.cross.kfold,
            shown.cross.kfold_predictions,
            panel.close,
            params.horizon_bars,
            how,
        )
        return EvidencePack(
            recipe_hash=recipe_hash,
            symbols=panel.symbols,
            interval=panel.interval.name,
            horizon=horizon,
            seed=seed,
            level=how.level,
            n_resamples=how.n_resamples,
            skill=skill.result(),
            trials=trials.result(),
            baselines=baselines.result(),
            scenarios=scenarios.result(),
            calibration=calibration.result(),
            importance=measure_importance(dataset.features.names, shown.permutation, shown.gain),
            performance=performance.result(),
            stability=stability.result(),
            intervals=intervals.result(),
            capacity=capacity.result(),
            sanity=shown.sanity,
            overfitting=shown.overfitting,
            kfold=kfold.result(),
            paths=paths.result(),
        )


def _outcome(dataset: Dataset, plan: WalkForward, horizon_bars: int, tested: slice) -> NDArray[np.float64]:
    """Forward returns (T, N) looked up inside the folds, and inside the last block; NaN elsewhere."""
    outcome = np.full(dataset.panel.close.shape, np.nan)
    for span in (tested, _last(plan)):
        outcome[span] = forward_return(dataset.panel.close[span], horizon_bars)
    return outcome


def _last(plan: WalkForward) -> slice:
    assert plan.final is not None, "a candidate is judged on an untouched last block"
    return plan.final.test
