"""`ms data resample`: coarser bars of stored finer ones."""

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.core.market.interval import Interval
    from marketsentry.services.resample import ResampleReport


def resample(
    symbols: Annotated[list[str], typer.Argument(help="Symbols, e.g. BTC ETH.")],
    to: Annotated[str, typer.Option(help="Bar length to make, e.g. 5m.")],
    interval: Annotated[str, typer.Option("--from", help="Bar length to make it of.")] = "1m",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Make coarser bars of stored finer ones. A bar with a lost part is lost: nothing is invented.

    The same command again writes only what is new.

    Exit codes: 0 done; 2 the lengths do not fit; 3 there are no such bars, or the coarser series comes from
    another source.

    Example:  ms data resample BTC ETH --from 1m --to 5m
    """
    import asyncio

    from marketsentry.core.market.interval import parse_interval

    started = time.perf_counter()
    wanted = [symbol.strip().upper() for symbol in symbols]
    made = asyncio.run(_run(wanted, parse_interval(interval), parse_interval(to)))
    if as_json:
        print_json({"series": made, "seconds": round(time.perf_counter() - started, 3)})
        return
    for one in made:
        typer.echo(
            f"{one.symbol} {one.made_interval}: {one.inserted:,} new, {one.updated:,} changed, "
            f"{one.unchanged:,} known, of {one.rows:,} bars of {one.interval}"
        )


async def _run(symbols: list[str], interval: "Interval", to: "Interval") -> "list[ResampleReport]":
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.services.resample import resample_series

    async with open_system() as system:
        with steps_on_stderr() as on_step:
            return [
                await resample_series(
                    symbol,
                    interval,
                    to,
                    transactions=system.transactions,
                    on_progress=partial(on_step, symbol),
                )
                for symbol in symbols
            ]
