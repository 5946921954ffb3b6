"""`ms backtest`: replay a registered model over history, search its settings, list, compare and report runs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from marketsentry.cli.backtest_compare import compare
from marketsentry.cli.backtest_sweep import POLICY_HELP, SET_HELP, sweep
from marketsentry.cli.output import JSON_HELP, print_json, say

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

EXIT_FAILED = 2


@app.callback()
def backtest() -> None:
    """Replay a registered model over history; search its settings; list, compare and report runs.

    Example:  ms backtest run --model panel:v1 --json
    """


@app.command()
def run(
    model: Annotated[
        str, typer.Option(help="NAME or NAME:VERSION; default MODEL_NAME_LIQUID:MODEL_VERSION_LIQUID.")
    ] = "",
    symbols: Annotated[str, typer.Option(help="Comma-separated; default LIQUID_SYMBOLS.")] = "",
    horizon: Annotated[str, typer.Option(help="Must be the model's; default is the model's.")] = "",
    data_version: Annotated[str, typer.Option(help="Of the feature snapshots; default DATA_VERSION.")] = "",
    lookback_days: Annotated[
        int, typer.Option(help="Window that ends at the newest snapshot, 14..730.")
    ] = 90,
    train_days: Annotated[int, typer.Option(help="First part of it, not traded, 7..365.")] = 35,
    test_days: Annotated[int, typer.Option(help="Length of each reported window, 1..90.")] = 7,
    fee_bps: Annotated[float, typer.Option(help="Fee on traded notional.")] = 5.0,
    slippage_bps: Annotated[float, typer.Option(help="Half-spread on traded notional.")] = 3.0,
    market: Annotated[str, typer.Option(help="spot or perpetual: BTC then means BTC-PERP.")] = "spot",
    leverage: Annotated[
        float, typer.Option(help="Gross that the venue of perpetuals lends for, 1..100.")
    ] = 1.0,
    model_file: Annotated[str, typer.Option(help="Source of a model of your own, as it was trained.")] = "",
    policy: Annotated[str, typer.Option(help=POLICY_HELP)] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Replay a registered model on stored bars and snapshots, and store the run.

    Only models that had not seen a bar score it. A policy of your own decides in the place of the built-in rule; its
    source is stored with the run. Perpetuals need their bars, features and rates of funding; RISK_MAX_SINGLE_WEIGHT and
    the other limits hold under any leverage. Exit code 0 when the run completed, 2 when it failed (it is stored with
    its reason) or an input is wrong, 4 when the database failed.

    Example:  ms backtest run --model panel:v1 --symbols BTC,ETH --lookback-days 90 --json
    Example:  ms backtest run --model panel:v1 --policy examples/policy_example.py --set policy.stop_frac=0.03
    """
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.backtest_output import print_run, run_document
    from marketsentry.cli.resources import Stopwatch
    from marketsentry.core.backtest.request import BacktestRequest, market_named
    from marketsentry.ports.runs import StoredRun
    from marketsentry.services.backtest import backtest_defaults, run_backtest
    from marketsentry.services.backtest_policy import choose_policy

    watch = Stopwatch()
    chosen = choose_policy(policy, set_ or ())
    name, _, version = model.partition(":")

    async def go() -> StoredRun:
        async with open_system() as system:
            request = BacktestRequest(
                track="liquid",
                targets=tuple(one.strip().upper() for one in symbols.split(",") if one.strip()),
                horizon=horizon or None,
                model_name=name or None,
                model_version=version or None,
                data_version=data_version or system.settings.data_version,
                lookback_days=lookback_days,
                train_days=train_days,
                test_days=test_days,
                fee_bps=fee_bps,
                slippage_bps=slippage_bps,
                market=market_named(market),
                leverage=leverage,
            )
            return await run_backtest(
                request,
                transactions=system.transactions,
                artifacts=system.artifacts,
                clock=system.clock,
                defaults=backtest_defaults(system.settings),
                code_version=system.code_version,
                model_file=model_file or None,
                policy=chosen,
            )

    stored = asyncio.run(go())
    if as_json:
        print_json({**run_document(stored), **watch.used(stored.run.metrics["samples"])})
    else:
        print_run(stored)
    raise typer.Exit(0 if stored.run.status == "completed" else EXIT_FAILED)


app.command()(sweep)
app.command(context_settings={"ignore_unknown_options": True})(compare)  # -1 is a run, no option


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest so many runs.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List stored runs, newest first.

    Example:  ms backtest list --limit 5
    """
    from collections.abc import Sequence

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.backtest_output import print_runs, run_document
    from marketsentry.ports.runs import StoredRun

    async def go() -> Sequence[StoredRun]:
        async with open_system() as system, system.transactions() as stores:
            return await stores.runs.list_runs(limit=limit)

    runs = asyncio.run(go())
    if as_json:
        print_json([run_document(one) for one in runs])
    else:
        print_runs(runs)


@app.command()
def report(
    run_id: Annotated[int, typer.Argument(metavar="[RUN]", help="Id of the run; 0 is the newest.")] = 0,
    lang: Annotated[str, typer.Option(help="zh or en.")] = "en",
    out: Annotated[Path | None, typer.Option(help="File to write; default in the reports directory.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write the report of a run: one HTML file that opens offline.

    Exit code 0 when written, 2 for an unknown language, 3 when there is no such run.

    Example:  ms backtest report 1 --lang zh --out report.html
    """
    from marketsentry.bootstrap import open_system
    from marketsentry.services.report import write_report

    async def go() -> tuple[int, Path]:
        async with open_system() as system:
            async with system.transactions() as stores:
                chosen = run_id or (await stores.runs.newest()).id
            path = await write_report(
                chosen,
                lang=lang,
                out=out or system.reports_dir / f"backtest-{chosen}-{lang}.html",
                transactions=system.transactions,
                artifacts=system.artifacts,
            )
            return chosen, path

    chosen, path = asyncio.run(go())
    if as_json:
        print_json({"run_id": chosen, "lang": lang, "report": str(path)})
    else:
        say(f"wrote {path}")
