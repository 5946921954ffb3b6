"""One program at a time owns the engines of a data directory; the second one is told who the first is."""

import fcntl
import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil

from marketsentry.exceptions import ConflictError

LOCK_NAME = "engines.lock"
_CLOCK_STEP_S = 2.0  # a process starts before it signs; the signature has whole seconds


@dataclass(frozen=True, slots=True)
class Owner:
    """The program that runs the engines, and where they answer (empty while they start)."""

    pid: int
    command: str
    since: str
    database_url: str = ""
    redis_url: str = ""


class HomeLock:
    """A lock on a file in the data directory; the system releases it however the program ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._owner = Owner(
            os.getpid(), shlex.join(sys.orig_argv), datetime.now(UTC).isoformat(timespec="seconds")
        )

    def acquire(self) -> None:
        """Take the lock and sign it.

        Raises
        ------
        ConflictError
            If another program holds it, named with how to share its engines; or the directory is not ours.
        """
        try:
            file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 - held as long as the engines run
        except OSError as exc:
            raise ConflictError(
                f"MS_HOME {self._path.parent} cannot be used: {exc.strerror}, {self._path}"
            ) from exc
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                raise ConflictError(_describe(self._path.parent, _read(file))) from None
        self._file = file
        self.sign()

    def sign(self, *, database_url: str = "", redis_url: str = "") -> None:
        """Write who we are and where our engines answer, for the error of a second program."""
        if self._file is None:
            return
        owner = Owner(self._owner.pid, self._owner.command, self._owner.since, database_url, redis_url)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(asdict(owner)))
        self._file.flush()

    def release(self) -> None:
        """Give the lock back. The file stays: without it two programs could lock two files of one name."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.close()
            self._file = None


def read_owner(home: Path) -> Owner | None:
    """Tell who runs the engines of a data directory, without touching the lock that a starting program needs.

    Parameters
    ----------
    home
        The data directory; it may not exist.

    Returns
    -------
    Owner or None
        None when nobody runs them: no signature, or that of a program that was killed.

    Raises
    ------
    ConflictError
        If the signature is not ours to read.
    """
    try:
        with open(home / LOCK_NAME, encoding="utf-8") as file:
            owner = _read(file)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConflictError(f"MS_HOME {home} cannot be read: {exc.strerror}, {home / LOCK_NAME}") from exc
    return owner if owner is not None and _is_running(owner) else None


def _is_running(owner: Owner) -> bool:
    """Whether the process that signed still lives; a younger one of the same number is another program."""
    try:
        process = psutil.Process(owner.pid)
        signed_at = datetime.fromisoformat(owner.since).timestamp()
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= signed_at + _CLOCK_STEP_S
    except psutil.NoSuchProcess:
        return False


def _read(file: IO[str]) -> Owner | None:
    try:
        file.seek(0)
        return Owner(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None  # the first program is between locking and signing, or ending


def _describe(home: Path, owner: Owner | None) -> str:
    if owner is None:
        return f"another program is just starting or stopping the engines under {home}: try again in a moment"
    text = f"the engines under {home} belong to process {owner.pid} since {owner.since}: {owner.command}"
    shared = [("DATABASE_URL", owner.database_url), ("REDIS_URL", owner.redis_url)]
    exports = " ".join(f"{name}={shlex.quote(url)}" for name, url in shared if url)
    if not exports:
        return f"{text}; it is still starting them: try again in a moment"
    return f"{text}; stop it, set MS_HOME to another directory, or share its engines with: export {exports}"
