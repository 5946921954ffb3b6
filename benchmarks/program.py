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
    port = free_port()
    told = {
        **os.environ,
        "MS_HOME": home,
        "MS_API_BIND": f"127.0.0.1:{port}",
        "RATE_LIMIT_RPS": "1000000",
        **(env or {}),
    }
    program = subprocess.Popen((MS, "up"), env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield RunningProgram(port, wait_until_ready(port, program))
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(timeout=30)


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> float:
    """Tell how many seconds it took until `/health/ready` answered 200 from now on; raises where it does not."""
    started = time.perf_counter()
    while not _is_ready(port):
        if time.perf_counter() - started > READY_WITHIN_S or process.poll() is not None:
            raise RuntimeError(f"{process.args!r} was not ready within {READY_WITHIN_S} s")
        time.sleep(0.02)
    return time.perf_counter() - started


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """Find a port on 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
