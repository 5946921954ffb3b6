"""Registered models for a person and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from marketsentry.cli.verdict_table import print_verdict
from marketsentry.core.gates.verdict import verdict_from_document
from marketsentry.ports.models import RegisteredModel
from marketsentry.services.registry import VerifiedModel


def model_line(registered: RegisteredModel) -> dict[str, Any]:
    """Give the facts of one version that a list shows."""
    model, metrics = registered.model, registered.model.metrics
    return {
        "id": registered.id,
        "name": model.name,
        "version": model.version,
        "track": model.track,
        "state": model.state,
        "outcome": model.verdict.get("outcome"),
        "ic": metrics.get("ic"),
        "pnl_after_cost": metrics.get("pnl_after_cost"),
        "max_drawdown": metrics.get("max_drawdown"),
        "sharpe": metrics.get("sharpe"),
        "artifact_sha256": model.artifact_sha256,
        "created_at": registered.created_at,
    }


def model_document(verified: VerifiedModel) -> dict[str, Any]:
    """Give everything that is registered of one version, and the files that were verified."""
    model = verified.registered.model
    return {
        **model_line(verified.registered),
        "verdict": model.verdict,
        "metrics": model.metrics,
        "manifest": model.manifest,
        "train_lineage_id": model.train_lineage_id,
        "code_version": model.code_version,
        "dataset_hash": model.dataset_hash,
        "artifact_path": model.artifact_path,
        "files": dict(verified.file_sizes),
        "is_verified": True,
    }


def print_models(lines: Sequence[dict[str, Any]]) -> None:
    """Print a table of versions."""
    console = Console(highlight=False)
    if not lines:
        console.print("no model is registered; see `ms train --help`", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "state", "verdict", "ic", "pnl", "sharpe", "created"):
        table.add_column(column, no_wrap=column == "model")
    for line in lines:
        numbers = (_short(line[key]) for key in ("ic", "pnl_after_cost", "sharpe"))
        created = f"{line['created_at']:%Y-%m-%d %H:%M}"
        table.add_row(f"{line['name']}:{line['version']}", line["state"], line["outcome"], *numbers, created)
    console.print(table)


def print_model(verified: VerifiedModel) -> None:
    """Print one version."""
    console = Console(highlight=False)
    model = verified.registered.model
    print_verdict(f"{model.name}:{model.version}", verdict_from_document(dict(model.verdict)), console)
    manifest = model.manifest
    rows = (
        ("state", model.state),
        (
            "trained on",
            f"{', '.join(manifest['symbols'])} {manifest['interval']}, horizon {manifest['horizon']}",
        ),
        ("model", manifest["recipe"]["model"]["reference"]),
        ("features", f"{manifest['feature_dim']} of {manifest['feature_version']}"),
        ("lineage", model.train_lineage_id),
        ("dataset", model.dataset_hash),
        ("code", model.code_version),
        (
            "files",
            f"{len(verified.file_sizes)}, {sum(verified.file_sizes.values()):,} bytes in {model.artifact_path}",
        ),
        ("sha256", f"{model.artifact_sha256} (verified)"),
    )
    for name, value in rows:
        console.print(f"{name:<11}{value}", markup=False)


def _short(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
