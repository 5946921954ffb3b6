"""`ms data import`: files of bars, trades, order books, funding rates and news into the record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, exit_code, print_json, say

if TYPE_CHECKING:
    from marketsentry.ports.files import FileHints
    from marketsentry.services.import_report import FileReport, ImportReport
    from marketsentry.services.resample import ResampleReport


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
    symbol: Annotated[
        str | None, typer.Option("--as", "--symbol", help="Store under this symbol, whatever the name says.")
    ] = None,
    interval: Annotated[str | None, typer.Option(help="Bar length, where the name does not say it.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Venue and market, e.g. binance_spot, where the name does not say it.")
    ] = None,
    resample: Annotated[
        list[str] | None, typer.Option(help="Also make bars of this length, e.g. 5m. May be given again.")
    ] = None,
    force: Annotated[
        bool, typer.Option(help="Read a file although its content was imported before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Import Parquet, CSV, CSV.gz, zip or JSON lines: bars, trades, order books, funding rates, news.

    Venue, market, symbol and interval are read from folder and file name (binance_spot_1h/BTCUSDT.parquet,
    BTCUSDT-1m-2024-01.zip), or given here. Importing again costs a look at the file.

    A recording of a book becomes at most ten books a second; its other rows are folded into them.

    Bad rows never enter: they are counted, shown, and written to a reject file under var/rejects; the good
    rows of their file land. Of a damaged or mislabelled file nothing lands.

    Exit codes: 0 all rows are in; 2 rows or files were refused; 3 a path is not there, or the series has
    another source (keep both with --as).

    Example:  ms data import binance_spot_1h/BTCUSDT.parquet --json
    """
    import asyncio

    from marketsentry.core.market.interval import parse_interval
    from marketsentry.core.market.symbols import check_symbol
    from marketsentry.ports.files import FileHints

    hints = FileHints(
        symbol=check_symbol(symbol) if symbol else None,
        interval=parse_interval(interval) if interval else None,
        source=source,
    )
    report, made = asyncio.run(_run(paths, hints, force, [parse_interval(text) for text in resample or ()]))
    if as_json:
        print_json(_document(report, made))
    else:
        _show(report, made)
    raise typer.Exit(_exit_code(report))


async def _run(
    paths: list[Path], hints: "FileHints", force: bool, resample: list[Any]
) -> "tuple[ImportReport, list[ResampleReport]]":
    from marketsentry.adapters.files.local_files import LocalFiles
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.core.market.interval import parse_interval
    from marketsentry.services.import_report import ImportProgress
    from marketsentry.services.imports import import_files
    from marketsentry.services.resample import resample_series

    async with open_system() as system:
        with steps_on_stderr() as on_step:

            def show(progress: ImportProgress) -> None:
                on_step("import", progress.done_bytes / max(progress.total_bytes, 1))

            report = await import_files(
                paths,
                files=LocalFiles.under(system.settings.home),
                transactions=system.transactions,
                clock=system.clock,
                hints=hints,
                force=force,
                on_progress=show,
            )
            made = [
                await resample_series(symbol, parse_interval(have), to, transactions=system.transactions)
                for symbol, have in report.series
                for to in resample
                if to.ns > parse_interval(have).ns and to.ns % parse_interval(have).ns == 0
            ]
    return report, made


def _exit_code(report: "ImportReport") -> int:
    if report.failed:
        return max(exit_code(file.error) for file in report.failed if file.error is not None)
    return 2 if report.rejected else 0


def _document(report: "ImportReport", made: "list[ResampleReport]") -> dict[str, Any]:
    from marketsentry.adapters.process_memory import MIB, peak_resident_bytes

    return {
        "rows": report.rows,
        "inserted": sum(file.inserted for file in report.files),
        "rejected": report.rejected,
        "failed": len(report.failed),
        "seconds": round(report.seconds, 3),
        "peak_memory_mib": round(peak_resident_bytes() / MIB, 1),
        "files": [_file_document(file) for file in report.files],
        "resampled": made,
    }


def _file_document(file: "FileReport") -> dict[str, Any]:
    import dataclasses

    document = {name.name: getattr(file, name.name) for name in dataclasses.fields(file)}
    document["seconds"] = round(file.seconds, 3)
    document["error"] = str(file.error) if file.error else None
    return document


def _show(report: "ImportReport", made: "list[ResampleReport]") -> None:
    for file in report.files:
        what = " ".join(part for part in (file.symbol, file.interval, file.source) if part)
        counts = [f"{file.rows:,} rows"]
        counts += [f"{n:,} {name}" for name, n in _counts(file) if n]
        if file.status == "failed":
            typer.echo(f"failed     {file.error}")
        elif file.status == "skipped":
            typer.echo(f"skipped    {file.path}: {file.note}")
        else:
            typer.echo(f"{file.status:<10} {file.path}: {what}: {', '.join(counts)} in {file.seconds:.2f} s")
        for reject in file.first_rejects:
            say(f"  {reject.file}:{reject.line}: {reject.reason}: {reject.text[:100]}")
        if file.reject_file:
            say(f"  all {file.rejected:,} refused rows: {file.reject_file}")
    for one in made:
        typer.echo(
            f"made       {one.symbol} {one.made_interval} of {one.interval}: {one.inserted:,} new bars"
        )
    typer.echo(f"{report.rows:,} rows in {report.seconds:.2f} s")


def _counts(file: "FileReport") -> tuple[tuple[str, int], ...]:
    return (
        ("new", file.inserted),
        ("changed", file.updated),
        ("known", file.unchanged),
        ("folded" if file.kind == "book" else "repeated", file.duplicates),
        ("refused", file.rejected),
    )
