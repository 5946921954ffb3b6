"""Directories that are whole or absent: written beside their place, flushed to the disk, then moved there.

A writer that is killed leaves a draft; the next writer under the same parent removes it. A living writer
holds a lock on its draft, so it is left alone.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DRAFT = ".draft-"


@contextmanager
def whole_directory(place: Path) -> Iterator[Path]:
    """Write a directory that appears at `place` when the block ends well, and not at all otherwise.

    Parameters
    ----------
    place : Path
        Where it shall be. If another program puts one there first, that one stays.

    Yields
    ------
    Path
        An empty directory to write into.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft, lock = _open_draft(place.parent)
    try:
        yield draft
        for path in [*draft.rglob("*"), draft]:
            _flush(path)
        _move(draft, place)
        _flush(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def _open_draft(parent: Path) -> tuple[Path, int]:
    """Make a locked draft; the parent is locked meanwhile, so nobody takes it for a dead one."""
    entry = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(entry, fcntl.LOCK_EX)
        _remove_dead_drafts(parent)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=parent))
        lock = os.open(draft, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.chmod(0o755)
    finally:
        os.close(entry)
    return draft, lock


def _remove_dead_drafts(parent: Path) -> None:
    for draft in parent.glob(f"{_DRAFT}*"):
        try:
            handle = os.open(draft, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its writer has just finished
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its writer lives
        else:
            shutil.rmtree(draft, ignore_errors=True)
        finally:
            os.close(handle)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
    except OSError as exc:
        if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise  # another program wrote the same content first
