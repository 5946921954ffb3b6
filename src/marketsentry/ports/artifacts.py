"""Immutable files named by their content: models, stored runs, predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """One stored artifact: its drawer, the hash that names its content, the directory of its files."""

    kind: str
    sha256: str
    path: Path


class Artifacts(Protocol):
    """Keeps directories of files that never change once they are there."""

    def put(self, kind: str, files: Mapping[str, bytes]) -> ArtifactRef:
        """Store files under the hash of their names and bytes; the same content gives the same reference.

        The artifact appears whole or not at all. Raises `InputError` for a file name that is a path, and
        `ConflictError` when damaged files lie in its place.
        """
        ...

    def get(self, artifact: ArtifactRef | Path | str, sha256: str) -> Mapping[str, bytes]:
        """Read all files of an artifact, by reference or by the path in it.

        Raises `NotFoundError` when it is not there, `ConflictError` when its content is not that of `sha256`.
        """
        ...
