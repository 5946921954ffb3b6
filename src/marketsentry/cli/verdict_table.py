"""A training and its verdict for a person: each value beside its limit."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.services.candidate import TrainingResult

MIB = 1 << 20
_COLOURS = {"pass": "green", "fail": "red", "insufficient_observation": "yellow"}


def print_training(result: TrainingResult, console: Console | None = None) -> None:
    """Print what came of a training on stdout."""
    console = console or Console(highlight=False)
    if result.verdict is None:
        console.print(Text(f"{result.name}:{result.version} {result.status}", style="red"))
        for row in result.results:
            console.print(f"  {row['symbol']}: {row['reason']}", markup=False)
        return
    print_verdict(f"{result.name}:{result.version}", result.verdict, console)
    digest = (result.artifact_sha256 or "")[:16]
    console.print(f"state {result.state} · model id {result.model_id} · sha256 {digest}")
    if result.usage is not None:
        use = result.usage
        console.print(
            f"{use.rows:,} rows · {use.seconds:.1f} s, {use.fit_seconds:.1f} s of it fitting · "
            f"peak memory {use.peak_memory_bytes // MIB:,} MiB"
        )
    elif result.is_reused:
        console.print("trained before from the same inputs: read back, not trained again")


def print_verdict(title: str, verdict: GateVerdict, console: Console) -> None:
    """Print each check with its value, limit and mark, then the outcome and what stands against it."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column, justify in (("", "left"), ("check", "left"), ("value", "right"), ("limit", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]  # rich spells these as literals
    for check in verdict.checks:
        mark = Text("ok", style="green") if check.passed else Text("no", style="red")
        if check.is_informative and not check.passed:
            mark = Text("note", style="yellow")
        value = "none" if check.value is None else f"{check.value:.6g}"
        table.add_row(mark, check.name, value, f"{check.comparison} {check.limit:.6g}")
    console.print(table)
    outcome = str(verdict.outcome)
    console.print(Text(f"verdict: {outcome}", style=f"bold {_COLOURS[outcome]}"))
    for reason in verdict.reasons:
        console.print(f"  {reason}", markup=False)
    for note in verdict.notes:
        console.print(f"  note: {note}", markup=False)
