"""`ms data download`: candles from a venue, resumable."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.services.download import DownloadRequest, SymbolDownload

SHOWN_GAPS = 10


def download(
    venue: Annotated[str, typer.Option(help="coinbase, bitget or binance.")],
    symbols: Annotated[str, typer.Option(help="Comma-separated, e.g. BTC,ETH or BTC-USD.")],
    since: Annotated[str, typer.Option(help="First bar, ISO-8601, UTC.")],
    interval: Annotated[str, typer.Option(help="Bar length, e.g. 5m or 1h.")] = "5m",
    until: Annotated[str | None, typer.Option(help="End, exclusive; without it the present.")] = None,
    market: Annotated[str, typer.Option(help="spot or perp.")] = "spot",
    as_symbol: Annotated[str | None, typer.Option("--as", help="Store one market under this name.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Address of a server that speaks the venue's protocol.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Download bars from a venue.

    The same command again goes on where it stopped, also after a crash. Bars that are still open are left
    out. At the end the gaps are listed: bars that are lost, not those in which nothing traded.

    Exit codes: 0 done; 2 a bad argument; 3 no such market, or the series has another source; 4 the venue
    refuses or fails.

    Example:  ms data download --venue coinbase --symbols BTC --since 2024-06-01
    """
    import asyncio

    from marketsentry.core.market.interval import parse_interval
    from marketsentry.core.market.symbols import Market, check_symbol
    from marketsentry.core.market.timestamps import parse_time_ns
    from marketsentry.exceptions import InputError
    from marketsentry.services.download import DownloadRequest

    if market not in tuple(Market):
        raise InputError(f"market must be one of {', '.join(Market)}, was {market!r}")
    request = DownloadRequest(
        symbols=tuple(symbol.strip() for symbol in symbols.split(",") if symbol.strip()),
        interval=parse_interval(interval),
        since_ns=parse_time_ns(since),
        until_ns=None if until is None else parse_time_ns(until),
        as_symbol=None if as_symbol is None else check_symbol(as_symbol),
    )
    started = time.perf_counter()
    done = asyncio.run(_run(request, venue, Market(market), base_url, timeout))
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        print_json({"venue": venue, "seconds": seconds, "series": [_document(one) for one in done]})
    else:
        _show(request, done)


async def _run(
    request: "DownloadRequest", venue: str, market: Any, base_url: str | None, timeout_s: float
) -> "tuple[SymbolDownload, ...]":
    import numpy as np

    from marketsentry.adapters.venues.candles import open_candle_venue
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.services.download import download_bars
    from marketsentry.services.pacing import Pace

    async with (
        open_candle_venue(venue, market, base_url=base_url, timeout_s=timeout_s) as opened,
        open_system() as system,
    ):
        with steps_on_stderr() as on_progress:
            return await download_bars(
                request,
                venue=opened,
                transactions=system.transactions,
                clock=system.clock,
                pace=Pace(min_delay_s=opened.min_delay_s, rng=np.random.default_rng()),
                on_progress=lambda at: on_progress(at.symbol, at.done_frac),
            )


def _document(one: "SymbolDownload") -> dict[str, Any]:
    from dataclasses import asdict

    from marketsentry.core.market.timestamps import ns_to_datetime

    plain = {name: value for name, value in asdict(one).items() if not name.endswith("_ns")}
    times = {"first": one.first_ns, "last": one.last_ns, "resumed_from": one.resumed_from_ns}
    plain |= {name: None if ns is None else ns_to_datetime(ns) for name, ns in times.items()}
    plain["gaps"] = [
        {"start": ns_to_datetime(start), "end": ns_to_datetime(stop)} for start, stop in one.gaps_ns.tolist()
    ]
    return plain


def _show(request: "DownloadRequest", done: "tuple[SymbolDownload, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from marketsentry.core.market.timestamps import ns_to_datetime

    table = Table("symbol", "source", box=None, title=f"{request.interval} bars", title_justify="left")
    for name in ("new", "changed", "no trade", "rejected", "gaps"):
        table.add_column(name, justify="right")
    for one in done:
        counts = (one.n_inserted, one.n_updated, one.n_no_trade, one.n_rejected, len(one.gaps_ns))
        table.add_row(one.symbol, one.source, *(f"{count:,}" for count in counts))
    console = Console(highlight=False)
    console.print(table)
    n_requests, n_retries = sum(one.n_requests for one in done), sum(one.n_retries for one in done)
    console.print(f"{n_requests:,} requests, {n_retries:,} retries")
    for one in done:
        longest = sorted(one.gaps_ns.tolist(), key=lambda gap: gap[0] - gap[1])[:SHOWN_GAPS]
        for start, stop in longest:
            n_bars = (stop - start) // request.interval.ns
            span = f"{ns_to_datetime(start):%Y-%m-%d %H:%M} to {ns_to_datetime(stop):%Y-%m-%d %H:%M}"
            console.print(f"{one.symbol} gap {span}: {n_bars:,} {'bar' if n_bars == 1 else 'bars'} lost")
