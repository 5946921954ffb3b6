"""The status on a terminal, 80 columns wide."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from marketsentry.ports.feeds import FeedState
from marketsentry.services.status import ModelStatus, RunStatus, SeriesStatus

WORD_STYLES = {
    "connected": "green",
    "ready": "green",
    "pass": "green",
    "completed": "green",
    "stream": "green",
    "polling": "yellow",
    "disconnected": "bold red",
    "not_ready": "bold red",
    "fail": "red",
    "failed": "red",
    "refused": "red",
}
MIB = 1 << 20


def print_status(document: dict[str, Any], console: Console | None = None) -> None:
    """Print the document of `ms status`."""
    console = console or Console(highlight=False)
    _print_engines(document, console)
    _print_feeds(document.get("feeds", ()), console)
    if document.get("accounts"):
        from marketsentry.cli.account_screen import print_accounts

        print_accounts(document["accounts"], console)
    _print_series(document["series"], console)
    _print_models(document["models"], document["n_models"], console)
    _print_runs(document["runs"], console)
    disk = document["disk"]
    parts = ", ".join(f"{name} {size / MIB:,.1f}" for name, size in disk["parts"].items() if size >= MIB / 10)
    console.print(
        Text.assemble(("disk".ljust(10), "bold"), f"{disk['bytes'] / MIB:,.1f} MiB in all, {parts}")
    )


def _print_engines(document: dict[str, Any], console: Console) -> None:
    engines, schema, api = document["engines"], document["schema"], document["api"]
    _line(console, "home", str(document["home"]))
    for name in ("postgres", "redis"):
        note = " (started for this answer)" if name in engines["started_for_this_answer"] else ""
        _line(console, name, engines[name], note)
    if owner := engines["owner"]:
        _line(console, "run by", f"process {owner.pid} since {owner.since}: {owner.command}")
    newer = "" if schema["revision"] == schema["head"] else f", and this program knows {schema['head']}"
    _line(console, "schema", f"revision {schema['revision']}{newer}")
    _line(console, "api", str(api["state"]), f" {api['address']}")


def _print_feeds(feeds: Sequence[FeedState], console: Console) -> None:
    for one in feeds:
        _line(
            console, "feed", str(one.mode), f" {one.source} {one.interval} since {one.since:%Y-%m-%d %H:%MZ}"
        )
        heard = "nothing heard" if one.heard_at is None else f"heard {one.heard_at:%H:%M:%SZ}"
        counts = f"{one.n_interruptions:,} interruptions, {one.n_backfills:,} back-fills"
        for text in (", ".join(one.symbols), f"{heard}, {counts}", one.reason):
            if text:
                console.print(Padding(Text(text, style="dim"), (0, 0, 0, 10)))


def _print_series(series: Sequence[SeriesStatus], console: Console) -> None:
    if not series:
        _line(console, "series", "none yet: ms data import PATH, ms data download, or ms data synth")
        return
    table = _table(
        "series", "bar", "source", "bars", "lost", "newest bar", "age", right=("bars", "lost", "age")
    )
    for one in series:
        label = f"{one.source}*" if one.is_synthetic else one.source
        at, age = f"{one.newest_bar_at:%Y-%m-%d %H:%M}", _age(one.newest_age_s)
        table.add_row(one.symbol, one.interval, label, f"{one.bars:,}", f"{one.lost:,}", at, age)
    console.print(table)
    if any(one.is_synthetic for one in series):
        console.print("* synthetic: not a market", style="dim")


def _print_models(models: Sequence[ModelStatus], n_models: int, console: Console) -> None:
    if not models:
        _line(console, "models", "none yet: see `ms train --help`")
        return
    table = _table("model", "verdict", "state", "registered")
    for one in models:
        at = f"{one.created_at:%Y-%m-%d %H:%M}"
        table.add_row(f"{one.name}:{one.version}", _styled(one.verdict), _styled(one.state), at)
    console.print(table)
    if n_models > len(models):
        console.print(f"and {n_models - len(models):,} older: ms model list", style="dim")


def _print_runs(runs: Sequence[RunStatus], console: Console) -> None:
    if not runs:
        _line(console, "backtests", "none yet: see `ms backtest run --help`")
        return
    table = _table("run", "model", "status", "pnl", "drawdown", "sharpe", right=("pnl", "drawdown", "sharpe"))
    for one in runs:
        figures = one.metrics
        table.add_row(
            str(one.run_id),
            one.model,
            _styled(one.reason or one.status),
            _share(figures["pnl_after_cost"], "+"),
            _share(figures["max_drawdown"], ""),
            "-" if figures["sharpe"] is None else f"{figures['sharpe']:.2f}",
        )
    console.print(table)


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _line(console: Console, name: str, word: str, note: str = "") -> None:
    console.print(Text.assemble((f"{name:<10}", "bold"), _styled(word), (note, "dim")), soft_wrap=True)


def _styled(word: str) -> Text:
    return Text(word, style=WORD_STYLES.get(word, ""))


def _share(value: float | None, sign: str) -> str:
    return "-" if value is None else f"{value:{sign}.2%}"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"
