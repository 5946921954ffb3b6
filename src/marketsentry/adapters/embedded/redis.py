"""The embedded Redis: what it holds may be lost, so it saves seldom and starts empty if its file is bad."""

import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import structlog

from marketsentry.adapters.embedded.account import Account
from marketsentry.adapters.embedded.binaries import redis_binary
from marketsentry.adapters.embedded.processes import REDIS_LADDER, stop_child, stop_orphans
from marketsentry.exceptions import DependencyError

_START_LIMIT_S = 30.0
_OPTIONS = (
    *("--port", "0"),
    *("--unixsocketperm", "700"),
    *("--save", "300", "100"),
    *("--appendonly", "no"),
    *("--maxmemory", "128mb"),
    *("--maxmemory-policy", "volatile-lru"),
    *("--dbfilename", "dump.rdb"),
)
log = structlog.get_logger(__name__)


class EmbeddedRedis:
    """One Redis server that lives as long as this program.

    Parameters
    ----------
    home
        The program's existing data directory, whose lock the caller holds; Redis saves in ``home/redis``.
    sockets
        A directory for the socket, private to `account`.
    account
        Who runs the server.
    """

    def __init__(self, home: Path, *, sockets: Path, account: Account) -> None:
        self._data = home / "redis"
        self._log = home / "logs" / "redis.log"
        self._socket = sockets / "redis.sock"
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers, as a REDIS_URL that other programs of this machine can use."""
        return f"unix://{quote(str(self._socket))}?db=0"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start the server, after whatever a killed program left behind is stopped.

        Raises
        ------
        DependencyError
            If it does not start, even without its saved data.
        """
        program = redis_binary()
        self._account.make_directory(self._data)
        if self._socket.exists():  # an orderly stop removes it
            stop_orphans(program.name, self._data, REDIS_LADDER)
            self._socket.unlink(missing_ok=True)
        if self._try_to_start(program):
            return
        saved = self._data / "dump.rdb"
        if saved.exists():
            aside = saved.with_name(f"dump.rdb.unreadable-{time.time_ns()}")
            saved.rename(aside)
            log.warning("redis_starts_empty", unreadable_file=str(aside))
            if self._try_to_start(program):
                return
        raise DependencyError(f"Redis ({program}) does not start: {self._end_of_log()}")

    def stop(self) -> None:
        """Stop the server; it saves what it holds."""
        if self._process is not None:
            stop_child(self._process, REDIS_LADDER)
            self._process = None

    def _try_to_start(self, program: Path) -> bool:
        self._log.parent.mkdir(exist_ok=True)
        command: list[str | Path] = [program, *_OPTIONS, "--dir", self._data, "--unixsocket", self._socket]
        handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = self._account.start(command, cwd=self._data, log=handle)
        finally:
            os.close(handle)
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                self.stop()
                return False
            time.sleep(0.01)
        return True

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-5:] if self._log.exists() else []
        return f"the end of {self._log} is:\n" + "\n".join(lines)
