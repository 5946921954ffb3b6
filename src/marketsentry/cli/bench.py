"""`ms bench`: measure the budgets of the product on this machine."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.exceptions import DependencyError, InputError, NotFoundError

app = typer.Typer(add_completion=False, rich_markup_mode=None)
CHECKOUT = Path(__file__).resolve().parents[3]


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Rows; none means all.")
    ] = None,
    list_rows: Annotated[bool, typer.Option("--list", help="List the rows and measure nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Measure rows of the budgets: value, budget, the limit and the peer measured in the same run.

    Exit code 0 when every budget measured is met, 2 when one is missed; 4 when one could not be measured, beside the
    rows of the others.

    Example:  ms bench help --json
    """
    rows = _known_rows()
    unknown = sorted(set(names or ()) - set(rows))
    if unknown:
        raise InputError(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(rows)}")
    if list_rows:
        print_json(list(rows)) if as_json else typer.echo("\n".join(rows))
        return
    found: list[dict[str, Any]] = []
    failed = []
    for name in names or rows:
        try:
            found += _measure(name)
        except DependencyError as error:  # what the others came to is not lost
            say(str(error))
            failed.append(name)
    if as_json:
        print_json(found)
    else:
        _print_table(found)
    if failed:
        raise DependencyError(f"{len(failed)} benchmarks could not be measured: {', '.join(failed)}")
    raise typer.Exit(2 if any(row["ok"] is False for row in found) else 0)


def _known_rows() -> dict[str, str]:
    if not (CHECKOUT / "benchmarks" / "registry.py").exists():
        raise NotFoundError(
            "benchmarks live in the source checkout and this is an installed package; clone the source"
        )
    sys.path.insert(0, str(CHECKOUT))
    from benchmarks.registry import ROWS

    return dict(ROWS)


def _measure(name: str) -> list[dict[str, Any]]:
    say(f"measuring {name} ...")
    command = (sys.executable, "-m", "benchmarks.run_row", name)
    done = subprocess.run(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, env=os.environ, check=False
    )
    if done.returncode != 0:
        raise DependencyError(f"benchmark {name} ended with exit code {done.returncode}")
    rows: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    return [{**row, "machine": machine} for row in rows]


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("row", "value", "budget", "limit", "peer", "x limit", "x peer", "")
    for row in rows:
        mark = {True: "[green]ok[/]", False: "[bold red]MISSED[/]", None: ""}[row["ok"]]
        figures = [_short(row[key]) for key in ("budget", "limit", "peer", "ratio_to_limit", "ratio_to_peer")]
        table.add_row(row["name"], f"{_short(row['value'])} {row['unit']}", *figures, mark)
    Console().print(table)
    for row in rows:
        if row["notes"]:
            say(f"{row['name']}: {row['notes']}")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
