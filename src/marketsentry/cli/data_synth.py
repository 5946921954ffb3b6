"""`ms data synth`: a synthetic market, seeded and labelled."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.services.synth import SynthReport, SynthRequest


def synth(
    seed: Annotated[int, typer.Option(help="Equal seeds give equal markets.")] = 7,
    symbols: Annotated[str, typer.Option(help="Comma-separated.")] = "BTC,ETH,SOL",
    interval: Annotated[str, typer.Option(help="Bar length, e.g. 5m or 1h; at most 1d.")] = "5m",
    days: Annotated[float, typer.Option(help="Length of the market.")] = 180.0,
    start: Annotated[str, typer.Option(help="Open of the first bar, ISO-8601, UTC.")] = "2024-01-01",
    signal_strength: Annotated[
        float, typer.Option(help="0: nothing can be predicted; 1: a small tradable edge; at most 10.")
    ] = 1.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete a synthetic market of another recipe first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Make a synthetic market: bars, news and funding rates.

    Everything is stored under the source `synthetic` and never mixed with recorded data. The same command
    again changes nothing; more days extend the market.

    Exit codes: 0 done; 2 a bad argument; 3 the symbol has recorded data or another synthetic market.

    Example:  ms data synth --seed 7 --symbols BTC,ETH --days 180
    """
    import asyncio

    from marketsentry.core.market.interval import parse_interval
    from marketsentry.core.market.timestamps import parse_time_ns
    from marketsentry.exceptions import InputError
    from marketsentry.services.synth import SynthRequest

    bar = parse_interval(interval)
    n_bars = round(days * bar.bars_per_day)
    if n_bars < 1:
        raise InputError(f"days must hold at least one bar of {interval}, was {days:g}")
    request = SynthRequest(
        seed=seed,
        symbols=tuple(symbol.strip().upper() for symbol in symbols.split(",") if symbol.strip()),
        interval=bar,
        n_bars=n_bars,
        start_ns=parse_time_ns(start),
        signal_strength=signal_strength,
    )
    started = time.perf_counter()
    report = asyncio.run(_run(request, replace))
    if as_json:
        print_json({"seconds": round(time.perf_counter() - started, 3), "report": report})
    else:
        _show(report)


async def _run(request: "SynthRequest", replace: bool) -> "SynthReport":
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.services.synth import synthesise

    async with open_system() as system:
        with steps_on_stderr() as on_progress:
            return await synthesise(
                request,
                transactions=system.transactions,
                clock=system.clock,
                replace=replace,
                on_progress=lambda symbol: on_progress(symbol, 0.0),
            )


def _show(report: "SynthReport") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "symbol", "interval", "outcome", title="synthetic market, rows written", title_justify="left"
    )
    for name in ("bars", "news", "funding"):
        table.add_column(name, justify="right")
    for one in report.series:
        counts = (f"{count:,}" for count in (one.n_bars, one.n_events, one.n_funding))
        table.add_row(one.symbol, report.interval, str(one.outcome), *counts)
    console = Console()
    console.print(table)
    console.print(f"recipe: {report.recipe}", highlight=False)
