"""How the history of a training is cut: the walk-forward, and beside it the cross-validations that were asked for."""

from dataclasses import dataclass

import numpy as np

from marketsentry.core.dataset import Dataset, has_bar, horizon_bars
from marketsentry.core.splits.combinatorial import Combination, CombinatorialPlan, combinatorial_purged
from marketsentry.core.splits.purged_kfold import PurgedFold, purged_kfold
from marketsentry.core.splits.walk_forward import WalkForward, walk_forward
from marketsentry.exceptions import InputError
from marketsentry.ports.training import FitSpan
from marketsentry.services.candidate import CandidateRequest

MIN_TRAIN_ROWS = 64
MIN_TEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Plans:
    """How the history is cut: the walk-forward, and beside it what was asked for; all lie before the last block."""

    walk_forward: WalkForward
    kfold: tuple[PurgedFold, ...]
    combinations: CombinatorialPlan | None

    def spans(self) -> tuple[FitSpan, ...]:
        """What is fitted, in this order: folds, last block, purged folds, combinations (tested on their hulls)."""
        final = self.walk_forward.final
        assert final is not None
        return (
            *(FitSpan((fold.train,), fold.test, permutes=True) for fold in self.walk_forward.folds),
            FitSpan((final.train,), final.test),
            *(FitSpan(fold.train, fold.test) for fold in self.kfold),
            *(FitSpan(one.train, one.hull) for one in self._combinations()),
        )

    def _combinations(self) -> tuple[Combination, ...]:
        return self.combinations.combinations if self.combinations else ()


def make_plan(dataset: Dataset, request: CandidateRequest) -> Plans:
    """Cut the history into folds and last block, and if asked for cross-validations of what lies before it."""
    bars = label_bars(dataset, request.horizon)
    n_bars = dataset.panel.n_bars
    plan = walk_forward(
        n_bars,
        n_folds=request.n_folds,
        horizon_bars=bars,
        embargo_bars=request.embargo_bars,
        final_bars=int(n_bars * request.final_frac),
        rolling=request.rolling,
    )
    assert plan.final is not None
    kfold: tuple[PurgedFold, ...] = ()
    if request.kfold_splits:
        kfold = purged_kfold(
            plan.final.train.stop,
            n_splits=request.kfold_splits,
            horizon_bars=bars,
            embargo_bars=request.embargo_bars,
        )
    combinations = None
    if request.combinatorial is not None:
        n_groups, n_test_groups = request.combinatorial
        combinations = combinatorial_purged(
            plan.final.train.stop,
            n_groups=n_groups,
            n_test_groups=n_test_groups,
            horizon_bars=bars,
            embargo_bars=request.embargo_bars,
        )
    known = np.isfinite(dataset.labels[request.horizon]) & has_bar(dataset.panel)
    for fold in (*plan.folds, plan.final):
        for what, span, least in (("train", fold.train, MIN_TRAIN_ROWS), ("test", fold.test, MIN_TEST_ROWS)):
            n_rows = int(np.count_nonzero(known[span]))
            if n_rows < least:
                raise InputError(f"fold {fold.index} must have >= {least} {what} rows, had {n_rows}")
    return Plans(plan, kfold, combinations)


def label_bars(dataset: Dataset, horizon: str) -> int:
    """Count the bars of a horizon; raises `InputError` for one that the dataset has no labels of."""
    known = horizon_bars(dataset.panel.interval)
    if horizon not in known or horizon not in dataset.labels:
        raise InputError(f"horizon must be one of {', '.join(dataset.labels)}, was {horizon}")
    return known[horizon]
