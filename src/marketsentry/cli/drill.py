"""`ms drill`: break something on purpose, prove that it was broken and that nothing was lost, undo it."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.services.drill import JitterReport

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

EXIT_NOT_OK = 2


@app.callback()
def drill() -> None:
    """Run a drill: a fault is injected, proved, survived and undone, also when the drill fails.

    Example:  ms drill exchange_jitter --orders 40 --json
    """


@app.command(name="exchange_jitter")
def exchange_jitter(
    orders: Annotated[int, typer.Option(min=16, max=2_000, help="How many orders to send.")] = 120,
    seed: Annotated[int, typer.Option(help="Of the market, the orders and the faults.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Trade at a broken exchange; no order may be lost, doubled or left unknown.

    The exchange is a simulated one on this machine. It answers late, not at all, with errors before and after it took
    an order, refuses and fills in part. Orders go through admission, the executor and the Coinbase adapter into an
    account of the drill alone, whose limits of risk are lifted; then everything that the exchange knows is held
    against the record. Takes one to three minutes.

    Exit code 0 when every fault happened and nothing differs; 2 when not; 3 when the kill switch blocks openings; 4
    when the database or the exchange failed.

    Example:  ms drill exchange_jitter --orders 40 --json
    """
    report = asyncio.run(_run(orders, seed))
    if as_json:
        print_json(document(report))
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else EXIT_NOT_OK)


async def _run(orders: int, seed: int) -> "JitterReport":
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.rehearsal import jitter_drill
    from marketsentry.services.drill import JitterRequest
    from marketsentry.services.drill import exchange_jitter as run_drill

    request = JitterRequest(n_orders=orders, seed=seed)
    async with open_system() as system, jitter_drill(system, seed=seed) as parts:
        with steps_on_stderr() as on_progress:
            return await run_drill(request, parts, on_progress)


def document(report: "JitterReport") -> dict[str, Any]:
    """Spell a report as JSON values."""
    found = report.comparison
    return {
        "scenario": report.scenario,
        "ok": report.ok,
        "orders": report.orders,
        "faults": dict(report.faults),
        "lost": found.lost,
        "duplicated": found.duplicated,
        "unknown_left": found.unknown_left,
        "seconds": report.seconds,
        "statuses": dict(report.statuses),
        "differences": [*found.differences, *(one.event_code for one in report.reconciled)],
        "steps": report.steps,
    }


def _show(report: "JitterReport") -> None:
    found = report.comparison
    say(f"{report.scenario}: {'ok' if report.ok else 'NOT OK'} in {report.seconds:.0f} s")
    say(f"  {report.orders} orders: {_counts(report.statuses)}")
    say(f"  {sum(report.faults.values())} faults: {_counts(report.faults)}")
    say(f"  lost {found.lost}, duplicated {found.duplicated}, unknown {found.unknown_left}")
    for step in report.steps:
        for line in step.stderr.splitlines():
            say(f"  {line}")


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counted.items()))
