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

from marketsentry.exceptions import ConflictError


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
