"""`ms backtest compare`: runs side by side, and whether their difference is luck."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.services.compare import StoredComparison


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...", help="Id, MODEL or MODEL:VERSION (its newest), 0 or -1 (newest)."
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 42,
    lang: Annotated[str, typer.Option(help="Of the page: zh or en.")] = "en",
    out: Annotated[Path | None, typer.Option(help="Write a page with the curves as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Compare stored runs over the bars they share; the first is what the others are held against.

    Metrics side by side, what differs in configuration and data, and a paired block bootstrap of the difference in
    return and Sharpe ratio. Exit code 0 when compared, 2 for a wrong input, 3 when a run is not there, failed, or
    shares no bar with the others, 4 when the database failed.

    Example:  ms backtest compare 1 2 --out compare.html
    """
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.compare_output import comparison_document, print_comparison
    from marketsentry.services.compare import compare_stored, write_comparison

    async def go() -> tuple["StoredComparison", Path | None]:
        async with open_system() as system:
            result = await compare_stored(
                runs, transactions=system.transactions, artifacts=system.artifacts, seed=seed
            )
        return result, None if out is None else await write_comparison(result, lang=lang, out=out)

    result, page = asyncio.run(go())
    if as_json:
        print_json({**comparison_document(result), "report": None if page is None else str(page)})
    else:
        print_comparison(result)
    if page is not None:
        say(f"wrote {page}")
