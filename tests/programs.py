"""Run the installed program as a user does: as a process, with a data directory of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from marketsentry.adapters.embedded import read_owner

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
OURS = ("MS_", "DATABASE_URL", "REDIS_URL")
PATIENCE_S = 120.0  # what takes a second on a quiet machine may take many on a busy one


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """The caller's environment without our settings, and the given ones; `ms` is on the PATH.

    The address is one that nobody listens on, so that programs of other tests are not in the way.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"
    bind = f"127.0.0.1:{free_port()}"
    return kept | {"PATH": path, "MS_HOME": str(home), "COLUMNS": "80", "MS_API_BIND": bind} | variables


def ms(
    home: Path, *words: str | Path, cwd: Path = CHECKOUT, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run one verb to its end."""
    command = [sys.executable, "-m", "marketsentry", *map(str, words)]
    environment = clean_environment(home, **variables)
    return subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


def ms_json(home: Path, *words: str | Path, code: int = 0, **options: Any) -> Any:
    """Run one verb with `--json`, check its exit code, and read the one document on stdout."""
    done = ms(home, *words, "--json", **options)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def eventually(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Poll until it holds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody reaps has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Served:
    """A running `ms up` or `ms run api`, its address, and what it has written to stderr so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", home: Path, port: int, log: Path) -> None:
        self.process, self.home, self.port, self._log = process, home, port, log

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    def status_of(self, path: str) -> int:
        """Ask once; 0 when nothing answers."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr}"
        return self.status_of("/health/ready") == 200

    def family(self) -> list[psutil.Process]:
        """Every process below this one: roles and engines."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def role_pid(self) -> int:
        """Process of the API that was started last."""
        started = [one for one in self.events if one["event"] == "role_started" and one["role"] == "api"]
        return int(started[-1]["pid"])

    def engine_pid(self) -> int:
        """Main process of PostgreSQL."""
        return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])

    def stop(self, sign: signal.Signals = signal.SIGTERM, within_s: float = PATIENCE_S) -> int:
        """Ask it to stop; give its exit code."""
        self.process.send_signal(sign)
        return self.process.wait(within_s)


@contextmanager
def serving(
    home: Path, *words: str, port: int | None = None, shell: str | None = None, cwd: Path = CHECKOUT
) -> Iterator[Served]:
    """Start a verb that serves, or a shell line that does; killed at the end if it still runs."""
    port = port or free_port()
    command = ["bash", "-c", f"exec env {shell}"] if shell else [sys.executable, "-m", "marketsentry", *words]
    log = home.with_name(f"{home.name}.{port}.stderr")
    out = home.with_name(f"{home.name}.{port}.stdout")
    environment = clean_environment(home, MS_API_BIND=f"127.0.0.1:{port}")
    with log.open("wb") as errors, out.open("wb") as results:
        process = subprocess.Popen(
            command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=results, stderr=errors
        )
    try:
        yield Served(process, home, port, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        eventually(lambda: read_owner(home) is None, 5)
