"""A sweep for a person and for a program."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsentry.core.backtest.plateau import Shape
from marketsentry.core.backtest.summary import rounded
from marketsentry.core.stats.pbo import BacktestOverfitting
from marketsentry.services.sweep import SweepResult

_SHOWN = ("sharpe", "pnl_after_cost", "max_drawdown", "turnover", "trades")
_N_SHOWN = 10
_WORDS = {
    Shape.PLATEAU: ("plateau: the settings around the best do nearly as well", "green"),
    Shape.SLOPE: ("slope: the settings around the best do clearly worse", "yellow"),
    Shape.ALONE: ("peak alone on its hill: the settings around the best do less than half as well", "red"),
    Shape.NO_HILL: ("no hill: no setting is above zero", "yellow"),
    Shape.UNKNOWN: ("unknown: the best setting has no neighbour with a value", "yellow"),
}


def sweep_document(result: SweepResult) -> dict[str, Any]:
    """Give a sweep as JSON values, rounded for the wire; every setting is in the artifact."""
    document = result.document
    return {
        "sweep_hash": result.sweep_hash,
        "content_hash": result.content_hash,
        "artifact_path": str(result.artifact.path),
        "model_name": document["request"]["model_name"],
        "model_version": document["request"]["model_version"],
        "method": document["search"]["method"],
        "rank_by": document["rank_by"],
        "n_settings": result.n_settings,
        "n_resumed": result.n_resumed,
        "n_impossible": result.n_impossible,
        "n_trials": result.n_trials,
        "best": rounded(document["best"]),
        "plateau": rounded(document["plateau"]),
        "overfitting": rounded(document["overfitting"]),
    }


def print_sweep(result: SweepResult, console: Console | None = None) -> None:
    """Print the best settings, what the best stands on, and how many trials the track has had."""
    console = console or Console(highlight=False)
    document = result.document
    names = document["parameters"]
    table = Table(*names, *_SHOWN, title=f"best of {result.n_settings:,} settings", title_justify="left",
                  box=None, pad_edge=False)  # fmt: skip
    for one in document["best"][:_N_SHOWN]:
        table.add_row(*(_text(one[name]) for name in (*names, *_SHOWN)))
    console.print(table)
    if result.plateau is None:
        console.print(Text("no setting has a value", style="yellow"))
    else:
        words, style = _WORDS[result.plateau.shape]
        console.print(Text(words, style=style))
    if result.overfitting is None:
        console.print("probability of overfitting: not measured, there was nothing to choose from")
    else:
        console.print(_overfitting(result.overfitting))
    if result.n_impossible:
        console.print(f"{result.n_impossible:,} combinations make no parameters and were left out")
    console.print(f"trials of the track so far: {result.n_trials:,}")


def _overfitting(found: BacktestOverfitting) -> Text:
    """One sentence on what choosing the best of these settings is worth."""
    words = (
        f"probability of overfitting {found.pbo:.0%}: Sharpe {found.inside_sharpe_median:.2f} where the best was "
        f"chosen, {found.outside_sharpe_median:.2f} on other bars (medians of {found.n_splits:,} splits); it loses "
        f"there in {found.probability_of_loss:.0%}"
    )
    return Text(words, style="green" if found.pbo < 0.5 else "red")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
