import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.splits.purged_kfold import purged_kfold
from marketsentry.core.splits.walk_forward import walk_forward
from marketsentry.core.stats.ic import ic
from marketsentry.core.training.evaluation import evaluate, stitch
from marketsentry.core.training.manifest import kfold_metrics, walk_forward_summary
from training_inputs import make_dataset

HORIZON_BARS = 48
N_BARS = 2_000
PLAN = walk_forward(N_BARS, n_folds=3, horizon_bars=HORIZON_BARS, embargo_bars=12, final_bars=300)


def test_predictions_are_laid_on_the_bars_of_their_folds() -> None:
    assert PLAN.final is not None
    folds = (*PLAN.folds, PLAN.final)
    values, number = stitch(
        PLAN, [np.full((f.test.stop - f.test.start, 2), f.index) for f in folds], (N_BARS, 2)
    )
    for fold in folds:
        assert (values[fold.test] == fold.index).all()
        assert (number[fold.test] == fold.index).all()
    tested = sum(f.test.stop - f.test.start for f in folds)
    assert np.count_nonzero(number >= 0) == tested
    assert np.isnan(values[number < 0]).all()


def test_folds_and_last_block_are_judged_apart_and_by_their_own_bars() -> None:
    dataset = make_dataset(n_bars=N_BARS)
    label = dataset.labels["4h"]
    assert PLAN.final is not None
    values = np.full(label.shape, np.nan)
    rng = np.random.default_rng(0)
    for fold in PLAN.folds:
        values[fold.test] = label[fold.test] + 0.01 * rng.normal(size=label[fold.test].shape)
    values[PLAN.final.test] = -label[PLAN.final.test]
    result = evaluate(PLAN, values, dataset.panel, params_for(dataset.panel.interval, HORIZON_BARS))
    assert result.walk_forward["ic"] > 0.3
    assert result.final["ic"] == pytest.approx(-1.0)
    assert [fold["index"] for fold in result.walk_forward["folds"]] == [0, 1, 2]
    first, last = PLAN.folds[0].test.start, PLAN.folds[-1].test.stop
    inside = label[first:last].copy()
    inside[-HORIZON_BARS:] = np.nan  # what came after the last fold is not looked at
    assert result.walk_forward["ic"] == pytest.approx(ic(values[first:last], inside))


def test_the_summary_takes_means_and_the_worst_drawdown() -> None:
    folds = [
        {"ic": 0.1, "hit_rate": 0.5, "turnover": 1.0, "pnl_after_cost": 0.1, "max_drawdown": 0.05},
        {"ic": None, "hit_rate": 0.7, "turnover": 3.0, "pnl_after_cost": -0.3, "max_drawdown": 0.15},
    ]
    summary = walk_forward_summary({"folds": folds})
    assert summary["ic"] == 0.1
    assert summary["hit_rate"] == pytest.approx(0.6)
    assert summary["pnl_after_cost"] == pytest.approx(-0.1)
    assert summary["max_drawdown"] == 0.15


def test_a_purged_kfold_is_judged_by_skill() -> None:
    label = np.random.default_rng(1).normal(size=(100, 2))
    folds = purged_kfold(100, n_splits=2, horizon_bars=3)
    metrics = kfold_metrics(folds, [label[folds[0].test], -label[folds[1].test]], label)
    assert metrics is not None
    assert [row["ic"] for row in metrics["folds"]] == [pytest.approx(1.0), pytest.approx(-1.0)]
    assert metrics["ic"] == pytest.approx(0.0)
    assert kfold_metrics((), [], label) is None
