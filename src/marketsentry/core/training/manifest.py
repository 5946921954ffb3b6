"""What is written down about a training: the recipe its hash names, the manifest, the result per symbol."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.dataset import Dataset, horizon_bars
from marketsentry.core.gates.candidate import CandidateLimits
from marketsentry.core.lineage import hash_array, hash_params
from marketsentry.core.splits.purged_kfold import PurgedFold
from marketsentry.core.splits.walk_forward import WalkForward
from marketsentry.core.stats.hit_rate import hit_rate
from marketsentry.core.stats.ic import ic
from marketsentry.core.training.coverage import absent_features

SUMMARY_KEYS = ("ic", "hit_rate", "turnover", "pnl_after_cost")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a training gives, by part; equal recipes give equal bytes."""

    parts: Mapping[str, Any]

    @property
    def hash(self) -> str:
        return hash_params(self.parts)

    def first_difference(self, other: Mapping[str, Any]) -> str:
        """Name the first part in which another recipe differs."""
        names = sorted({*self.parts, *other})
        return next((name for name in names if self.parts.get(name) != other.get(name)), "nothing it records")


def make_recipe(
    dataset: Dataset,
    *,
    horizon: str,
    model: Mapping[str, Any],
    features: Mapping[str, Any],
    plan: WalkForward,
    settings: Mapping[str, Any],
    limits: CandidateLimits,
) -> Recipe:
    """Write down everything that a training depends on.

    Parameters
    ----------
    dataset
        Its bars, features and label enter by the hash of their values: a changed feature with an unchanged
        description is another recipe.
    horizon
        Name of the label.
    model
        Reference, source hash and parameters of the model.
    features
        Reference and code hash of the feature set.
    plan
        Folds and last block.
    settings
        Seed, replay parameters and library versions.
    limits
        Limits of the verdict.

    Returns
    -------
    Recipe
    """
    return Recipe(
        {
            "dataset": dataset.content_hash,
            "symbols": list(dataset.panel.symbols),
            "interval": dataset.panel.interval.name,
            "bars": hash_array(dataset.panel.values),
            "features": hash_array(dataset.features.values),
            "feature_schema": dataset.features.schema.hash,
            "feature_set": dict(features),
            "horizon": horizon,
            "label": hash_array(dataset.labels[horizon]),
            "model": dict(model),
            "folds": [_span_document(fold.train, fold.test) for fold in plan.folds],
            "final": _span_document(plan.final.train, plan.final.test) if plan.final else None,
            "purge_bars": plan.purge_bars,
            "code": dataset.parts["code"],
            "limits": asdict(limits),
            **settings,
        }
    )


def make_manifest(
    recipe: Recipe, dataset: Dataset, plan: WalkForward, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the manifest of an artifact: the contract's keys (4.5), hashes, schema. Nothing in it tells the
    time.

    Keys that only a network has (epochs, batches, gradients) are None for a model without them.
    """
    schema = dataset.features.schema
    first = plan.folds[0]
    return {
        "recipe_hash": recipe.hash,
        "recipe": dict(recipe.parts),
        "symbols": list(dataset.panel.symbols),
        "interval": dataset.panel.interval.name,
        "horizon": recipe.parts["horizon"],
        "horizon_bars": horizon_bars(dataset.panel.interval)[recipe.parts["horizon"]],
        "n_folds": len(plan.folds),
        "feature_names": list(schema.names),
        "feature_version": schema.version,
        "feature_schema_hash": schema.hash,
        "dataset_hash": dataset.content_hash,
        "dataset_parts": dict(dataset.parts),
        "code_version": dataset.parts["code"],
        "params_hash": hash_params(recipe.parts["model"]),
        "libraries": recipe.parts["libraries"],
        "seed": recipe.parts["seed"],
        "epochs": None,
        "batch_size": None,
        "grad_acc_steps": None,
        "grad_clip": None,
        "val_ratio": None,
        "early_stop_patience": None,
        "wf_train_window": first.train.stop - first.train.start,
        "wf_test_window": first.test.stop - first.test.start,
        "wf_purge_window": plan.purge_bars,
        "wf_min_folds": recipe.parts["limits"]["min_folds"],
        "wf_ready": len(plan.folds) >= recipe.parts["limits"]["min_folds"],
        "wf_metrics": walk_forward_summary(metrics),
        "final_metrics": metrics["final"],
        "purged_kfold": metrics["purged_kfold"],
        "combinatorial": metrics["combinatorial"],
        "feature_dim": len(schema.names),
        "absent_features": list(absent_features(dataset)),
        "samples": metrics["samples"],
    }


def walk_forward_summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give the means over the folds, the worst drawdown, and the folds themselves (contract 4.4)."""
    folds = metrics["folds"]
    falls = [fold["max_drawdown"] for fold in folds if fold["max_drawdown"] is not None]
    return {
        **{key: _mean([fold[key] for fold in folds]) for key in SUMMARY_KEYS},
        "max_drawdown": max(falls) if falls else None,
        "folds": folds,
    }


def kfold_metrics(
    folds: Sequence[PurgedFold], predictions: Sequence[NDArray[np.float64]], label: NDArray[np.float64]
) -> dict[str, Any] | None:
    """Judge a purged k-fold by skill alone: it trains on the future of its test blocks, so no money was
    earned.

    Parameters
    ----------
    folds
        The folds; none gives None.
    predictions
        Per fold (length of its test block, N), in the same order.
    label
        (T, N) gross forward return.

    Returns
    -------
    dict or None
        Mean IC and hit rate, and those of each fold.
    """
    if not folds:
        return None
    rows = [
        {
            "index": fold.index,
            "ic": ic(predicted, label[fold.test]),
            "hit_rate": hit_rate(predicted, label[fold.test]),
        }
        for fold, predicted in zip(folds, predictions, strict=True)
    ]
    return {**{key: _mean([row[key] for row in rows]) for key in ("ic", "hit_rate")}, "folds": rows}


def symbol_results(
    dataset: Dataset, recipe_folds: int, metrics: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    """Give the contract's result per symbol (4.4); one model serves all, what only a network has is None."""
    lineages = dataset.lineage_ids or (None,) * len(dataset.panel.symbols)
    means = {
        f"fwd_ret_{name}_mean": [_finite_mean(label[:, n]) for n in range(label.shape[1])]
        for name, label in dataset.labels.items()
    }
    summary = walk_forward_summary(metrics)
    return tuple(
        {
            "symbol": symbol,
            "status": "ok" if metrics["per_target"][symbol]["samples"] else "no_data",
            "train_lineage_id": lineages[n],
            "samples": metrics["per_target"][symbol]["samples"],
            "val_directional_hit_rate": metrics["per_target"][symbol]["hit_rate"],
            "ic": metrics["per_target"][symbol]["ic"],
            "train_mse": metrics["train_mse"],
            "nn_mse": None,
            "teacher": None,
            "data_quality": None,
            "ensemble_alpha": None,
            "ensemble_metrics": None,
            "walk_forward_ready": len(metrics["folds"]) >= recipe_folds,
            "walk_forward": {key: value for key, value in summary.items() if key != "folds"},
            "purged_kfold": metrics["purged_kfold"],
            "labels": {name: values[n] for name, values in means.items()},
        }
        for n, symbol in enumerate(dataset.panel.symbols)
    )


def _span_document(train: slice, test: slice) -> dict[str, list[int]]:
    return {"train": [train.start, train.stop], "test": [test.start, test.stop]}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _finite_mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None
