"""Labelled samples as one Parquet, CSV or gzipped CSV file."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb
import numpy as np

from marketsentry.core.labels.direction import DIRECTION_NAMES
from marketsentry.exceptions import DependencyError, InputError
from marketsentry.ports.datasets import SampleRows

_TABLE = """
CREATE TABLE samples (
    symbol VARCHAR, horizon_hours INTEGER, start_at TIMESTAMP_NS, end_at TIMESTAMP_NS, price_start DOUBLE,
    price_end DOUBLE, pct_change DOUBLE, direction VARCHAR
)
"""
_INSERT = """
INSERT INTO samples
SELECT $symbol, $horizon_hours, make_timestamp_ns(start_ns), make_timestamp_ns(end_ns), price_start, price_end,
       pct_change, CASE direction WHEN 1 THEN $up WHEN -1 THEN $down ELSE $neutral END
FROM rows_to_write
"""
_WRITE = {
    ".parquet": "COPY samples TO $path (FORMAT parquet, COMPRESSION zstd)",
    ".csv": "COPY samples TO $path (FORMAT csv, HEADER)",
    ".csv.gz": "COPY samples TO $path (FORMAT csv, HEADER, COMPRESSION gzip)",
}


def write_sample_file(path: Path, samples: Iterable[SampleRows]) -> int:
    """Write samples to one file, which appears whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in `.parquet`, `.csv` or `.csv.gz`; an existing file is replaced.
    samples : iterable of SampleRows
        Times come out as UTC.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    InputError
        If the name ends otherwise or the folder does not exist.
    DependencyError
        If the disk refuses.
    """
    write = next((query for ending, query in _WRITE.items() if path.name.endswith(ending)), None)
    if write is None:
        raise InputError(f"the file must end in one of {', '.join(_WRITE)}, was {path.name}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist")
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        connection = duckdb.connect(str(Path(folder) / "samples.duckdb"))
        try:
            connection.execute(
                "SET enable_progress_bar = false"
            )  # it would draw on stdout, which belongs to JSON
            connection.execute("SET memory_limit = '512MiB'")
            connection.execute(_TABLE)
            n_rows = sum(_insert(connection, rows) for rows in samples)
            connection.execute(write, {"path": str(draft)})
            os.replace(draft, path)
        except (OSError, duckdb.Error) as exc:
            raise DependencyError(f"{path} cannot be written: {exc}") from exc
        finally:
            connection.close()
    return n_rows


def _insert(connection: duckdb.DuckDBPyConnection, rows: SampleRows) -> int:
    columns = {
        name: np.ascontiguousarray(getattr(rows, name))
        for name in ("start_ns", "end_ns", "price_start", "price_end", "pct_change", "direction")
    }
    connection.register("rows_to_write", columns)
    named = {name: name for name in DIRECTION_NAMES.values()}
    connection.execute(_INSERT, {"symbol": rows.symbol, "horizon_hours": rows.horizon_hours, **named})
    connection.unregister("rows_to_write")
    return int(rows.start_ns.size)
