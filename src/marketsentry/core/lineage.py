"""Content hashes: a dataset, a model and a run are named by what went into them.

Every hash is SHA-256 in lower-case hex over bytes that do not depend on the process, the platform or the
order in which a mapping was filled:

- parameters: canonical JSON (keys sorted, no spaces, ASCII escapes, floats in their shortest exact form),
  with `{"array": hash}` in the place of an array;
- arrays: element type, shape and the elements in C order, little-endian, with every NaN as the same NaN;
- a whole: its kind and the named hashes of its parts, as canonical JSON.

So an integer and a float of the same value differ (`1` and `1.0`), and so do `0.0` and `-0.0`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

_BLOCK_BYTES = 4 << 20


def hash_bytes(data: bytes) -> str:
    """SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: object) -> bytes:
    """Write `value` as the one JSON text that equal values share.

    Parameters
    ----------
    value : object
        Nested mappings with text keys, sequences, text, whole and finite floating-point numbers, booleans,
        None; dataclasses count as mappings, numpy scalars as their Python value, arrays as their hash.

    Returns
    -------
    bytes
        ASCII JSON: sorted keys, no white space, floats in the shortest form that reads back equal.

    Raises
    ------
    InputError
        If a number is NaN or infinite, or a value has no JSON form.
    """
    plain = _plain(value)
    try:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as exc:
        raise InputError(f"hashed parameters must be finite numbers: {exc}") from exc
    return text.encode("ascii")


def hash_params(params: object) -> str:
    """Hash parameters by their canonical JSON; see `canonical_json` for what is allowed."""
    return hash_bytes(canonical_json(params))


def hash_array(array: NDArray[Any]) -> str:
    """Hash an array by element type, shape and elements.

    Parameters
    ----------
    array : ndarray of any shape
        Booleans, integers or floats of any byte order and memory layout.

    Returns
    -------
    str
        Equal for equal content, whatever the strides or the byte order in memory.

    Raises
    ------
    InputError
        If the elements are neither booleans, integers nor floats.
    """
    if array.dtype.kind not in "biuf":
        raise InputError(f"only arrays of numbers have a content hash, was {array.dtype}")
    little = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{array.dtype.kind}{array.dtype.itemsize}{list(array.shape)}".encode())
    for block in _row_blocks(array):
        data = np.ascontiguousarray(block, dtype=little)
        if array.dtype.kind == "f":
            lost = np.isnan(data)
            if lost.any():
                data = np.where(lost, np.array(np.nan, dtype=little), data)
        digest.update(data.data)
    return digest.hexdigest()


def hash_parts(kind: str, parts: Mapping[str, str]) -> str:
    """Name a whole by its kind and the named hashes (or short names) of its parts.

    Parameters
    ----------
    kind : str
        What is named: `dataset`, `model`, `run`. Equal parts of two kinds have two hashes.
    parts : mapping of str to str
        Part name to its hash; the order does not matter.

    Returns
    -------
    str
        The content hash.
    """
    return hash_params({"kind": kind, "parts": dict(parts)})


def hash_sources(sources: Iterable[tuple[str, bytes]]) -> str:
    """Hash source files as a code version.

    Parameters
    ----------
    sources : iterable of (str, bytes)
        Name of each file, relative and with forward slashes, and its content. Line ends count as `\\n`, so a
        checkout on another system has the same version.

    Returns
    -------
    str
        The same for the same set of files, in whatever order they come.
    """
    return hash_params({name: hash_bytes(text.replace(b"\r\n", b"\n")) for name, text in sources})


def code_version_with(code_version: str, plugin_hash: str | None) -> str:
    """Name the code behind a result that a user's own code took part in; without a plugin it is the program's."""
    if plugin_hash is None:
        return code_version
    return hash_parts("code", {"program": code_version, "plugin": plugin_hash})


def first_difference(left: Mapping[str, str], right: Mapping[str, str]) -> str | None:
    """Name the first part, in alphabetical order, that differs between two wholes; None if all are equal."""
    return next((name for name in sorted({*left, *right}) if left.get(name) != right.get(name)), None)


def _row_blocks(array: NDArray[Any]) -> Iterable[NDArray[Any]]:
    if array.ndim == 0 or array.nbytes <= _BLOCK_BYTES:
        return (array,)
    rows = max(1, _BLOCK_BYTES * len(array) // array.nbytes)
    return (array[start : start + rows] for start in range(0, len(array), rows))


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": hash_array(value)}
    if isinstance(value, Mapping):
        strange = [key for key in value if not isinstance(key, str)]
        if strange:
            raise InputError(f"keys of hashed parameters must be text, was {strange[0]!r}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise InputError(f"hashed parameters must be JSON values, was {type(value).__name__}")
