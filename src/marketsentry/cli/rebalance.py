"""`ms rebalance`: from signals and holdings to a stored book and its orders."""

from pathlib import Path
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rebalance(
    file: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, allow_dash=True, help="JSON as POST /portfolio/rebalance takes it."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Turn signals into a target book within every limit, and store its orders.

    Nothing is executed. What had to give way is listed, with the limit it met. Exit code 0 when a decision was stored,
    2 when the signals say nothing to act on, 3 when the kill switch blocks.

    Example:  ms rebalance --file examples/signals.json --json
    """
    import asyncio

    from marketsentry.api.routers.portfolio import ask_of, rebalance_document
    from marketsentry.api.schemas.portfolio import RebalanceIn
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.input import validated
    from marketsentry.cli.signal_output import print_rebalance
    from marketsentry.exceptions import InputError
    from marketsentry.services.portfolio import NothingActionable, Rebalanced
    from marketsentry.services.portfolio import rebalance as plan_and_store

    body = validated(RebalanceIn, _read(file))
    if not body.signals:
        raise InputError("signals cannot be empty")

    async def go() -> Rebalanced | NothingActionable:
        async with open_system() as system:
            return await plan_and_store(ask_of(body), system.portfolio)

    told = asyncio.run(go())
    if isinstance(told, NothingActionable):
        raise InputError("no actionable signals")
    document = rebalance_document(told)
    if as_json:
        print_json(document.model_dump(mode="json"))
    else:
        print_rebalance(document)


def _read(file: Path) -> str:
    """Read a file, or standard input for `-`."""
    import sys

    from marketsentry.exceptions import InputError

    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} must be UTF-8 text: {error.reason} at byte {error.start}") from None
