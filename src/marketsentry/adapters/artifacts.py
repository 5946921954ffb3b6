"""Artifacts as directories on a local disk, written beside their place and moved there whole."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from marketsentry.exceptions import ConflictError, DependencyError, InputError, NotFoundError
from marketsentry.ports.artifacts import ArtifactRef

MODELS = "models"


class FileArtifacts:
    """Keeps every artifact in ``<drawer>/<sha256>/``.

    Parameters
    ----------
    root
        Holds one drawer per kind; made when it is needed.
    model_dir
        The drawer of the kind ``models``, which is configured on its own.
    """

    def __init__(self, root: Path, *, model_dir: Path) -> None:
        self._root = root
        self._model_dir = model_dir

    def put(self, kind: str, files: Mapping[str, bytes]) -> ArtifactRef:
        """Store files under the hash of their names and bytes.

        Parameters
        ----------
        kind
            The drawer: a plain name.
        files
            Content by plain file name; at least one.

        Returns
        -------
        ArtifactRef
            Where they are; the same content gives the same reference.

        Raises
        ------
        InputError
            If there is no file, or a name is a path.
        ConflictError
            If other content lies in its place.
        DependencyError
            If the disk refuses.
        """
        _refuse_paths((kind, *files))
        if not files:
            raise InputError(f"an artifact of kind {kind!r} must have at least one file, had none")
        sha256 = content_hash(files)
        place = (self._model_dir if kind == MODELS else self._root / kind) / sha256
        try:
            if not place.is_dir():
                _write(place, files)
            self.get(place, sha256)
        except OSError as exc:
            raise DependencyError(f"the artifact {place} cannot be stored: {exc.strerror}") from exc
        return ArtifactRef(kind, sha256, place)

    def get(self, artifact: ArtifactRef | Path | str, sha256: str) -> Mapping[str, bytes]:
        """Read and verify an artifact.

        Parameters
        ----------
        artifact
            The reference, or the path in it.
        sha256
            The content's hash as it was recorded, not as the directory is named.

        Returns
        -------
        Mapping of str to bytes
            Content by file name.

        Raises
        ------
        NotFoundError
            If it is not there.
        ConflictError
            If its content differs from what was recorded.
        DependencyError
            If the disk refuses.
        """
        place = artifact.path if isinstance(artifact, ArtifactRef) else Path(artifact)
        try:
            files = {path.name: path.read_bytes() for path in sorted(place.iterdir())}
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise NotFoundError(f"there is no artifact at {place}") from exc
        except OSError as exc:
            raise DependencyError(f"the artifact {place} cannot be read: {exc.strerror}") from exc
        found = content_hash(files)
        if found != sha256:
            raise ConflictError(f"the artifact {place} has SHA-256 {found}, recorded was {sha256}")
        return files


def content_hash(files: Mapping[str, bytes]) -> str:
    """Hash names and bytes so that neither can change, and neither can pass for the other."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _refuse_paths(names: tuple[str, ...]) -> None:
    for name in names:
        if not name or name.startswith(".") or Path(name).name != name or "\n" in name:
            raise InputError(f"artifact names must be plain file names, was {name!r}")


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
    try:
        for name, content in files.items():
            _write_file(draft / name, content)
        draft.chmod(0o755)
        _flush_directory(draft)
        _move(draft, place)
        _flush_directory(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_file(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _move(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
    except OSError as exc:
        if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise  # another program stored the same content first; `put` verifies it


def _flush_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
