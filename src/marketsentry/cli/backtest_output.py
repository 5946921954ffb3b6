"""A backtest run for a person and for a program."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsentry.core.backtest.summary import rounded
from marketsentry.core.gates.verdict import verdict_from_document
from marketsentry.ports.runs import StoredRun

_SHOWN = ("samples", "ic", "rank_ic", "hit_rate", "pnl_after_cost", "max_drawdown", "sharpe", "sortino",
          "volatility", "exposure", "turnover", "trades", "lineage_coverage")  # fmt: skip
_SHOWN_IF_ANY = ("liquidations", "funding_gaps", "shortfall")


def run_document(stored: StoredRun) -> dict[str, Any]:
    """Give a run as JSON values, rounded for the wire."""
    run = stored.run
    return {
        "run_id": stored.id,
        "run_name": run.run_name,
        "track": run.track,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "metrics": rounded(run.metrics),
        "config": run.config,
        "content_hash": run.content_hash,
        "artifact_path": run.artifact_path,
    }


def print_run(stored: StoredRun, console: Console | None = None) -> None:
    """Print one run: its metrics, its targets, and what a person does next."""
    console = console or Console(highlight=False)
    run, metrics = stored.run, stored.run.metrics
    model = f"{metrics['model_name']}:{metrics['model_version']}"
    if "policy" in run.config:
        model = f"{model} with policy {run.config['policy']['name']}"
    if run.status != "completed":
        console.print(Text(f"run {stored.id} of {model} failed: {metrics['reason']}", style="red"))
        console.print(f"  {metrics['detail']}", markup=False)
        return
    table = Table(title=f"run {stored.id} of {model}", title_justify="left", box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name in _SHOWN:
        table.add_row(name, _text(metrics[name]))
    for kind, share in metrics["cost_breakdown"].items():
        table.add_row(f"cost: {kind}", _text(share))
    for name in _SHOWN_IF_ANY:
        if metrics.get(name):
            table.add_row(name, _text(metrics[name]))
    console.print(table)
    _print_targets(metrics["per_target"], console)
    passed = metrics["gate_passed"]
    console.print(Text(f"gate {'passed' if passed else 'not passed'}", style="green" if passed else "yellow"))
    _print_sanity(metrics.get("sanity"), console)
    console.print(f"report: ms backtest report {stored.id}    again: ms replay {stored.id}", markup=False)


def print_runs(runs: Sequence[StoredRun], console: Console | None = None) -> None:
    """Print runs as a table, one line each."""
    console = console or Console(highlight=False)
    table = Table(
        "run", "started (UTC)", "model", "status", "pnl", "drawdown", "sharpe", box=None, pad_edge=False
    )
    for one in runs:
        metrics = one.run.metrics
        outcome = one.run.status if one.run.status == "completed" else metrics["reason"]
        table.add_row(
            str(one.id),
            f"{one.run.started_at:%Y-%m-%d %H:%M}",
            f"{metrics['model_name']}:{metrics['model_version']}",
            outcome,
            _text(metrics["pnl_after_cost"]),
            _text(metrics["max_drawdown"]),
            _text(metrics["sharpe"]),
        )
    console.print(table)


def _print_sanity(document: dict[str, Any] | None, console: Console) -> None:
    """What the sanity review found; a run that was stored before there were reviews has none."""
    if document is None:
        return
    review = verdict_from_document(document)
    console.print(Text(f"sanity review: {review.outcome}", style="green" if review.passed else "yellow"))
    for reason in review.reasons:
        console.print(f"  {reason}", markup=False)
    for check in review.checks:
        if check.is_informative and not check.passed and check.value is not None:
            console.print(f"  note: {check}", markup=False)


def _print_targets(targets: dict[str, Any], console: Console) -> None:
    table = Table("target", "pnl", "ic", "hit", "trades", "exposure", box=None, pad_edge=False)
    for symbol, one in targets.items():
        if one["status"] != "completed":
            table.add_row(symbol, one["reason"])
            continue
        names = ("pnl_after_cost", "ic", "hit_rate", "trades", "exposure")
        table.add_row(symbol, *(_text(one[name]) for name in names))
    console.print(table)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
