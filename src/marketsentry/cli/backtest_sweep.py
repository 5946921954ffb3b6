"""`ms backtest sweep`: search parameter settings of the replay."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.core.backtest.search import Search
    from marketsentry.services.sweep import SweepResult

POLICY_HELP = (
    "A policy of your own: a Python file, an entry point, or `builtin`; default is the built-in rule."
)
SET_HELP = "policy.NAME=NUMBER, a parameter of the policy; may be repeated."


def sweep(
    model: Annotated[
        str, typer.Option(help="NAME or NAME:VERSION; default MODEL_NAME_LIQUID:MODEL_VERSION_LIQUID.")
    ] = "",
    grid: Annotated[list[str] | None, typer.Option(help="NAME=VALUE,VALUE,...; may be repeated.")] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", help="NAME=LOW:HIGH for --random and --sobol; may be repeated."),
    ] = None,
    random: Annotated[int, typer.Option(help="Draw so many settings within the ranges.")] = 0,
    sobol: Annotated[int, typer.Option(help="The same, spread evenly (best a power of two).")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    rank_by: Annotated[str, typer.Option(help="sharpe, sortino or pnl_after_cost.")] = "sharpe",
    symbols: Annotated[str, typer.Option(help="Comma-separated; default LIQUID_SYMBOLS.")] = "",
    data_version: Annotated[str, typer.Option(help="Of the feature snapshots; default DATA_VERSION.")] = "",
    lookback_days: Annotated[
        int, typer.Option(help="Window that ends at the newest snapshot, 14..730.")
    ] = 90,
    train_days: Annotated[int, typer.Option(help="First part of it, not traded, 7..365.")] = 35,
    market: Annotated[str, typer.Option(help="spot or perpetual: BTC then means BTC-PERP.")] = "spot",
    leverage: Annotated[
        float, typer.Option(help="Gross that the venue of perpetuals lends for, 1..100.")
    ] = 1.0,
    model_file: Annotated[str, typer.Option(help="Source of a model of your own, as it was trained.")] = "",
    policy: Annotated[str, typer.Option(help=POLICY_HELP)] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET_HELP)] = None,
    threads: Annotated[int, typer.Option(min=0, help="Settings replayed at once; 0 is every core.")] = 0,
    lang: Annotated[str, typer.Option(help="Of the page: zh or en.")] = "en",
    out: Annotated[Path | None, typer.Option(help="Page to write; default in the reports directory.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Replay a registered model under many parameter settings; each is counted as a trial.

    Parameters are those of a replay by name, such as fee_bps, entry_edge_bps or max_single_weight, and those of a
    policy as policy.NAME; an unknown one is refused with the list. Interrupted, it goes on when asked again. Exit code
    0 when done, 2 for a wrong input, 3 when the model or its data cannot be replayed, 4 when the database failed.

    Example:  ms backtest sweep --model panel:v1 --grid entry_edge_bps=0,5,10
    Example:  ms backtest sweep --model panel:v1 --policy examples/policy_example.py --grid policy.stop_frac=0.1,1
    """
    from marketsentry.adapters.machine import LocalMachine
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.cli.resources import Stopwatch
    from marketsentry.cli.sweep_output import print_sweep, sweep_document
    from marketsentry.core.backtest.request import BacktestRequest, market_named
    from marketsentry.services.backtest import RunContext, backtest_defaults
    from marketsentry.services.backtest_policy import choose_policy
    from marketsentry.services.sweep import SweepRequest, run_sweep
    from marketsentry.services.sweep_report import write_sweep_report

    watch = Stopwatch()
    search = _search(grid or [], ranges or [], random, sobol, seed)
    chosen = choose_policy(policy, set_ or ())
    name, _, version = model.partition(":")

    async def go() -> tuple["SweepResult", Path]:
        async with open_system() as system:
            request = BacktestRequest(
                track="liquid",
                targets=tuple(one.strip().upper() for one in symbols.split(",") if one.strip()),
                model_name=name or None,
                model_version=version or None,
                data_version=data_version or system.settings.data_version,
                lookback_days=lookback_days,
                train_days=train_days,
                market=market_named(market),
                leverage=leverage,
            )
            with steps_on_stderr() as on_progress:
                result = await run_sweep(
                    SweepRequest(request, search, rank_by),
                    context=RunContext(
                        system.transactions,
                        system.artifacts,
                        system.clock,
                        system.code_version,
                        model_file or None,
                        chosen,
                    ),
                    defaults=backtest_defaults(system.settings),
                    n_threads=threads or LocalMachine().cores(),
                    on_progress=on_progress,
                )
            page = out or system.reports_dir / f"sweep-{result.content_hash[:12]}-{lang}.html"
            return result, await write_sweep_report(result, lang=lang, out=page)

    result, page = asyncio.run(go())
    if as_json:
        print_json({**sweep_document(result), "report": str(page), **watch.used(result.n_settings)})
    else:
        print_sweep(result)
        say(f"wrote {page}")


def _search(grid: list[str], ranges: list[str], random: int, sobol: int, seed: int) -> "Search":
    """Read the one kind of search that is asked for."""
    from marketsentry.core.backtest.search import Method, Search, parse_grid, parse_range
    from marketsentry.exceptions import InputError

    if sum((bool(grid), random > 0, sobol > 0)) != 1:
        raise InputError("a sweep needs one of --grid, --random N and --sobol N")
    if bool(ranges) == bool(grid):
        raise InputError("--range belongs to --random and --sobol, which need at least one")
    if grid:
        return Search(Method.GRID, tuple(parse_grid(one) for one in grid))
    method = Method.RANDOM if random else Method.SOBOL
    return Search(method, tuple(parse_range(one) for one in ranges), n_draws=random or sobol, seed=seed)
