"""What a candidate's out-of-sample predictions were worth: skill, and money after cost through the replay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import ReplayResult, replay
from marketsentry.core.backtest.summary import Window, summarise
from marketsentry.core.gates.candidate import Performance
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.splits.walk_forward import Fold, WalkForward
from marketsentry.core.training.artifact import NO_FOLD

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics (contract 1.7) of the walk-forward folds together and of the untouched last block; `account` is the one
    that traded the folds, `final_account` the one that traded the last block.
    """

    walk_forward: dict[str, Any]
    final: dict[str, Any]
    account: ReplayResult
    final_account: ReplayResult


def stitch(
    plan: WalkForward, predictions: Sequence[Floats], shape: tuple[int, int]
) -> tuple[Floats, NDArray[np.int16]]:
    """Lay the predictions of the folds, and of the last block, on the panel's grid.

    Parameters
    ----------
    plan
        The folds, with a final one.
    predictions
        Per fold, the final one last, an array (length of its test span, N).
    shape
        (T, N) of the panel.

    Returns
    -------
    values : ndarray of shape (T, N)
        NaN where no fold predicted.
    fold : ndarray of shape (T,)
        Number of the fold that predicted the bar, `NO_FOLD` where none did.
    """
    values = np.full(shape, np.nan)
    number = np.full(shape[0], NO_FOLD, dtype=np.int16)
    for fold, predicted in zip(_judged(plan), predictions, strict=True):
        values[fold.test] = predicted
        number[fold.test] = fold.index
    return values, number


def evaluate(plan: WalkForward, values: Floats, panel: BarPanel, params: ReplayParams) -> Evaluation:
    """Replay the out-of-sample predictions and compute their metrics.

    Parameters
    ----------
    plan
        The folds, with a final one.
    values
        (T, N) stitched predictions.
    panel
        The bars.
    params
        Costs, sizing and limits of the replay.

    Returns
    -------
    Evaluation
        The folds are traded by one account from the first test bar to the last; the last block by a fresh
        one.
    """
    first, last = plan.folds[0].test.start, plan.folds[-1].test.stop
    windows = [Window(fold.index, fold.test.start - first, fold.test.stop - first) for fold in plan.folds]
    final = _judged(plan)[-1].test
    account, metrics = _metrics(values, panel, params, slice(first, last), windows)
    final_account, final_metrics = _metrics(values, panel, params, final, ())
    return Evaluation(metrics, final_metrics, account, final_account)


def performance(metrics: dict[str, Any]) -> Performance:
    """Pick what the candidate gate judges."""
    return Performance(
        ic=metrics["ic"],
        pnl_after_cost_frac=metrics["pnl_after_cost"],
        max_drawdown_frac=metrics["max_drawdown"],
        sharpe=metrics["sharpe"],
    )


def _metrics(
    values: Floats, panel: BarPanel, params: ReplayParams, rows: slice, windows: Sequence[Window]
) -> tuple[ReplayResult, dict[str, Any]]:
    part = panel.window(rows.start, rows.stop)
    predicted = np.ascontiguousarray(values[rows])
    account = replay(predicted, part, params)
    return account, summarise(account, predicted, part, windows=windows)


def _judged(plan: WalkForward) -> tuple[Fold, ...]:
    assert plan.final is not None, "a candidate is judged on an untouched last block"
    return (*plan.folds, plan.final)
