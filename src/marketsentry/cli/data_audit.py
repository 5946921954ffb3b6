"""`ms data audit`: the data-quality gate over stored series."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from marketsentry.services.quality import AuditRequest, SeriesAudit

SHOWN_GAPS = 5


def audit(
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols; none means every series.")] = None,
    interval: Annotated[str | None, typer.Option(help="Only this bar length, e.g. 5m.")] = None,
    window: Annotated[
        bool,
        typer.Option("--window/--all", help="The last 72 h of 5m bars (else 48 h) / all that is stored."),
    ] = False,
    as_of: Annotated[
        str,
        typer.Option(help="`end`: each series at its newest bar; `now` or a time judges freshness too."),
    ] = "end",
    against: Annotated[
        str | None, typer.Option(help="Stored symbol of a second source to compare closes with.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Judge stored series by the data-quality gate, each figure beside its limit.

    Missing bars are counted on the grid where bars should be; bars in which nothing traded are not missing.
    `--all` is what training asks for, `--window` what opening a position asks for. Each judgement is stored.

    Exit codes: 0 every series passes; 2 a series fails; 3 no such series.

    Example:  ms data audit BTC ETH --interval 5m
    """
    import asyncio

    from marketsentry.cli.resources import Stopwatch
    from marketsentry.core.market.interval import parse_interval
    from marketsentry.services.quality import AuditRequest, Scope

    watch = Stopwatch()
    request = AuditRequest(
        symbols=tuple(symbol.upper() for symbol in symbols or ()),
        interval=None if interval is None else parse_interval(interval),
        scope=Scope.WINDOW if window else Scope.ALL,
        against=None if against is None else against.upper(),
    )
    audits = asyncio.run(_run(request, as_of))
    passed = all(audit.verdict.passed for audit in audits)
    if as_json:
        used = watch.used(sum(one.facts.total_rows for one in audits))
        print_json({"passed": passed, "series": [_document(one) for one in audits], **used})
    else:
        from rich.console import Console

        console = Console(highlight=False)
        for one in audits:
            _show(one, console)
        console.print(f"{sum(one.verdict.passed for one in audits)} of {len(audits)} series pass")
    if not passed:
        raise typer.Exit(2)


async def _run(request: "AuditRequest", as_of: str) -> "tuple[SeriesAudit, ...]":
    from dataclasses import replace

    from marketsentry.bootstrap import open_system
    from marketsentry.core.market.timestamps import datetime_to_ns, parse_time_ns
    from marketsentry.services.quality import audit_stored

    async with open_system() as system:
        if as_of != "end":
            as_of_ns = datetime_to_ns(system.clock.now()) if as_of == "now" else parse_time_ns(as_of)
            request = replace(request, as_of_ns=as_of_ns)
        return await audit_stored(request, transactions=system.transactions, limits=system.quality_limits)


def _document(audit: "SeriesAudit") -> dict[str, Any]:
    from marketsentry.core.market.timestamps import ns_to_datetime

    return {
        "symbol": audit.symbol,
        "interval": audit.interval.name,
        "source": audit.source,
        "is_synthetic": audit.is_synthetic,
        "scope": str(audit.scope),
        "window_start": ns_to_datetime(audit.facts.window_start_ns),
        "as_of": ns_to_datetime(audit.facts.as_of_ns),
        "passed": audit.verdict.passed,
        "reasons": audit.verdict.reasons,
        "data_quality": audit.verdict.result,
        "checks": audit.verdict.checks,
        "gaps": [
            {"start": ns_to_datetime(gap.start_ns), "n_bars": gap.n_bars}
            for gap in sorted(audit.facts.gaps, key=lambda gap: -gap.n_bars)
        ],
    }


def _show(audit: "SeriesAudit", console: "Console") -> None:
    from rich.table import Table

    from marketsentry.core.market.timestamps import ns_to_datetime

    facts = audit.facts
    mark = "[green]PASS[/]" if audit.verdict.passed else f"[red]FAIL[/] {', '.join(audit.verdict.reasons)}"
    console.print(f"[bold]{audit.symbol} {audit.interval}[/] {audit.source} · {mark}")
    start, end = (f"{ns_to_datetime(ns):%Y-%m-%d %H:%M}" for ns in (facts.window_start_ns, facts.as_of_ns))
    console.print(f"  {start} to {end}")
    console.print(
        f"  bars: {facts.expected_rows:,} expected, {facts.n_missing:,} lost, {facts.n_no_trade:,} without trades"
    )
    grid = Table.grid(padding=(0, 2))
    cells = [
        f"{'' if check.passed else '[red]'}  {check.name} {_figure(check.value)} "
        f"{check.comparison} {check.limit:g}"
        for check in audit.verdict.checks
    ]
    for left in range(0, len(cells), 2):
        grid.add_row(*cells[left : left + 2])
    console.print(grid)
    for gap in sorted(facts.gaps, key=lambda gap: -gap.n_bars)[:SHOWN_GAPS]:
        after_ns = gap.start_ns + gap.n_bars * audit.interval.ns
        first, after = (f"{ns_to_datetime(ns):%Y-%m-%d %H:%M}" for ns in (gap.start_ns, after_ns))
        console.print(f"  gap {first} to {after}: {gap.n_bars:,} {'bar' if gap.n_bars == 1 else 'bars'} lost")
    if len(facts.gaps) > SHOWN_GAPS:
        console.print(f"  and {len(facts.gaps) - SHOWN_GAPS} shorter gaps (see --json)")


def _figure(value: float | None) -> str:
    return "not measured" if value is None or value != value else f"{value:.6g}"
