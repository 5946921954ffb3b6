"""PostgreSQL's binary rows and arrays as numpy arrays, without a Python object per value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

POSTGRES_EPOCH_NS = 946_684_800_000_000_000
"""2000-01-01 UTC: PostgreSQL counts timestamptz in microseconds from here."""

_ELEMENTS = {kind: np.dtype([("size", ">i4"), ("value", f">{kind}")]) for kind in ("f8", "i8")}
_ARRAY_HEADER_BYTES = 20  # dimensions, null flag, element type, length, lower bound: int32 each


def postgres_us(ts_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn UTC epoch ns into what a binary timestamptz holds; what lies below a microsecond is cut off."""
    return (ts_ns - POSTGRES_EPOCH_NS) // 1_000


def epoch_ns(us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn binary timestamptz values into UTC epoch ns."""
    return us * 1_000 + POSTGRES_EPOCH_NS


def row_template(n_rows: int, columns: dict[str, "str | bytes"]) -> NDArray[Any]:
    """Make rows of a binary COPY whose columns all have a fixed length.

    Parameters
    ----------
    n_rows : int
        How many.
    columns : dict of str to (str or bytes)
        In COPY order: a numpy type such as `>f8` leaves the column to be filled in, bytes are the same text
        in every row.

    Returns
    -------
    structured ndarray of shape (n_rows,)
        One field per column to fill in. Its bytes are the rows, without header and trailer.
    """
    layout: list[tuple[str, str]] = [("n_columns", ">i2")]
    for name, column in columns.items():
        kind = f"S{len(column)}" if isinstance(column, bytes) else column
        layout += [(f"{name} size", ">i4"), (name, kind)]
    rows = np.zeros(n_rows, dtype=layout)
    rows["n_columns"] = len(columns)
    for name, column in columns.items():
        rows[f"{name} size"] = len(column) if isinstance(column, bytes) else rows.dtype[name].itemsize
        if isinstance(column, bytes):
            rows[name] = column
    return rows


def array_of(sent: bytes | None, kind: str) -> NDArray[Any]:
    """Read the bytes of `array_send(...)`: a one-dimensional array without nulls of 8-byte elements.

    Parameters
    ----------
    sent : bytes or None
        None stands for no rows.
    kind : str
        `f8` for double precision, `i8` for bigint and timestamptz.

    Returns
    -------
    ndarray of shape (n,)
        In the machine's byte order.
    """
    if sent is None:
        return np.empty(0, dtype=kind)
    elements = np.frombuffer(sent, dtype=_ELEMENTS[kind], offset=_ARRAY_HEADER_BYTES)
    return elements["value"].astype(kind)


def arrays_of(sent: Sequence[bytes]) -> NDArray[np.int64]:
    """Read several arrays of one length together, as `array_of` does one.

    Parameters
    ----------
    sent : sequence of bytes
        Those of `array_send(...)`, k of them.

    Returns
    -------
    ndarray of shape (k, n)
        As integers; rows of double precision are to be viewed as such.
    """
    rows = np.frombuffer(b"".join(sent), dtype=np.uint8).reshape(len(sent), -1)[:, _ARRAY_HEADER_BYTES:]
    elements = rows.reshape(len(sent), -1, 12)[:, :, 4:]  # behind the size of each
    return np.ascontiguousarray(elements).view(">i8")[:, :, 0].astype("i8")
