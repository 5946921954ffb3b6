"""The program's verbs in this process: what they print and how they end, without the seconds that a start takes.

That a shell and a fresh process change nothing of it is what tests/e2e proves: there every example is typed.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from marketsentry.adapters.embedded import Engines
from marketsentry.cli.app import main

OURS = ("MS_", "DATABASE_URL", "REDIS_URL", "MODEL_DIR")


def in_home(home: Path, **variables: str) -> dict[str, str]:
    """The caller's environment without our settings, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {"MS_HOME": str(home)} | variables


def on_engines(engines: Engines, database_url: str, home: Path, **variables: str) -> dict[str, str]:
    """The environment of a program on the engines of the tests."""
    return in_home(home, DATABASE_URL=database_url, REDIS_URL=engines.redis_url, **variables)


def ms(environment: Mapping[str, str], *words: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run one verb to its end, in a thread of its own: the caller may be inside an event loop."""
    arguments = ["ms", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", arguments),
        patch.object(sys, "stdin", io.StringIO()),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _logs_as_they_were(),
        ThreadPoolExecutor(1) as apart,
    ):
        code = apart.submit(_exit_code_of_main).result()
    return CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def _exit_code_of_main() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextlib.contextmanager
def _logs_as_they_were() -> Iterator[None]:
    """A verb sets up the logs of its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
