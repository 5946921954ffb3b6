"""`ms replay`: run a stored backtest again and compare."""

import asyncio
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

app = typer.Typer(add_completion=False, rich_markup_mode=None)

EXIT_NOT_FOUND, EXIT_DIFFERS = 2, 3


@app.command()
def replay(
    run_id: Annotated[int, typer.Argument(metavar="[RUN]", help="Id of the run; 0 is the newest.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Largest difference of a metric that passes.")] = 1e-6,
    model_file: Annotated[str, typer.Option(help="Source of a model of your own, as it was trained.")] = "",
    policy: Annotated[
        str, typer.Option(help="Where the policy of the run is now; default is where it was.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Run a stored backtest again on the same data and compare: same hash, or the first difference by name.

    A policy of your own must be the very file that was run; a changed one is refused before any of it is executed.
    Exit code 0 when every metric agrees within the tolerance, 2 when there is no such run or an input is
    wrong, 3 when they differ or the policy has changed, 4 when the database failed.

    Example:  ms replay 1 --tolerance 1e-6 --json
    """
    from marketsentry.bootstrap import open_system
    from marketsentry.exceptions import NotFoundError
    from marketsentry.services.backtest import RunContext, backtest_defaults
    from marketsentry.services.replay_check import ReplayReport, check_replay

    async def go() -> ReplayReport:
        async with open_system() as system:
            context = RunContext(
                system.transactions, system.artifacts, system.clock, system.code_version, model_file or None
            )
            defaults = backtest_defaults(system.settings)
            return await check_replay(
                run_id,
                tolerance=tolerance,
                context=context,
                defaults=defaults,
                policy_file=policy or None,
            )

    try:
        found = asyncio.run(go())
    except NotFoundError as error:
        if as_json:
            print_json({"status": "failed", "reason": "run_not_found"})
        say(f"error: {error}")
        raise typer.Exit(EXIT_NOT_FOUND) from error
    if as_json:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(0 if found.passed else EXIT_DIFFERS)


def _print(found: object) -> None:
    from rich.console import Console
    from rich.text import Text

    from marketsentry.services.replay_check import ReplayReport

    assert isinstance(found, ReplayReport)
    console = Console(highlight=False)
    word, colour = ("agrees", "green") if found.passed else ("differs", "red")
    console.print(
        Text(f"run {found.source_run_id} {word} with its replay {found.replay_run_id}", style=colour)
    )
    for name, one in found.diffs.items():
        console.print(f"  {name:<18} {'-' if one is None else f'{one:.3g}'}", markup=False)
    if found.same_content_hash:
        console.print(f"  content hash equal: {found.content_hash}", markup=False)
    elif found.first_difference is not None:
        first = found.first_difference
        console.print(f"  first difference: {first.path}", markup=False)
        console.print(f"    source {first.source}\n    replay {first.replay}", markup=False)
