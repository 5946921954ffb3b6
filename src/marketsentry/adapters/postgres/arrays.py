"""Lists as parameters: written as PostgreSQL reads arrays, of whatever type the statement says that they are.

The driver looks at every element to find a type that holds all of them, in Python; every statement of ours names it.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from psycopg.adapt import Dumper
from psycopg.types.json import Json, Jsonb


class ArrayDumper(Dumper):
    """Dumps a list; its type is left to the statement, which must cast it or compare it."""

    oid = 0

    def dump(self, obj: Sequence[Any]) -> bytes:
        """Write a list, or a list of lists of equal lengths."""
        return array_literal(obj).encode()


def array_literal(values: Sequence[Any]) -> str:
    """Write the elements as one array.

    Parameters
    ----------
    values
        Text, numbers, times, JSON and None, or lists of them.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If an element is of no type that is known here.
    """
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    written = _WRITERS.get(type(value))
    if written is not None:
        return written(value)
    for kind, write in _KINDS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(
        f"an element of an array must be text, a number, a time or JSON, was {type(value).__name__}"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    return float.__repr__(value)  # also of a subclass, which may show itself otherwise


def _json(value: Json) -> str:
    written = (value.dumps or json.dumps)(value.obj)
    return _quoted(written if isinstance(written, str) else written.decode())


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    type(None): lambda _: "NULL",
    bool: lambda value: "t" if value else "f",
    int: str,
    float: _number,
    Decimal: str,
    Jsonb: _json,
    list: array_literal,
}
_KINDS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (Enum, lambda value: _element(value.value)),
    (str, lambda value: _quoted(str(value))),
    (float, _number),
    (date, lambda value: _quoted(value.isoformat())),
    (Json, _json),
)
