"""Start and stop the engines that are not configured elsewhere, together and under one lock."""

import contextlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from marketsentry.adapters.embedded.account import choose_account
from marketsentry.adapters.embedded.lock import LOCK_NAME, HomeLock
from marketsentry.adapters.embedded.postgres import EmbeddedPostgres
from marketsentry.adapters.embedded.redis import EmbeddedRedis
from marketsentry.adapters.embedded.sockets import choose_socket_directory
from marketsentry.exceptions import ConflictError

# Waits until our end of the pipe closes, which happens however we end, and then stops the engines:
# PostgreSQL's fast shutdown is SIGINT, Redis saves and ends on SIGTERM.
_KEEPER = 'read -r _; [ -n "$1" ] && kill -INT "$1"; [ -n "$2" ] && kill -TERM "$2"; exit 0'


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines answer."""

    database_url: str
    redis_url: str


class EmbeddedEngines:
    """The engines that this program runs itself; a context manager that stops them at its end.

    Parameters
    ----------
    home
        The program's data directory; made when it is not there.
    database_url
        A PostgreSQL that runs elsewhere and is only passed on.
    redis_url
        A Redis that runs elsewhere and is only passed on.
    """

    def __init__(self, home: Path, *, database_url: str | None = None, redis_url: str | None = None) -> None:
        self._home = home
        self._database_url = database_url
        self._redis_url = redis_url
        self._one_at_a_time = threading.Lock()  # a revival in one thread and a stop in another take turns
        self._lock: HomeLock | None = None
        self._sockets: Path | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._redis: EmbeddedRedis | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def urls(self) -> Engines:
        """Where the engines answer, whether started here or configured."""
        return Engines(
            self._postgres.url if self._postgres else self._database_url or "",
            self._redis.url if self._redis else self._redis_url or "",
        )

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of each engine that runs here; None for one that has died."""
        engines = {"postgres": self._postgres, "redis": self._redis}
        return {name: engine.pid for name, engine in engines.items() if engine is not None}

    def start(self) -> None:
        """Start what is not configured elsewhere; the two start side by side.

        Raises
        ------
        ConflictError
            If another program owns the data directory, or it belongs to another account.
        DependencyError
            If an engine does not start.
        """
        if self._database_url and self._redis_url:
            return
        with self._one_at_a_time:
            _make_home(self._home)
            lock = HomeLock(self._home / LOCK_NAME)
            lock.acquire()
            self._lock = lock
            try:
                self._start_engines()
            except BaseException:
                self._stop_engines()
                raise
            # only our own engines: the URL of an outside one may hold a password
            lock.sign(
                database_url=self._postgres.url if self._postgres else "",
                redis_url=self._redis.url if self._redis else "",
            )

    def stop(self) -> None:
        """Stop the engines and give the data directory free; nothing happens when they do not run."""
        with self._one_at_a_time:
            self._stop_engines()

    def revive(self) -> list[str]:
        """Start again what has died since; return the names of those engines.

        Returns
        -------
        list of str
            Empty when nothing had died, or everything was stopped in the meantime.

        Raises
        ------
        DependencyError
            If an engine does not start.
        """
        with self._one_at_a_time:
            dead = [name for name, pid in self.pids.items() if pid is None]
            for engine in (self._postgres, self._redis):
                if engine is not None and engine.pid is None:
                    engine.start()
            if dead:
                self._dismiss_keeper()
                self._hire_keeper()
            return dead

    def _start_engines(self) -> None:
        account = choose_account(self._home / "postgres", self._home)
        sockets = self._sockets = choose_socket_directory(self._home, account)
        if not self._database_url:
            self._postgres = EmbeddedPostgres(self._home, sockets=sockets, account=account)
        if not self._redis_url:
            self._redis = EmbeddedRedis(self._home, sockets=sockets, account=account)
        with ThreadPoolExecutor(2) as pool:
            starts = [
                pool.submit(engine.start) for engine in (self._postgres, self._redis) if engine is not None
            ]
        for start in starts:
            start.result()
        self._hire_keeper()

    def _stop_engines(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            running = [engine for engine in (self._postgres, self._redis) if engine is not None]
            stops = [pool.submit(engine.stop) for engine in running]
        self._dismiss_keeper()
        self._postgres = self._redis = None
        if self._sockets is not None and self._home not in self._sockets.parents:
            with contextlib.suppress(OSError):  # a directory that is in use again is not empty
                self._sockets.rmdir()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        for stop in stops:
            stop.result()

    def _hire_keeper(self) -> None:
        pids = [str(pid or "") for pid in (self.pids.get("postgres"), self.pids.get("redis"))]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "marketsentry-keeper", *pids],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dismiss_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()
            if self._keeper.stdin is not None:
                self._keeper.stdin.close()
            self._keeper = None


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "logs").mkdir(exist_ok=True)
    except OSError as exc:
        raise ConflictError(f"MS_HOME {home} cannot be used as data directory: {exc.strerror}") from exc
