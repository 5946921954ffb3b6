"""Progress with ETA on stderr: only on a terminal, and only for what takes longer than two seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOW_AFTER_S = 2.0


@contextmanager
def steps_on_stderr(*, show_after_s: float = SHOW_AFTER_S) -> Iterator[Callable[[str, float], None]]:
    """Give a function to call with the name of the step and its done share 0..1; steps may take turns."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    if not sys.stderr.isatty():
        yield lambda step, share: None
        return
    columns = (TextColumn("{task.description:<16}"), BarColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    started = time.monotonic()
    tasks: dict[str, TaskID] = {}

    def report(step: str, share: float) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step, total=1.0)
        progress.update(tasks[step], completed=share)
        if not progress.live.is_started and time.monotonic() - started >= show_after_s:
            progress.start()

    try:
        yield report
    finally:
        progress.stop()
