"""The account that the engines run as: ours, or, when we are root, an ordinary one."""

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from marketsentry.adapters.embedded import drop
from marketsentry.exceptions import ConflictError, DependencyError

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_ORDINARY_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns the engines' files and runs their processes."""

    uid: int
    gid: int
    name: str

    @property
    def is_ours(self) -> bool:
        """Whether it is the account of this very process, so that nothing has to be changed to run as it."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Give `path` and all below it to this account; nothing happens when the account is our own."""
        if self.is_ours:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            for child in path.iterdir():
                self.own(child)

    def make_directory(self, path: Path) -> None:
        """Create `path` for this account alone (mode 700) unless it is there."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid != self.uid:
            self.own(path)
        path.chmod(0o700)

    def start(self, command: Sequence[str | Path], *, cwd: Path, log: int) -> "subprocess.Popen[bytes]":
        """Start a program as this account, in a session of its own, so that a Ctrl-C reaches only us.

        Parameters
        ----------
        command
            The program's absolute path and its arguments.
        cwd
            The directory it starts in; the program must be able to enter it.
        log
            File descriptor that receives its output.

        Returns
        -------
        subprocess.Popen
            The started process; its pid is the program's own.
        """
        words = [str(word) for word in command]
        if not self.is_ours:
            keep = ",".join(str(number) for number in _needed_capabilities(self, (Path(words[0]), cwd)))
            words = [sys.executable, "-I", "-S", drop.__file__, str(self.uid), str(self.gid), keep, *words]
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def choose_account(data: Path, home: Path) -> Account:
    """Say who must run the engine whose files are in `data`.

    Parameters
    ----------
    data
        The engine's data directory; it may not exist yet.
    home
        The existing directory that holds it.

    Returns
    -------
    Account
        Our own account, or, when we are root: the owner of `data`, else the owner of `home`, else
        ``postgres``, else ``nobody``.

    Raises
    ------
    ConflictError
        If `data` belongs to another account and we are not root.
    DependencyError
        If we are root and no ordinary account exists.
    """
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ConflictError(
                f"{data} belongs to account {_name(owner)}, and this program runs as {_name(os.geteuid())}: "
                f"run it as {_name(owner)}, or set MS_HOME to a directory of your own"
            )
        return Account(os.geteuid(), os.getegid(), _name(os.geteuid()))
    for uid in (owner, home.stat().st_uid):
        if uid and (entry := _entry(uid)):
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    for name in _ORDINARY_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise DependencyError(
        "PostgreSQL does not run as root and this machine has no account named postgres or nobody: "
        "run this program as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _needed_capabilities(account: Account, paths: Sequence[Path]) -> list[int]:
    if all(_may_enter(account, parent) for path in paths for parent in path.resolve().parents) and _may_enter(
        account, paths[0]
    ):
        return []
    has_search = _permitted() >> _CAP_DAC_READ_SEARCH & 1
    return [_CAP_DAC_READ_SEARCH if has_search and _may_enter(account, paths[0]) else _CAP_DAC_OVERRIDE]


def _may_enter(account: Account, path: Path) -> bool:
    """Whether the execute bit of this one file or directory is there for the account."""
    status = path.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _permitted() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def _environment() -> Mapping[str, str]:
    # nothing of ours is handed on: variables such as PGDATA or PGOPTIONS would change what the engine does
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _name(uid: int | None) -> str:
    entry = _entry(uid) if uid is not None else None
    return entry.pw_name if entry else f"number {uid}"
