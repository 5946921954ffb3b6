"""The embedded PostgreSQL: one private cluster, durable commits, a unix socket and nothing on the network."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from marketsentry.adapters.embedded.account import Account
from marketsentry.adapters.embedded.binaries import postgres_binaries
from marketsentry.adapters.embedded.processes import POSTGRES_LADDER, stop_child, stop_orphans
from marketsentry.exceptions import DependencyError

USER = "marketsentry"
DATABASE = "marketsentry"
_START_LIMIT_S = 180.0  # recovery after a crash replays at most max_wal_size
_MAX_LOG_BYTES = 4 * 1024 * 1024

# For a machine of a few cores and one owner. Commits are durable; nobody replicates from here, so the log
# carries only what recovery needs; bulk COPY gets room before it forces a checkpoint.
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": "marketsentry",
}


class EmbeddedPostgres:
    """One PostgreSQL server that lives as long as this program.

    Parameters
    ----------
    home
        The program's existing data directory, whose lock the caller holds; the cluster is ``home/postgres``.
    sockets
        A directory for the socket, private to `account`.
    account
        Who runs the server.
    """

    def __init__(self, home: Path, *, sockets: Path, account: Account) -> None:
        self._data = home / "postgres"
        self._log = home / "logs" / "postgres.log"
        self._sockets = sockets
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers, as a DATABASE_URL that other programs of this machine can use."""
        return self.url_of(DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def url_of(self, database: str) -> str:
        """Return the URL of one database of this server."""
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self._sockets), safe='')}&port=5432"

    def start(self) -> None:
        """Start the server; make its cluster first when there is none, clean up first after a crash.

        Raises
        ------
        ConflictError
            If the cluster belongs to another account or another major release.
        DependencyError
            If PostgreSQL does not start; the message ends with the end of its log.
        """
        programs = postgres_binaries(self._data)
        self._clean_up_after_a_crash()
        with self._log_file() as log:
            if not self._data.exists():
                self._make_cluster(programs, log)
            self._account.make_directory(self._data)
            options = [word for key, value in _OPTIONS.items() for word in ("-c", f"{key}={value}")]
            where = ("-c", f"unix_socket_directories={self._sockets}")
            command: list[str | Path] = [programs / "postgres", "-D", self._data, *options, *where]
            self._process = self._account.start(command, cwd=self._data, log=log)
        try:
            self._wait_until_ready(self._process)
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is on disk."""
        if self._process is not None:
            stop_child(self._process, POSTGRES_LADDER)
            self._process = None

    def _clean_up_after_a_crash(self) -> None:
        sign = self._sockets / ".s.PGSQL.5432"
        traces = (self._data / "postmaster.pid", sign.with_name(f"{sign.name}.lock"), sign)
        if any(trace.exists() for trace in traces):  # an orderly stop removes them
            stop_orphans("postgres", self._data, POSTGRES_LADDER)
            for (
                trace
            ) in traces:  # PostgreSQL believes a stale one when its pid is taken by any process by now
                trace.unlink(missing_ok=True)

    def _make_cluster(self, programs: Path, log: int) -> None:
        """Build the cluster beside its place and move it there whole: a killed first start leaves none."""
        draft = self._data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        self._account.make_directory(draft)
        how = (
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        )
        command: list[str | Path] = [programs / "initdb", "-D", draft, "-U", USER, "--no-instructions", *how]
        with self._account.start(command, cwd=draft, log=log) as process:
            code = process.wait(_START_LIMIT_S)
        if code != 0:
            raise DependencyError(f"PostgreSQL's initdb ended with code {code}: {self._end_of_log()}")
        draft.rename(self._data)

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while self._status() != "ready":
            if process.poll() is not None:
                raise DependencyError(
                    f"PostgreSQL ended with code {process.returncode}: {self._end_of_log()}"
                )
            if time.monotonic() > deadline:
                raise DependencyError(
                    f"PostgreSQL is not ready after {_START_LIMIT_S:.0f} s: {self._end_of_log()}"
                )
            time.sleep(0.01)

    def _status(self) -> str:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ""
        return lines[7].strip() if len(lines) > 7 else ""

    def _make_database(self) -> None:
        try:
            psycopg.connect(self.url, connect_timeout=10).close()
        except psycopg.OperationalError as missing:
            try:
                with psycopg.connect(
                    self.url_of("postgres"), autocommit=True, connect_timeout=10
                ) as connection:
                    connection.execute("CREATE DATABASE marketsentry")
            except psycopg.Error as exc:
                raise DependencyError(f"PostgreSQL started but cannot be used: {missing}; {exc}") from exc

    @contextlib.contextmanager
    def _log_file(self) -> Iterator[int]:
        self._log.parent.mkdir(exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > _MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.old"))
        handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-8:] if self._log.exists() else []
        return f"the end of {self._log} is:\n" + "\n".join(lines)
