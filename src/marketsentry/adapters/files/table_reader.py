"""Parquet and delimited numbers through DuckDB, as a stream of batches in file order.

Delimited text is read line by line and split in the query, so that a row with too few or too many columns
is one bad row with its line number and its text, and all other rows still count. Every number is a plain
double: exact decimals are cast.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.files.arrow_stream import Batch, iter_batches
from marketsentry.adapters.files.layouts import Layout, layout_of_cells, layout_of_names
from marketsentry.adapters.files.rows import NO_ID, SIDE_WORDS, Parts
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.timestamps import NO_TIME_NS
from marketsentry.core.market.validation import Reason
from marketsentry.exceptions import DataQualityError

_NUMBERS = frozenset(
    {"open", "high", "low", "close", "volume", "trades_count", "rate", "price", "size"}
    | {"bid", "bid_size", "ask", "ask_size"}
)
_UPDATE_IDS = frozenset({"first_id", "last_id", "prev_id"})
_TIMES = frozenset({"time", "received"})
_MEMORY_LIMIT = "160MB"
_SAMPLE_BYTES = 1 << 16
_LINE_BYTES = 1 << 18
_BUFFER_BYTES = 1 << 22
_NEVER_IN_TEXT = "\x01"


@dataclass(frozen=True, slots=True)
class Delimited:
    """How a delimited file is written; `n_skip` lines come before the first row, `time_type` is DuckDB's."""

    layout: Layout
    delimiter: str
    n_skip: int
    time_type: str
    has_quotes: bool


def connect(work_dir: Path) -> duckdb.DuckDBPyConnection:
    """Open a private DuckDB that keeps memory bounded and touches no network."""
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": _MEMORY_LIMIT,
        "temp_directory": str(work_dir / "duckdb"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return duckdb.connect(":memory:", config=config)


def parquet_layout(connection: duckdb.DuckDBPyConnection, path: Path) -> Layout | None:
    """Recognise a Parquet file by its column names."""
    return layout_of_names([name for name, _ in _parquet_columns(connection, path)])


def read_parquet(connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout) -> Iterator[Parts]:
    """Stream a Parquet file.

    Parameters
    ----------
    connection : DuckDBPyConnection
        From `connect`; busy until the stream ends.
    path : Path
        The file.
    layout : Layout
        Which column is what.

    Yields
    ------
    Parts
        Raw columns by field, in file order; `line` is the row number from 1.

    Raises
    ------
    DataQualityError
        If the file is truncated or damaged.
    """
    columns = _parquet_columns(connection, path)
    n_rows = int(
        _execute(
            connection, path, "SELECT num_rows FROM parquet_file_metadata(?)", _no_pattern(path)
        ).fetchall()[0][0]
    )
    parts = [
        _expression(field, _quoted(columns[at][0]), columns[at][1]) for field, at in layout.columns.items()
    ]
    if layout.kind is DataKind.NEWS:
        parts.append(_payload([name for name, _ in columns], layout))
    query = f"SELECT {', '.join(parts)} FROM read_parquet({_file(path)}, hive_partitioning = false)"  # noqa: S608  (quoted names, no values)
    n_done = 0
    for batch in _stream(connection, path, query):
        raw = _raw_columns(batch)
        line = np.arange(n_done + 1, n_done + batch.n_rows + 1, dtype=np.int64)
        n_done += batch.n_rows
        yield Parts(
            raw, np.zeros(batch.n_rows, np.uint8), line, n_done / max(n_rows, 1), _row_text(raw, layout)
        )


def sniff_delimited(path: Path) -> Delimited | None:
    """Find out how a delimited file is written from its first 64 KiB; None when its columns are unknown."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    lines = head.decode("latin-1").splitlines()
    if len(head) == _SAMPLE_BYTES:
        lines = lines[:-1]
    for n_skip, line in enumerate(lines[:4]):
        delimiter = max(",;\t|", key=line.count)
        cells = [cell.strip().strip('"') for cell in line.lstrip("\ufeffï»¿").split(delimiter)]
        layout = layout_of_names(cells)
        n_header = 1 if layout else 0
        layout = layout or layout_of_cells(cells)
        if layout is not None:
            rows = [r.split(delimiter) for r in lines[n_skip + n_header : n_skip + n_header + 100]]
            return Delimited(
                layout, delimiter, n_skip + n_header, _time_type(rows, layout), '"' in "".join(lines)
            )
    return None


def read_delimited(connection: duckdb.DuckDBPyConnection, path: Path, how: Delimited) -> Iterator[Parts]:
    """Stream a delimited file of numbers; blank lines are passed over.

    Parameters
    ----------
    connection : DuckDBPyConnection
        From `connect`; busy until the stream ends.
    path : Path
        Plain text; any encoding that keeps ASCII as it is.
    how : Delimited
        From `sniff_delimited`.

    Yields
    ------
    Parts
        Raw columns by field, in file order; `line` is the line number from 1.

    Raises
    ------
    DataQualityError
        If the file cannot be read, or ends in the middle of a line.
    """
    size = path.stat().st_size
    n_lines = n_bytes = 0
    cut_line = 0
    for batch in _stream(connection, path, _delimited_query(path, how)):
        number = np.arange(n_lines + 1, n_lines + batch.n_rows + 1, dtype=np.int64)
        n_lines += batch.n_rows
        n_bytes += len(batch.texts["line"].data) + batch.n_rows
        kept = _delimited_rows(batch, number, how, min(1.0, n_bytes / size))
        if kept.line.size:
            is_cut = kept.reason[-1] == Reason.WRONG_COLUMN_COUNT and kept.line[-1] == n_lines
            cut_line = n_lines if is_cut else 0
            yield kept
    if cut_line and cut_line == n_lines and _is_unterminated(path):
        raise DataQualityError(f"{path}: truncated, it ends in the middle of line {cut_line}")


def _delimited_query(path: Path, how: Delimited) -> str:
    line = "replace(line, '\"', '')" if how.has_quotes else "line"
    fields = [
        _expression(field, f"p[{at + 1}]", how.time_type if field in _TIMES else "VARCHAR")
        for field, at in how.layout.columns.items()
    ]
    return f"""
        WITH cut AS (
            SELECT line, string_split(trim({line}), {_literal(how.delimiter)}) AS p
            FROM read_csv({_file(path)}, columns = {{'line': 'VARCHAR'}}, delim = {_literal(_NEVER_IN_TEXT)},
                          header = false, auto_detect = false, quote = '', escape = '', strict_mode = false,
                          encoding = 'latin-1', max_line_size = {_LINE_BYTES}, buffer_size = {_BUFFER_BYTES})
        )
        SELECT {", ".join(fields)}, line,
               CASE WHEN trim(line) = '' THEN 0 ELSE coalesce(len(p), 0) END AS n_cells
        FROM cut
    """  # noqa: S608  (names and literals are quoted here)


def _delimited_rows(batch: Batch, number: NDArray[np.int64], how: Delimited, done_frac: float) -> Parts:
    """Drop the header and blank lines; mark rows that have too few or too many cells."""
    text, n_cells = batch.texts["line"], batch.arrays["n_cells"]
    keep = np.flatnonzero((n_cells > 0) & (number > how.n_skip))
    wrong = n_cells[keep] != how.layout.n_columns
    raw = {name: column[keep] for name, column in _raw_columns(batch).items() if name != "n_cells"}

    def text_of(row: int) -> str:
        return text[int(keep[row])] or ""

    reason = np.where(wrong, Reason.WRONG_COLUMN_COUNT, Reason.OK).astype(np.uint8)
    return Parts(raw, reason, number[keep], done_frac, text_of)


def _stream(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> Iterator[Batch]:
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.execute("SET enable_progress_bar = false")  # stdout belongs to the JSON document
            yield from iter_batches(cursor.sql(query).__arrow_c_stream__())
    except (duckdb.Error, DataQualityError) as exc:
        raise DataQualityError(f"{path}: damaged or unreadable ({_first_line(exc)})") from exc


def _execute(
    connection: duckdb.DuckDBPyConnection, path: Path, query: str, *values: str
) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(query, list(values))
    except duckdb.Error as exc:
        raise DataQualityError(f"{path}: truncated, damaged or unreadable ({_first_line(exc)})") from exc


def _first_line(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__


def _parquet_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[str, str]]:
    query = "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)"
    rows = _execute(connection, path, query, _no_pattern(path)).fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]


def _expression(field: str, ref: str, type_name: str) -> str:
    """SQL that reads one field from a column of a DuckDB type into int64, float64 or text."""
    if field in _NUMBERS:
        return f"TRY_CAST({ref} AS DOUBLE) AS {field}"
    if field in _UPDATE_IDS:
        return f"coalesce(TRY_CAST({ref} AS BIGINT), {NO_ID}) AS {field}"
    if field in _TIMES:
        if type_name.startswith("TIMESTAMP") or type_name == "DATE":
            at = f"CAST({ref} AS TIMESTAMP)" if type_name == "DATE" else ref
            return f"epoch_ns({at}) AS {field}"
        if type_name in ("BIGINT", "UBIGINT", "INTEGER", "UINTEGER", "HUGEINT"):
            return f"TRY_CAST({ref} AS BIGINT) AS {field}"
        if type_name == "DOUBLE" or type_name.startswith(("DECIMAL", "FLOAT")):
            return f"TRY_CAST({ref} AS DOUBLE) AS {field}"
    if field in SIDE_WORDS:
        cases = " ".join(f"WHEN '{word}' THEN {side}" for word, side in SIDE_WORDS[field].items())
        return f"CAST(CASE lower(trim(CAST({ref} AS VARCHAR))) {cases} ELSE 0 END AS BIGINT) AS {field}"
    return f"CAST({ref} AS VARCHAR) AS {field}"


def _payload(names: list[str], layout: Layout) -> str:
    """SQL that gathers the columns no field stands for, and the text, as one JSON object."""
    taken = {at for field, at in layout.columns.items() if field != "text"}
    taken.add(layout.columns["title"])
    pairs = [f"{_literal(name)}, {_quoted(name)}" for at, name in enumerate(names) if at not in taken]
    return f"CAST(json_object({', '.join(pairs)}) AS VARCHAR) AS payload"


def _raw_columns(batch: Batch) -> dict[str, NDArray[Any]]:
    raw = dict(batch.arrays)
    for name, texts in batch.texts.items():
        if name != "line":
            raw[name] = texts.to_array()
    for name in _TIMES & set(raw):
        nulls = raw.pop(f"{name}?", None)
        if nulls is not None:
            raw[name] = np.where(nulls, NO_TIME_NS, raw[name])
    return {name: column for name, column in raw.items() if not name.endswith("?")}


def _row_text(raw: dict[str, NDArray[Any]], layout: Layout) -> Any:
    def text_of(row: int) -> str:
        return ",".join(f"{field}={raw[field][row]}" for field in layout.columns)

    return text_of


def _time_type(rows: list[list[str]], layout: Layout) -> str:
    at = layout.columns["time"]
    looks = Counter(_look_of_time(row[at]) for row in rows if len(row) == layout.n_columns)
    return looks.most_common(1)[0][0] if looks else "VARCHAR"


def _look_of_time(cell: str) -> str:
    text = cell.strip().strip('"')
    if text.isdecimal():
        return "BIGINT"
    return "DOUBLE" if text.replace(".", "", 1).isdecimal() else "VARCHAR"


def _is_unterminated(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) not in (b"\n", b"\r")


def _no_pattern(path: Path) -> str:
    """The path with the characters spelled out that DuckDB would take for a pattern of many files."""
    return re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", str(path))


def _file(path: Path) -> str:
    return _literal(_no_pattern(path))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
