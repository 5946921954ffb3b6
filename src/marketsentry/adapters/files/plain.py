"""The plain bytes behind a file: what it really is, unpacked and checked, whatever its name says."""

import gzip
import hashlib
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from marketsentry.exceptions import DataQualityError, InputError, NotFoundError

_CHUNK = 1 << 20
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
SUFFIXES = (".parquet", ".pq", ".zip", *_TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in _TEXT_SUFFIXES))


class Format(StrEnum):
    """How the plain bytes are written."""

    PARQUET = "parquet"
    DELIMITED = "delimited"
    JSON_LINES = "json_lines"


@dataclass(frozen=True, slots=True)
class PlainFile:
    """Plain bytes on disk, with the SHA-256, size and stamp of the file they came from."""

    path: Path
    format: Format
    sha256: str
    size_bytes: int
    stamp: tuple[int, int]


def file_stamp(path: Path) -> tuple[int, int]:
    """Time of the last change in ns, and size: equal as long as nobody wrote to the file."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def has_data_suffix(path: Path) -> bool:
    """Tell whether a name ends like one of the formats that can be read."""
    return path.name.lower().endswith(SUFFIXES)


@contextmanager
def plain_file(path: Path, work_dir: Path) -> Iterator[PlainFile]:
    """Open a file for reading as plain bytes; packed ones are unpacked beside `work_dir` and checked first.

    Parameters
    ----------
    path : Path
        The file.
    work_dir : Path
        Folder for the unpacked copy, which is gone at the end.

    Yields
    ------
    PlainFile
        Where the plain bytes are and what they are.

    Raises
    ------
    NotFoundError
        If there is no such file.
    InputError
        If its name does not end like a format that can be read.
    DataQualityError
        If it is empty, truncated, damaged, or not what its name says.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    if not has_data_suffix(path):
        raise InputError(f"{path}: name must end in one of {', '.join(SUFFIXES)}")
    stamp = file_stamp(path)
    size = stamp[1]
    if size == 0:
        raise DataQualityError(f"{path}: the file is empty")
    _check_magic(path)
    sha256 = _sha256(path)
    name = path.name.lower()
    if not name.endswith((".gz", ".zip")):
        yield PlainFile(path, _format_of(name), sha256, size, stamp)
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="unpack-") as folder:
        unpacked = _unzip(path, Path(folder)) if name.endswith(".zip") else _gunzip(path, Path(folder))
        if unpacked.stat().st_size == 0:
            raise DataQualityError(f"{path}: there is nothing inside")
        yield PlainFile(unpacked, _format_of(unpacked.name), sha256, size, stamp)


def _format_of(name: str) -> Format:
    lower = name.lower()
    if lower.endswith((".parquet", ".pq")):
        return Format.PARQUET
    return Format.JSON_LINES if lower.endswith((".jsonl", ".ndjson")) else Format.DELIMITED


_MAGIC = (
    (b"PAR1", "Parquet", (".parquet", ".pq")),
    (b"\x1f\x8b", "gzip", (".gz",)),
    (b"PK\x03\x04", "zip", (".zip",)),
)


def _check_magic(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(1 << 16)
    name = path.name.lower()
    for magic, what, suffixes in _MAGIC:
        if head.startswith(magic) and not name.endswith(suffixes):
            raise DataQualityError(f"{path}: mislabelled, the content is {what}")
        if name.endswith(suffixes) and not head.startswith(magic):
            raise DataQualityError(f"{path}: mislabelled or damaged, the content is not {what}")
    if b"\x00" in head and not name.endswith((".parquet", ".pq", ".gz", ".zip")):
        raise DataQualityError(f"{path}: mislabelled, the content is binary and not text")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _gunzip(path: Path, folder: Path) -> Path:
    target = folder / path.name[: -len(".gz")]
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise DataQualityError(f"{path}: truncated or damaged gzip ({exc})") from exc
    return target


def _unzip(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            if len(members) != 1:
                raise DataQualityError(f"{path}: a zip must hold exactly one file, holds {len(members)}")
            name = Path(members[0].filename).name
            if not name.lower().endswith(_TEXT_SUFFIXES):
                raise DataQualityError(f"{path}: the file inside must be CSV or JSON lines, is {name}")
            with archive.open(members[0]) as packed, (folder / name).open("wb") as plain:
                shutil.copyfileobj(packed, plain, _CHUNK)
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as exc:
        raise DataQualityError(f"{path}: truncated or damaged zip ({exc})") from exc
    return folder / name
