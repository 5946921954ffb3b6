"""The command line: verbs are listed here and imported only when used, so that `--help` stays quick."""

import importlib
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

from marketsentry import __version__


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the root: its name, the module that holds its Typer `app`, and what `--help` says of it."""

    name: str
    module: str
    summary: str


VERBS = (
    Verb("demo", "demo", "Run the whole main job offline on a market of its own."),
    Verb("doctor", "doctor", "Check this machine and what is missing on it."),
    Verb("up", "up", "Start everything on this machine and keep it running."),
    Verb("run", "run", "Run one role in the foreground."),
    Verb("status", "status", "Show the engines, the data and the last runs."),
    Verb("db", "db", "Build or check the database schema."),
    Verb("data", "data", "Import, download, audit, list, synthesise market data."),
    Verb("features", "features", "Build point-in-time features; prove no look-ahead."),
    Verb("train", "train", "Train a candidate by purged walk-forward and judge it."),
    Verb("model", "model", "List registered models and their verdicts."),
    Verb("predict", "predict", "Predict a symbol with the registered model, and say why."),
    Verb("signal", "signal", "Make a signal of a prediction: buy, sell, or hold and why."),
    Verb("rebalance", "rebalance", "Turn signals into a book within limits, and its orders."),
    Verb("backtest", "backtest", "Replay a registered model over history; report on it."),
    Verb("replay", "replay", "Run a stored backtest again and compare."),
    Verb("orders", "orders", "List orders; say why one was made and what became of it."),
    Verb("parity", "parity", "Trade a stored backtest again on paper and compare."),
    Verb("account", "account", "List accounts; book payments and corrections in them."),
    Verb("risk", "risk", "Show what blocks openings; pull and reset the kill switch."),
    Verb("new", "new", "Write a scaffold for your own features, model, policy, venue."),
    Verb("check", "check", "Run the conformance kit on your own parts."),
    Verb("bench", "bench", "Measure the budgets beside their limits and peers."),
)


class LazyGroup(TyperGroup):
    """The root group: a verb's module is imported when the verb is invoked, never for the root help."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        verb = next((v for v in VERBS if v.name == cmd_name), None)
        if verb is None:
            return None
        command = typer.main.get_command(importlib.import_module(f"marketsentry.cli.{verb.module}").app)
        command.name = verb.name
        command.help = command.help or verb.summary
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb.name, verb.summary) for verb in VERBS])


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"marketsentry {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """MarketSentry: data, features, models, evidence and backtests for crypto quant trading.

    Example:  ms demo --once
    """


def main() -> None:
    """Run the command line; the entry point of `marketsentry` and `ms`."""
    from marketsentry.cli.output import exit_on_error

    with exit_on_error():
        app()
