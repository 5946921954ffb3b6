"""`ms parity --replay`: trade a stored backtest again on paper and compare."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.exceptions import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from marketsentry.services.parity import ParityReport

app = typer.Typer(add_completion=False, rich_markup_mode=None)

EXIT_NO_RUN, EXIT_DIFFERS = 2, 3


@app.command()
def parity(
    run_id: Annotated[int, typer.Argument(metavar="[RUN]", help="Id of the backtest; 0 is the newest.")] = 0,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Trade the recorded bars again on paper, through the whole stack."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Trade a stored backtest again on paper, bar by bar, and compare weights, fills and equity.

    Decisions, orders, fills and the ledger are those of any other trading, on an account of their own; the clock and
    the market are the recorded ones. Risk rules that a backtest does not have (volatility breaker, daily loss, streak,
    drawdown) are lifted.

    Exit code 0 when nothing differs by more than 1e-9; 2 when there is no such run or it cannot be traded again, such
    as one of perpetuals; 3 when they differ; 4 when the database failed.

    Example:  ms parity --replay --json
    """
    if not replay:
        raise InputError("parity needs --replay: recorded bars are what it can compare on")
    try:
        report = asyncio.run(_run(run_id))
    except (NotFoundError, ConflictError) as error:
        if as_json:
            reason = "run_not_found" if isinstance(error, NotFoundError) else "run_cannot_be_repeated"
            print_json({"status": "failed", "reason": reason})
        say(f"error: {error}")
        raise typer.Exit(EXIT_NO_RUN) from error
    if as_json:
        print_json(document(report))
    else:
        _show(report)
    raise typer.Exit(0 if report.parity.is_equal else EXIT_DIFFERS)


async def _run(run_id: int) -> "ParityReport":
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.rehearsal import replayed_trading
    from marketsentry.services.backtest import RunContext, backtest_defaults
    from marketsentry.services.parity import load_run, trade_again

    async with open_system() as system:
        context = RunContext(system.transactions, system.artifacts, system.clock, system.code_version)
        run = await load_run(run_id, context=context, defaults=backtest_defaults(system.settings))
        async with replayed_trading(system, run.panel.symbols, run.params) as parts:
            with steps_on_stderr() as on_progress:
                return await trade_again(
                    run, parts, progress=lambda done, total: on_progress("bars", done / total)
                )


def document(report: "ParityReport") -> dict[str, object]:
    """Spell a report as JSON values."""
    found = report.parity
    return {
        "run_id": report.run_id,
        "max_abs_diff": found.max_abs_diff,
        "bars": found.n_bars,
        "fills": found.n_fills,
        "from": report.start,
        "to": report.end,
        "passed": found.is_equal,
        "diffs": {
            "equity": found.equity,
            "weights": found.weights,
            "quantity": found.quantity,
            "price": found.price,
        },
        "fills_only_in_run": found.n_only_in_run,
        "fills_only_in_backtest": found.n_only_in_backtest,
        "blocked": report.blocked,
        "codes": report.codes,
        "strategy_id": report.strategy_id,
    }


def _show(report: "ParityReport") -> None:
    found = report.parity
    word = "equals" if found.is_equal else "differs from"
    say(f"the paper run {word} backtest {report.run_id}: {found.n_bars:,} bars, {found.n_fills:,} fills")
    for name in ("equity", "weights", "quantity", "price"):
        say(f"  {name:<9} largest difference {getattr(found, name):.3g}")
    for count, where in ((found.n_only_in_run, "paper run"), (found.n_only_in_backtest, "backtest")):
        if count:
            say(f"  {count:,} fills only in the {where}")
    if report.blocked:
        say(f"  risk held back {report.blocked} times: {', '.join(report.codes)}")
    say(f"  its orders: ms orders list --strategy {report.strategy_id}")
