"""Where the engines' unix sockets lie: in the data directory if its path fits, else in a short one."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from marketsentry.adapters.embedded.account import Account
from marketsentry.exceptions import ConflictError

_MAX_SOCKET_PATH_BYTES = 103  # the smallest limit among the systems we run on (macOS; Linux allows 107)
_LONGEST_NAME = ".s.PGSQL.5432"
_LISTS = frozenset(",\"'\\\n")  # PostgreSQL and libpq take the directory as an item of a list


def choose_socket_directory(home: Path, account: Account) -> Path:
    """Return a directory for sockets, private to `account`, made when it is not there.

    Parameters
    ----------
    home
        The data directory.
    account
        Who runs the engines.

    Returns
    -------
    Path
        ``home/run``, or, when a socket's path in it would be longer than the system allows or hold a
        character that PostgreSQL reads as part of a list, a directory named by a hash of `home` in the
        place for temporary files.

    Raises
    ------
    ConflictError
        If that shared place holds something of this name that is not ours.
    """
    inside = home / "run"
    if _fits(inside):
        account.make_directory(inside)
        return inside
    name = f"ms-{account.uid}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    places = (Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()), Path("/tmp"))
    outside = next(place / name for place in places if place.is_dir() and _fits(place / name))
    _make_private(outside, account)
    return outside


def _fits(directory: Path) -> bool:
    path = os.fsencode(directory / _LONGEST_NAME)
    return len(path) <= _MAX_SOCKET_PATH_BYTES and not _LISTS & set(str(directory))


def _make_private(directory: Path, account: Account) -> None:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        status = directory.lstat()  # anybody may create names here, so what we find is not trusted
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
            raise ConflictError(
                f"{directory} is not a private directory of account {account.name}: "
                "remove it, or set MS_HOME to a shorter path"
            ) from None
    else:
        account.own(directory)
