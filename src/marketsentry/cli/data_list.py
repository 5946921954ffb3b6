"""`ms data list`: what there is, from the manifest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.core.market.records import SeriesInfo
    from marketsentry.ports.books import BookSeries


def list_(
    gaps: Annotated[bool, typer.Option(help="Also list every lost span.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List the stored bar series: span, bars, lost bars, bars without trades; and the order books. Reads no bar.

    Exit code 0.

    Example:  ms data list --gaps
    """
    import asyncio

    found, books = asyncio.run(_read())
    if as_json:
        print_json(
            {"series": [_document(info) for info in found], "books": [_book_document(one) for one in books]}
        )
        return
    if not found:
        typer.echo("no bars yet: ms data import PATH, ms data download, or ms data synth")
    else:
        typer.echo(f"{'symbol':<14}{'bar':<5}{'source':<16}{'from':<12}{'to':<12}{'bars':>10}{'lost':>7}")
    for info in found:
        document = _document(info)
        first, last = document["first"][:10], document["last"][:10]
        label = f"{info.source}*" if info.is_synthetic else info.source
        typer.echo(
            f"{info.symbol:<14}{info.interval!s:<5}{label:<16}{first:<12}{last:<12}"
            f"{info.n_bars:>10,}{info.n_missing:>7,}"
        )
        if gaps:
            for gap in document["gaps"]:
                typer.echo(f"    {gap['start']} to {gap['stop']}: {gap['bars']:,} bars")
    if any(info.is_synthetic for info in found):
        typer.echo("* synthetic: not a market")
    _show_books(books)


async def _read() -> "tuple[Sequence[SeriesInfo], Sequence[BookSeries]]":
    from marketsentry.bootstrap import open_system

    async with open_system() as system, system.transactions() as stores:
        return await stores.bars.all_series(), await stores.books.all_series()


def _show_books(books: "Sequence[BookSeries]") -> None:
    if not books:
        return
    typer.echo(f"{'books of':<14}{'source':<21}{'from':<21}{'to':<21}{'quotes':>10}{'depth':>10}")
    for one in books:
        document = _book_document(one)
        typer.echo(
            f"{one.symbol:<14}{one.source:<21}{document['first'][:19]:<21}{document['last'][:19]:<21}"
            f"{one.n_quotes:>10,}{one.n_books:>10,}"
        )


def _book_document(one: "BookSeries") -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "source": one.source,
        "first": one.first_at.isoformat().replace("+00:00", "Z"),
        "last": one.last_at.isoformat().replace("+00:00", "Z"),
        "quotes": one.n_quotes,
        "books": one.n_books,
    }


def _document(info: "SeriesInfo") -> dict[str, Any]:
    return {
        "symbol": info.symbol,
        "interval": str(info.interval),
        "source": info.source,
        "is_synthetic": info.is_synthetic,
        "first": _text(info.first_ns),
        "last": _text(info.last_ns),
        "bars": info.n_bars,
        "lost": info.n_missing,
        "no_trade": info.n_no_trade,
        "gaps": [
            {"start": _text(start), "stop": _text(stop), "bars": (stop - start) // info.interval.ns}
            for start, stop in info.gaps_ns.tolist()
        ],
    }


def _text(ns: int) -> str:
    from marketsentry.core.market.timestamps import ns_to_datetime

    return ns_to_datetime(ns).isoformat().replace("+00:00", "Z")
