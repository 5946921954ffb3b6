"""`ms doctor`: check this machine before it is needed."""

from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.core.health import Finding, Level

app = typer.Typer(add_completion=False, rich_markup_mode=None)

MARKS = {Level.NORMAL: "ok", Level.WARNING: "warn", Level.CRITICAL: "FAIL", Level.UNAVAILABLE: "--"}
STYLES = {
    Level.NORMAL: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "bold red",
    Level.UNAVAILABLE: "dim",
}


@app.command()
def doctor(
    time_url: Annotated[
        str, typer.Option(help="A venue's public time endpoint; empty leaves the clock out.")
    ] = "https://api.coinbase.com/api/v3/brokerage/time",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check this machine: Python, CPU, memory, disk, ports, engines, clock, GPUs, optional parts.

    Exit code 0 when everything needed is there (warnings included), 2 when something needed is missing.

    Example:  ms doctor --json
    """
    from marketsentry.adapters import machine
    from marketsentry.services.doctor import examine
    from marketsentry.settings import load_settings

    settings = load_settings()
    findings = examine(
        machine.LocalMachine(), home=settings.home, port=settings.api_bind[1], time_url=time_url or None
    )
    ok = all(one.level is not Level.CRITICAL for one in findings)
    if as_json:
        print_json({"ok": ok, "findings": findings})
    else:
        _print_table(findings)
    raise typer.Exit(0 if ok else 2)


def _print_table(findings: tuple[Finding, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for one in findings:
        table.add_row(f"[{STYLES[one.level]}]{MARKS[one.level]}[/]", one.name, one.found)
    console = Console()
    console.print(table)
    for one in findings:
        if one.advice:
            say(f"{one.name}: {one.advice}")
