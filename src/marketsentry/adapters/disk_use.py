"""How much of the disk the data directory takes, part by part."""

import os
from pathlib import Path


def disk_use(home: Path) -> dict[str, int]:
    """Add up the files of each entry of a directory.

    Parameters
    ----------
    home
        The directory; it may not exist.

    Returns
    -------
    dict
        Bytes that the disk holds by name of the entry, largest first. Links are not followed; what vanishes
        meanwhile counts nothing.
    """
    try:
        with os.scandir(home) as entries:
            sizes = {entry.name: _size(entry) for entry in entries}
    except FileNotFoundError:
        return {}
    return dict(sorted(sizes.items(), key=lambda one: -one[1]))


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        size = entry.stat(follow_symlinks=False).st_blocks * 512
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry) as children:
                size += sum(_size(child) for child in children)
    except FileNotFoundError:
        return 0
    return size
