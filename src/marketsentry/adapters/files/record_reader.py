"""Files of records, one at a time: JSON lines of any kind, and delimited text with quotes (news)."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from marketsentry.adapters.files.layouts import Layout, layout_of_names
from marketsentry.adapters.files.rows import Parts
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.validation import Reason
from marketsentry.exceptions import DataQualityError

_BATCH_ROWS = 8_192
_SNIFFED_LINES = 1_000
_NUMBERS = frozenset(
    {"open", "high", "low", "close", "volume", "trades_count", "rate", "price", "size"}
    | {"bid", "bid_size", "ask", "ask_size", "first_id", "last_id", "prev_id"}
)


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    reason: Reason
    values: dict[str, Any]
    text: str


def json_layout(path: Path) -> tuple[Layout, tuple[str, ...]] | None:
    """Recognise JSON lines by the keys of their first thousand objects; also returns the keys."""
    keys: dict[str, None] = {}
    with path.open("rb") as file:
        for line in islice(file, _SNIFFED_LINES):
            keys.update(dict.fromkeys(_parse(line) or ()))
    layout = layout_of_names(tuple(keys))
    return (layout, tuple(keys)) if layout else None


def read_json_lines(path: Path, layout: Layout, names: tuple[str, ...]) -> Iterator[Parts]:
    """Stream JSON lines.

    Parameters
    ----------
    path : Path
        One JSON object per line.
    layout : Layout
        Which key is what, by position in `names`.
    names : tuple of str
        Keys of the first object.

    Yields
    ------
    Parts
        Raw columns by field; `line` is the line number from 1; a line that is no object is `MALFORMED_ROW`.

    Raises
    ------
    DataQualityError
        If the file ends in the middle of a line.
    """
    with path.open("rb") as file:
        yield from _batches(path, layout, names, _json_records(path, file), file.tell)


def read_quoted(path: Path, layout: Layout, delimiter: str, n_skip: int) -> Iterator[Parts]:
    """Stream delimited text in which a cell may be quoted and span lines.

    Parameters
    ----------
    path : Path
        UTF-8 text; what is not UTF-8 is replaced.
    layout : Layout
        Which column is what.
    delimiter : str
        Between cells.
    n_skip : int
        Lines up to and including the header, which is the last of them.

    Yields
    ------
    Parts
        Raw columns by field; `line` is the line on which the record ends.

    Raises
    ------
    DataQualityError
        If the file cannot be read as such text.
    """
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", "replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            header = list(islice(reader, n_skip))[-1]
            names = tuple(cell.strip() for cell in header)
            yield from _batches(path, layout, names, _csv_records(reader, names), raw.tell)
        except csv.Error as exc:
            raise DataQualityError(f"{path}: damaged or unreadable ({exc})") from exc


def _batches(
    path: Path,
    layout: Layout,
    names: tuple[str, ...],
    records: Iterator[_Record],
    n_bytes_read: Callable[[], int],
) -> Iterator[Parts]:
    size = max(path.stat().st_size, 1)
    while batch := list(islice(records, _BATCH_ROWS)):
        texts = [record.text for record in batch]
        yield Parts(
            _columns(layout, names, batch),
            np.array([record.reason for record in batch], dtype=np.uint8),
            np.array([record.line for record in batch], dtype=np.int64),
            min(1.0, n_bytes_read() / size),
            texts.__getitem__,
        )


def _json_records(path: Path, file: BinaryIO) -> Iterator[_Record]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        values = _parse(line)
        if values is None and not line.endswith(b"\n"):
            raise DataQualityError(f"{path}: truncated, it ends in the middle of line {number}")
        reason = Reason.OK if values else Reason.MALFORMED_ROW
        yield _Record(number, reason, values or {}, line.decode(errors="replace").rstrip("\r\n"))


def _csv_records(
    reader: Any, names: tuple[str, ...]
) -> Iterator[_Record]:  # csv.reader's type has no public name
    for cells in reader:
        if not any(cells):
            continue
        fits = len(cells) == len(names)
        values = dict(zip(names, cells, strict=True)) if fits else {}
        reason = Reason.OK if fits else Reason.WRONG_COLUMN_COUNT
        yield _Record(reader.line_num, reason, values, ",".join(cells))


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _columns(layout: Layout, names: tuple[str, ...], batch: list[_Record]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for field, at in layout.columns.items():
        cells = [record.values.get(names[at]) for record in batch]
        if field in _NUMBERS:
            columns[field] = np.fromiter(map(_number, cells), dtype=np.float64, count=len(cells))
        else:
            columns[field] = np.array([None if cell is None else str(cell) for cell in cells], dtype=object)
    if layout.kind is DataKind.NEWS:
        taken = {names[at] for field, at in layout.columns.items() if field != "text"}
        taken.add(names[layout.columns["title"]])
        columns["payload"] = np.array([_rest(record.values, taken) for record in batch], dtype=object)
    return columns


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _rest(values: dict[str, Any], taken: set[str]) -> str:
    return orjson.dumps({name: value for name, value in values.items() if name not in taken}).decode()
