"""A comparison of runs for a person and for a program."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsentry.core.backtest.compare import Comparison, Pair
from marketsentry.core.backtest.summary import rounded
from marketsentry.core.evidence.paired import Difference
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.services.compare import StoredComparison

_LEVEL = 0.05
_LONGEST = 20


def comparison_document(result: StoredComparison) -> dict[str, Any]:
    """Give a comparison as JSON values, rounded for the wire; configurations stand as they are."""
    document = result.comparison.document()
    differences = document.pop("differences")
    runs = [
        {"run_id": one.id, "model": model, "content_hash": one.run.content_hash}
        for one, model in zip(result.runs, result.models, strict=True)
    ]
    return {**rounded(document), "runs": runs, "differences": differences}


def print_comparison(result: StoredComparison, console: Console | None = None) -> None:
    """Print what differs, the metrics side by side with the best marked, and the tests."""
    console = console or Console(highlight=False)
    found = result.comparison
    _print_window(found, console)
    table = Table("metric", box=None, pad_edge=False)
    for name, model in zip(found.names, result.models, strict=True):
        table.add_column(f"{name} {model}", justify="right")
    for metric, values in found.metrics.items():
        if any(value is not None for value in values):
            best = found.best[metric]
            table.add_row(metric, *(_marked(value, i in best) for i, value in enumerate(values)))
    console.print(table)
    _print_differences(found, console)
    for i, pair in enumerate(found.pairs, 1):
        _print_pair(pair, found, float(found.correlation[0, i]), console)


def _print_window(found: Comparison, console: Console) -> None:
    window = found.window
    first, last = (f"{ns_to_datetime(int(ns)):%Y-%m-%d %H:%M}" for ns in window.moments_ns[[0, -1]])
    console.print(
        f"common window {first} to {last} UTC, {window.n_bars:,} bars of {window.interval}", markup=False
    )
    for one in window.accounts:
        if one.n_before or one.n_after:
            console.print(
                f"  {one.name}: {one.n_before:,} bars before and {one.n_after:,} after are left out",
                markup=False,
            )


def _print_differences(found: Comparison, console: Console) -> None:
    if not found.differences:
        console.print("configuration and data are the same")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("differs in", *found.names):
        table.add_column(heading, overflow="fold")
    for path, values in found.differences.items():
        table.add_row(path, *(_short(value) for value in values))
    console.print(table)


def _print_pair(pair: Pair, found: Comparison, correlation: float, console: Console) -> None:
    console.print(
        f"{pair.name} less {found.names[0]}, {found.how.level:.0%} intervals of {found.how.n_resamples:,} "
        f"resamples{_blocks(pair)}",
        markup=False,
    )
    n_pairs = len(found.pairs)
    for words, difference, adjusted in (
        ("return a year", pair.test.excess, pair.excess_p_holm),
        ("Sharpe ratio", pair.test.sharpe, pair.sharpe_p_holm),
    ):
        console.print(_test_line(words, difference, adjusted, n_pairs), soft_wrap=True)
    shared = pair.shared
    console.print(
        f"  correlation {_text(None if correlation != correlation else correlation)}, same entries "
        f"{_share(shared.same_entry_frac)}, same holdings {_share(shared.same_holding_frac)}",
        markup=False,
    )


def _test_line(words: str, difference: Difference, adjusted: float | None, n_pairs: int) -> Text:
    if difference.bounds is None or adjusted is None:
        return Text(f"  {words} {_text(difference.value)}: too little to test", style="yellow")
    p = f"p {difference.p_value:.3f}" + (f", {adjusted:.3f} after Holm" if n_pairs > 1 else "")
    verdict = "differs" if adjusted < _LEVEL else "may be luck"
    line = f"  {words} {difference.value:+.4f} [{difference.bounds.low:+.4f}, {difference.bounds.high:+.4f}], {p}: "
    return Text(line).append(verdict, style="green" if adjusted < _LEVEL else "yellow")


def _blocks(pair: Pair) -> str:
    return "" if pair.test.block_bars is None else f", blocks of {pair.test.block_bars:,} bars"


def _marked(value: float | None, is_best: bool) -> Text:
    return Text(f"* {_text(value)}", style="bold green") if is_best else Text(_text(value))


def _short(value: Any) -> Text:  # Any: a JSON value
    shown = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return Text(shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "...")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
