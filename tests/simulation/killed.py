"""The real program, and a replay on its engines, whose processes are killed and started again."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg

from marketsentry.adapters.embedded import Engines, read_owner
from programs import CHECKOUT, Served, eventually, free_port, is_gone

UP, API, TRADER, POSTGRES, REDIS = "up", "api", "trader", "postgres", "redis"
REPLAY = "replaying trader"
KINDS = (API, TRADER, REPLAY, POSTGRES, REDIS, UP)
KILLED, AWAY = -signal.SIGKILL, 4  # how a verb ends that is killed, and one whose PostgreSQL is gone
_MS = (sys.executable, "-m", "marketsentry")
_REDIS_PROGRAMS = ("redis-server", "valkey-server")


class Program:
    """A running `ms up`; killed as a whole it is started again, its roles and engines are its own business.

    Parameters
    ----------
    home
        Its data directory.
    environment
        Of its process.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self._home, self._log = home, home.with_name("up.stderr")
        self._environment = {**environment, "MS_API_BIND": f"127.0.0.1:{self.port}"}
        self._errors = self._log.open("ab")
        self.start()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        process = subprocess.Popen(
            (*_MS, "up"),
            env=self._environment,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        self.served = Served(process, self._home, self.port, self._log)
        assert eventually(self.served.is_ready), self.served.stderr

    def engines(self) -> Engines | None:
        """Where its engines answer; None while it does not run."""
        owner = read_owner(self._home)
        if owner is None or not owner.database_url:
            return None
        return Engines(owner.database_url, owner.redis_url)

    def pid_of(self, kind: str) -> int | None:
        """The main process of a role or an engine; None while it is away."""
        found = [one.pid for one in self.served.family() if self._is(one, kind)]
        return found[0] if found else None

    def kill(self, kind: str) -> None:
        """Kill a part of it, or all of it, which is started again."""
        pid = self._await(API if kind == UP else kind)
        if kind == UP:
            self.served.process.kill()
            self.served.process.wait()
        else:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: is_gone(pid)), f"{kind} does not end"
        if kind == UP:  # the role that listened is gone; others may still be ending
            self.start()

    def surprises(self) -> list[str]:
        """What its logs hold that no service knows."""
        return [
            str(one)
            for one in self.served.events
            if one["event"] in ("order_failed", "request_failed", "venue_differs")
            or (one["event"] == "role_ended" and one["exit_code"] not in (0, AWAY, KILLED))
        ]

    def close(self) -> int:
        """Stop it in order where it runs; its exit code."""
        process = self.served.process
        code = self.served.stop() if process.poll() is None else process.returncode
        self._errors.close()
        return code

    def _await(self, kind: str) -> int:
        pid: int | None = None

        def runs() -> bool:
            nonlocal pid
            pid = self.pid_of(kind)
            return pid is not None

        assert eventually(runs), f"{kind} is not started again"
        assert pid is not None
        return pid

    def _is(self, process: psutil.Process, kind: str) -> bool:
        try:
            match kind:
                case "postgres":
                    return process.pid == self.served.engine_pid()
                case "redis":
                    return process.name() in _REDIS_PROGRAMS
                case _:
                    return process.cmdline()[3:5] == ["run", kind]
        except (psutil.Error, OSError, IndexError, ValueError):  # it is going, or its file is being written
            return False


class Record:
    """What the record of a program holds, asked while it may be away.

    Parameters
    ----------
    program
        Whose.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._connection: psycopg.Connection[Any] | None = None

    def answers(self) -> bool:
        """Whether it is there."""
        return self.ask("SELECT 1") is not None

    def ask(self, question: str, given: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]] | None:
        """Read rows; None while it is away."""
        try:
            if self._connection is None:
                engines = self._program.engines()
                if engines is None:
                    return None
                self._connection = psycopg.connect(engines.database_url, autocommit=True)
            return self._connection.execute(question, given).fetchall()
        except psycopg.OperationalError:
            self.close()
            return None

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Replay:
    """`ms run trader --replay` on the engines of a program; `tend` starts it again when it has ended too early.

    Parameters
    ----------
    program
        Whose engines.
    span
        Two times as they follow `--replay`.
    environment
        Of its process.
    """

    def __init__(self, program: Program, span: tuple[str, str], environment: Mapping[str, str]) -> None:
        self._program, self._span, self._environment = program, span, environment
        self._folder = Path(environment["MS_HOME"]).parent
        self._process: subprocess.Popen[bytes] | None = None
        self.summary: dict[str, Any] | None = None  # once it is complete
        self.exits: Counter[int] = Counter()

    def tend(self, record: "Record", *, speed: str) -> None:
        """Start it where it does not run and its record answers."""
        if self._process is not None and self._process.poll() is not None:
            self._note(self._process.returncode)
        engines = self._program.engines()
        if self._process is not None or self.summary is not None or engines is None or not record.answers():
            return
        with self._out.open("wb") as out, self._folder.joinpath("replay.stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                (*_MS, "run", "trader", "--replay", *self._span, "--speed", speed, "--json"),
                env={
                    **self._environment,
                    "DATABASE_URL": engines.database_url,
                    "REDIS_URL": engines.redis_url,
                },
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )

    def kill(self) -> bool:
        """Kill it; False where it does not run."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        self._note(self._process.wait())
        return True

    @property
    def _out(self) -> Path:
        return self._folder / "replay.stdout"

    def _note(self, code: int) -> None:
        self.exits[code] += 1
        self._process = None
        if code == 0:
            self.summary = json.loads(self._out.read_text())
