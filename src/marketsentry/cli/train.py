"""`ms train`: train a candidate by purged walk-forward and judge it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.cli.resources import Stopwatch
    from marketsentry.services.candidate import TrainingResult

app = typer.Typer(add_completion=False, rich_markup_mode=None)

EXIT_OK, EXIT_FAILED = 0, 2


@app.command()
def train(
    name: Annotated[str, typer.Option(help="Name to register the model under.")],
    version: Annotated[str, typer.Option(help="Version; once registered it never changes.")],
    symbols: Annotated[str, typer.Option(help="Comma-separated; default LIQUID_SYMBOLS.")] = "",
    interval: Annotated[str, typer.Option(help="Bar length, e.g. 5m or 1h.")] = "5m",
    horizon: Annotated[str, typer.Option(help="Label horizon: 1h, 4h, 1d or 7d.")] = "1h",
    since: Annotated[str, typer.Option(help="First bar, ISO date or time in UTC; default all.")] = "",
    until: Annotated[str, typer.Option(help="Bars before this time; default all.")] = "",
    features: Annotated[str, typer.Option(help="`builtin`, a Python file or an entry point.")] = "builtin",
    model: Annotated[
        str, typer.Option(help="`lightgbm_panel`, a Python file or an entry point.")
    ] = "lightgbm_panel",
    param: Annotated[
        list[str] | None, typer.Option(help="Parameter of the model, KEY=VALUE; may be repeated.")
    ] = None,
    folds: Annotated[int, typer.Option(min=1, help="Walk-forward folds; the verdict wants at least 5.")] = 5,
    kfold: Annotated[int, typer.Option(min=0, help="Splits of an additional purged k-fold; 0 = none.")] = 0,
    cpcv: Annotated[
        str,
        typer.Option(help="Combinatorial purged cross-validation, GROUPSxTESTED, e.g. 6x2; none if empty."),
    ] = "",
    embargo: Annotated[int, typer.Option(min=0, help="Bars dropped beyond the label horizon.")] = 12,
    seed: Annotated[int | None, typer.Option(help="Default TRAIN_SEED.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the fit; 0 = one per core.")] = 0,
    memory_limit: Annotated[
        int, typer.Option(min=0, help="MiB of private memory for the fit; 0 = 3/4 of what is free.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Train on stored bars: purged walk-forward folds, leak test, replay after cost, verdict, registry.

    Exit code 0 when the candidate was trained and passed, or there was too little to observe; 2 when the
    verdict is fail, the data gate blocked a symbol, or an input is wrong; 3 when bars are missing or the
    version exists with other content; 4 when the fitting process or the database failed.

    Example:  ms train --symbols BTC,ETH,SOL --interval 1h --horizon 4h --name panel --version v1
    """
    import asyncio

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.cli.resources import Stopwatch
    from marketsentry.cli.train_request import TrainOptions, make_requests, training_parts
    from marketsentry.cli.verdict_table import print_training
    from marketsentry.services.candidate import TrainingResult
    from marketsentry.services.train_stored import train_stored

    watch = Stopwatch()
    options = TrainOptions(
        name=name,
        version=version,
        symbols=symbols,
        interval=interval,
        horizon=horizon,
        since=since,
        until=until,
        features=features,
        model=model,
        params=tuple(param or ()),
        folds=folds,
        kfold=kfold,
        cpcv=cpcv,
        embargo=embargo,
        seed=seed,
        threads=threads,
        memory_limit_mib=memory_limit,
    )

    async def run() -> TrainingResult:
        async with open_system() as system:
            wanted, candidate = make_requests(options, system.settings)
            with steps_on_stderr() as on_progress:
                return await train_stored(wanted, candidate, training_parts(system), on_progress=on_progress)

    result = asyncio.run(run())
    if as_json:
        print_json({**result.document(), **_taken(watch, result)})
    else:
        print_training(result)
    failed = result.verdict is None or result.verdict.outcome == "fail"
    raise typer.Exit(EXIT_FAILED if failed else EXIT_OK)


def _taken(watch: "Stopwatch", result: "TrainingResult") -> dict[str, Any]:
    """Give rows, seconds and peak memory; the peak counts the fitting process too."""
    if result.usage is None:
        return watch.used(0)
    taken = watch.used(result.usage.rows)
    peak_mib = round(result.usage.peak_memory_bytes / (1 << 20), 1)
    return {**taken, "peak_memory_mib": max(taken["peak_memory_mib"], peak_mib)}
