"""Read an Arrow C stream into numpy arrays without an Arrow library.

DuckDB hands query results over as a stream of record batches through the Arrow C data interface. Reading the
few column types we ask for (64-bit numbers, booleans, text) takes three C structures; a whole Arrow
installation (100 MB) would be the alternative. One batch is alive at a time, so memory does not grow with
the result.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import DataQualityError, InputError

_FIXED: dict[str, np.dtype[Any]] = {"l": np.dtype(np.int64), "g": np.dtype(np.float64)}
_TEXT: dict[str, np.dtype[Any]] = {"u": np.dtype(np.int32), "U": np.dtype(np.int64)}


@dataclass(frozen=True, slots=True)
class Texts:
    """A text column, decoded only where it is asked for. Null is None."""

    ends: NDArray[Any]
    data: bytes
    nulls: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return self.ends.size - 1

    def __getitem__(self, row: int) -> str | None:
        if self.nulls is not None and self.nulls[row]:
            return None
        return self.data[self.ends[row] : self.ends[row + 1]].decode(errors="replace")

    def to_array(self) -> NDArray[np.object_]:
        """Decode all rows into an object array of str."""
        bounds = self.ends.tolist()
        out = np.empty(len(self), dtype=object)
        for row in range(out.size):
            if self.nulls is None or not self.nulls[row]:
                out[row] = self.data[bounds[row] : bounds[row + 1]].decode(errors="replace")
        return out


@dataclass(frozen=True, slots=True)
class Batch:
    """One record batch: `arrays` holds number and flag columns, `texts` the text columns."""

    n_rows: int
    arrays: dict[str, NDArray[Any]]
    texts: dict[str, Texts]


class _Schema(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))),
    ("private_data", ctypes.c_void_p),
]


class _Array(ctypes.Structure):
    pass


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]


class _Stream(ctypes.Structure):
    pass


_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Stream))),
    ("private_data", ctypes.c_void_p),
]

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def iter_batches(capsule: object) -> Iterator[Batch]:
    """Yield the batches of an `arrow_array_stream` capsule as copies, oldest first.

    Parameters
    ----------
    capsule : PyCapsule
        What `__arrow_c_stream__()` returned. Columns must be int64, float64, boolean or text.

    Yields
    ------
    Batch
        Number and flag columns as arrays of shape (n_rows,): int64, float64 (null is NaN) or bool (null is
        False). An int64 column with nulls comes with a second one, `<name>?`, that is True where the value
        is null.

    Raises
    ------
    DataQualityError
        If the producer fails midway, for example on a damaged file; carries its message.
    """
    stream = ctypes.cast(_pointer_of(capsule, b"arrow_array_stream"), ctypes.POINTER(_Stream)).contents
    columns = _read_schema(stream)
    while True:
        array = _Array()
        if stream.get_next(ctypes.byref(stream), ctypes.byref(array)):
            raise DataQualityError(_last_error(stream))
        if not array.release:
            return
        try:
            batch = _read_struct(array, columns)
        finally:
            array.release(ctypes.byref(array))
        yield batch


def _read_schema(stream: _Stream) -> list[tuple[str, str]]:
    schema = _Schema()
    if stream.get_schema(ctypes.byref(stream), ctypes.byref(schema)):
        raise DataQualityError(_last_error(stream))
    try:
        children = [schema.children[i].contents for i in range(schema.n_children)]
        return [(child.name.decode(), child.format.decode()) for child in children]
    finally:
        schema.release(ctypes.byref(schema))


def _last_error(stream: _Stream) -> str:
    text = stream.get_last_error(ctypes.byref(stream))
    return text.decode(errors="replace") if text else "the reader failed without a message"


def _read_struct(array: _Array, columns: list[tuple[str, str]]) -> Batch:
    batch = Batch(array.length, {}, {})
    for i, (name, kind) in enumerate(columns):
        child = array.children[i].contents
        nulls = _nulls(child)
        if kind in _TEXT:
            batch.texts[name] = _texts(child, _TEXT[kind], nulls)
        elif kind == "b":
            flags = _bits(child.buffers[1], child.offset, child.length)
            batch.arrays[name] = flags if nulls is None else flags & ~nulls
        elif kind in _FIXED:
            values = _view(child.buffers[1], _FIXED[kind], child.offset + child.length)[child.offset :].copy()
            batch.arrays[name] = values
            if nulls is not None and kind == "g":
                values[nulls] = np.nan
            elif nulls is not None:
                batch.arrays[f"{name}?"] = nulls
        else:
            raise InputError(
                f"column {name} must be int64, float64, boolean or text, has Arrow format {kind!r}"
            )
    return batch


def _nulls(array: _Array) -> NDArray[np.bool_] | None:
    if array.null_count == 0 or not array.buffers[0]:
        return None
    return ~_bits(array.buffers[0], array.offset, array.length)


def _view(address: int | None, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    if not count or not address:
        return np.empty(0, dtype)
    raw = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address)
    return np.ctypeslib.as_array(raw).view(dtype)


def _bits(address: int | None, offset: int, length: int) -> NDArray[np.bool_]:
    packed = _view(address, np.dtype(np.uint8), (offset + length + 7) // 8)
    return np.unpackbits(packed, bitorder="little")[offset : offset + length].astype(np.bool_)


def _texts(array: _Array, width: np.dtype[Any], nulls: NDArray[np.bool_] | None) -> Texts:
    if array.length == 0:
        return Texts(np.zeros(1, dtype=np.int64), b"", None)
    ends = _view(array.buffers[1], width, array.offset + array.length + 1)[array.offset :]
    start, stop = int(ends[0]), int(ends[-1])
    data = _view(array.buffers[2], np.dtype(np.uint8), stop)[start:].tobytes()
    return Texts(ends.astype(np.int64) - start, data, nulls)
