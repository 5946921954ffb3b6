"""The demo on a terminal: a line for each step with its time, a spinner on the one under way, and the outcome."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from marketsentry.services.demo import DemoResult, DemoStep, StepWatch

NAME_WIDTH, TIME_WIDTH = 20, 8
VERDICT_STYLES = {"pass": "bold green", "fail": "bold red"}


class DemoScreen:
    """Writes to stderr, so that stdout holds nothing but the JSON document. A context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = Status("", console=self._console)
        self._name = ""
        self._started = self._born = time.perf_counter()
        self.steps: list[DemoStep] = []
        self.watch = StepWatch(started=self.started, progress=self._show_progress, done=self._done)

    def __enter__(self) -> Self:
        self._console.print(Text("MarketSentry demo", style="bold"))
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        if error is not None:
            self._console.print(Text(f"  ✗ {self._name}", style="bold red"))

    @property
    def seconds(self) -> float:
        """Time since the screen was opened."""
        return round(time.perf_counter() - self._born, 3)

    def started(self, name: str) -> None:
        """Show that a step is under way."""
        self._name = name
        self._started = time.perf_counter()
        self._status.update(f"{name} ...")

    def engines_are_up(self) -> None:
        """End the step that no service takes: starting the engines."""
        seconds = round(time.perf_counter() - self._started, 3)
        self._done(DemoStep("engines", seconds, "PostgreSQL and Redis are up, the schema is built"))

    def finish(self, result: DemoResult) -> None:
        """Say what came of it."""
        self._status.stop()
        self._console.print()
        for candidate in result.candidates:
            style = VERDICT_STYLES.get(candidate.verdict, "bold yellow")
            self._console.print(
                Text.assemble("  ", f"{candidate.name:<{NAME_WIDTH}}", (candidate.verdict, style))
            )
            for reason in candidate.reasons[:3]:
                self._console.print(Padding(Text(reason, style="dim"), (0, 0, 0, 6)))
        self._console.print(f"\n  content hash  {result.content_hash[:32]}", markup=False)
        self._console.print(f"  report        {result.report}", markup=False, soft_wrap=True)
        self._console.print(f"  all in        {self.seconds:.1f} s", markup=False)

    def _show_progress(self, what: str, share: float) -> None:
        done = f" {share:.0%}" if share > 0 else ""
        self._status.update(f"{self._name}: {what}{done} ...")

    def _done(self, step: DemoStep) -> None:
        self.steps.append(step)
        line = Table.grid(padding=(0, 1))
        line.add_column(width=1)
        line.add_column(width=NAME_WIDTH)
        line.add_column(width=TIME_WIDTH, justify="right")
        line.add_column(ratio=1)
        line.add_row(
            Text("✓", style="green"),
            step.name,
            Text(f"{step.seconds:.1f} s", style="cyan"),
            Text(step.detail, style="dim"),
        )
        self._console.print(line)
