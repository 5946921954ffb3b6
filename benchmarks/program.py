"""The whole program, started as a user starts it and stopped again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MS = Path(sys.executable).with_name("ms")
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """Where it listens on 127.0.0.1, and the seconds from its start until `/health/ready` answered 200."""

    port: int
    ready_s: float


@contextmanager
def running_program(home: str, *, env: Mapping[str, str] | None = None) -> Iterator[RunningProgram]:
    """Run `ms up` on a data directory for as long as the block lasts; `env` are more of its settings."""
    port = _free_port()
    told = {
        **os.environ,
        "MS_HOME": home,
        "MS_API_BIND": f"127.0.0.1:{port}",
        "RATE_LIMIT_RPS": "1000000",
        **(env or {}),
    }
    started = time.perf_counter()
    program = subprocess.Popen((MS, "up"), env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _is_ready(port):
            if time.perf_counter() - started > READY_WITHIN_S or program.poll() is not None:
                raise RuntimeError(f"ms up was not ready within {READY_WITHIN_S} s")
            time.sleep(0.02)
        yield RunningProgram(port, time.perf_counter() - started)
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(timeout=30)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
