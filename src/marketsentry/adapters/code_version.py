"""The version of the code that decides what is in a dataset, a model or a run: a hash of its sources."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from marketsentry.core.lineage import hash_sources

DECIDING = ("core", "kernels", "models")


@cache
def code_version() -> str:
    """Hash the sources of `core`, `kernels` and `models`; the same for the same sources on every machine."""
    package = files("marketsentry")
    return hash_sources(
        (f"{folder}/{name}", source.read_bytes())
        for folder in DECIDING
        for name, source in _sources(package / folder)
    )


def _sources(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            found.append((f"{prefix}{entry.name}", entry))
    return found
