"""`ms features build`, `export-samples`, `list`: datasets, labelled samples, and what the features are."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.cli.resources import Stopwatch
    from marketsentry.core.dataset import Dataset
    from marketsentry.services.datasets import DatasetRequest

Features = Annotated[str, typer.Option(help="`builtin`, the path of a Python file, or an entry point.")]
Symbols = Annotated[str, typer.Option(help="Comma-separated; empty means LIQUID_SYMBOLS.")]
BarLength = Annotated[str, typer.Option("--interval", help="Bar length, e.g. 5m or 1h.")]
Since = Annotated[str | None, typer.Option(help="First bar, e.g. 2021-01-01; default is all that is stored.")]
Until = Annotated[str | None, typer.Option(help="Bars that open before this time.")]
AsJson = Annotated[bool, typer.Option("--json", help=JSON_HELP)]
Progress = Callable[[str, float], None]


def build(
    symbols: Symbols = "",
    interval: BarLength = "5m",
    features: Features = "builtin",
    since: Since = None,
    until: Until = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots/--no-snapshots", help="Also write feature snapshots to the record.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Build a dataset: quality gate, features, labels, Parquet files and feature snapshots.

    A dataset is named by its content: a second build of the same bars, features and code writes nothing. Symbols
    that the quality gate blocks are named and left out.

    Exit codes: 0 built or already there; 2 every symbol is blocked (the JSON says why of each) or the input is
    wrong; 3 no such bars.

    Example:  ms features build --symbols BTC,ETH --interval 1h --json
    """
    import asyncio

    from marketsentry.cli.resources import Stopwatch
    from marketsentry.core.dataset import AllBlockedError

    watch = Stopwatch()
    request = _request(symbols, interval, since, until, snapshots)
    try:
        dataset, path = asyncio.run(_build(request, features))
    except AllBlockedError as error:
        if as_json:
            print_json({"content_hash": None, "blocked": [one.as_dict() for one in error.blocked]})
        raise
    document = _document(dataset, path, watch)
    if as_json:
        print_json(document)
    else:
        _show(document)


def export_samples(
    to: Annotated[Path, typer.Option("--to", help="File to write: .parquet, .csv or .csv.gz.")],
    symbols: Symbols = "",
    interval: BarLength = "5m",
    horizons: Annotated[str, typer.Option(help="Comma-separated: 1h, 4h, 1d, 7d.")] = "1h",
    threshold: Annotated[
        float, typer.Option(min=0.0, help="A move within this fraction is neutral.")
    ] = 0.005,
    since: Since = None,
    until: Until = None,
    table: Annotated[
        bool, typer.Option("--table/--no-table", help="Also fill the table of training samples.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Export labelled windows: prices at both ends, the change as a fraction, up, neutral or down.

    The dataset is built first unless it is there.

    Exit codes: 0 written; 2 the input is wrong or every symbol is blocked; 3 no such bars.

    Example:  ms features export-samples --symbols BTC --interval 1h --horizons 1h,1d --to samples.parquet
    """
    import asyncio

    from marketsentry.cli.resources import Stopwatch

    watch = Stopwatch()
    request = _request(symbols, interval, since, until, with_snapshots=False)
    wanted = [name.strip() for name in horizons.split(",") if name.strip()]
    document = asyncio.run(_export(request, wanted, threshold, to, table))
    document |= watch.used(document["rows"])
    if as_json:
        print_json(document)
    else:
        say(f"{document['rows']:,} samples in {to}; {document['rows_in_table']:,} new in the table")


def list_(features: Features = "builtin", as_json: AsJson = False) -> None:
    """List the features of a set: definition, unit, warm-up, source, and what missing means.

    Exit code 0.

    Example:  ms features list --json
    """
    from marketsentry.services.plugins import load_feature_set

    schema = load_feature_set(features).schema
    if as_json:
        print_json({"version": schema.version, "schema_hash": schema.hash, "features": schema.features})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("feature", "definition", "unit", "bars", "source", "missing", box=None, pad_edge=False)
    for one in schema.features:
        table.add_row(
            one.name, one.definition, one.unit, str(one.lookback_bars), one.source, one.missing_rule
        )
    console = Console()
    console.print(table)
    console.print(f"{len(schema.features)} features, version {schema.version}, schema {schema.hash[:12]}")


def _request(
    symbols: str, interval: str, since: str | None, until: str | None, with_snapshots: bool
) -> "DatasetRequest":
    from marketsentry.core.market.interval import parse_interval
    from marketsentry.core.market.timestamps import parse_time_ns
    from marketsentry.services.datasets import DatasetRequest
    from marketsentry.settings import load_settings

    settings = load_settings()
    wanted = tuple(name.strip().upper() for name in symbols.split(",") if name.strip())
    return DatasetRequest(
        wanted or settings.liquid_symbols,
        parse_interval(interval),
        since_ns=None if since is None else parse_time_ns(since),
        until_ns=None if until is None else parse_time_ns(until),
        data_version=settings.data_version,
        with_snapshots=with_snapshots,
    )


async def _build(request: "DatasetRequest", features: str) -> "tuple[Dataset, str]":
    from marketsentry.bootstrap import open_system

    async with open_system() as system:
        return await _build_in(system, request, features)


async def _build_in(system: "System", request: "DatasetRequest", features: str) -> "tuple[Dataset, str]":
    from marketsentry.adapters.code_version import code_version
    from marketsentry.adapters.dataset_files import ParquetDatasets
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.core.lineage import code_version_with
    from marketsentry.services.datasets import build_dataset
    from marketsentry.services.plugins import load_feature_set, plugin_code_hash

    files = ParquetDatasets(system.datasets_dir)
    with steps_on_stderr() as on_progress:
        dataset = await build_dataset(
            request,
            feature_set=load_feature_set(features),
            code_version=code_version_with(code_version(), plugin_code_hash(features)),
            transactions=system.transactions,
            files=files,
            clock=system.clock,
            limits=system.quality_limits,
            on_progress=on_progress,
        )
    return dataset, files.path_of(dataset.content_hash)


async def _export(
    request: "DatasetRequest", horizons: list[str], threshold_frac: float, to: Path, table: bool
) -> dict[str, Any]:
    import asyncio

    from marketsentry.adapters.sample_files import write_sample_file
    from marketsentry.bootstrap import open_system
    from marketsentry.services.samples import store_samples, training_samples

    async with open_system() as system:
        dataset, _ = await _build_in(system, request, "builtin")
        samples = training_samples(dataset, horizons, threshold_frac=threshold_frac)
        n_rows = await asyncio.to_thread(write_sample_file, to, samples)
        n_new = 0
        if table:
            n_new = await store_samples(
                dataset, horizons, transactions=system.transactions, threshold_frac=threshold_frac
            )
    return {
        "path": str(to),
        "rows": n_rows,
        "rows_in_table": n_new,
        "horizons": horizons,
        "content_hash": dataset.content_hash,
        "blocked": [one.as_dict() for one in dataset.blocked],
    }


def _document(dataset: "Dataset", path: str, watch: "Stopwatch") -> dict[str, Any]:
    return {
        "content_hash": dataset.content_hash,
        "path": path,
        "symbols": dataset.panel.symbols,
        "interval": dataset.panel.interval.name,
        "features": len(dataset.features.names),
        "schema_hash": dataset.features.schema.hash,
        "labels": list(dataset.labels),
        "lineage_ids": dataset.lineage_ids,
        "snapshots_written": dataset.snapshots_written,
        "blocked": [one.as_dict() for one in dataset.blocked],
        **watch.used(dataset.n_rows),
    }


def _show(document: dict[str, Any]) -> None:
    symbols = ", ".join(document["symbols"])
    typer.echo(
        f"{document['rows']:,} rows x {document['features']} features of {symbols} ({document['interval']})"
    )
    typer.echo(f"dataset {document['content_hash'][:16]} in {document['path']}")
    written = document["snapshots_written"]
    typer.echo(
        f"{written:,} snapshots written" if written else "nothing to write: this dataset was there already"
    )
    for one in document["blocked"]:
        typer.echo(f"blocked by data quality: {one['symbol']} ({one['reason']})")
    typer.echo(f"{document['seconds']:.1f} s, peak memory {document['peak_memory_mib']:.0f} MiB")
