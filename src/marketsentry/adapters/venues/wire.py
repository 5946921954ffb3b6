"""Numbers and times as venues write them, to and from exact values. What cannot be read leaves the outcome unknown."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from marketsentry.ports.venue import OutcomeUnknownError

_FRACTION = re.compile(r"\.\d+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at its end: `1E-8` -> `0.00000001`, `25.00` -> `25`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def step_of(n_digits: str) -> Decimal:
    """Make a step of the number of digits behind the point: `2` -> `0.01`."""
    return Decimal(1).scaleb(-int(n_digits))


def decimal_of(row: Mapping[str, Any], name: str, missing: Decimal | None = None) -> Decimal:
    """Read a number.

    Parameters
    ----------
    row
        The object that holds it.
    name
        Its field.
    missing
        What an absent or empty field means; None refuses it.

    Returns
    -------
    Decimal
        Finite.

    Raises
    ------
    OutcomeUnknownError
        If it is no finite decimal number.
    """
    value = row.get(name)
    if value in (None, "") and missing is not None:
        return missing
    try:
        if not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        raise OutcomeUnknownError(f"{name} must be a decimal number, was {value!r}") from None
    if not number.is_finite():
        raise OutcomeUnknownError(f"{name} must be finite, was {value!r}")
    return number


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    value = row.get(name)
    if value in (None, "") or isinstance(value, dict | list):
        raise OutcomeUnknownError(f"{name} must be a text, was {value!r}")
    return str(value)


def instant_of(row: Mapping[str, Any], name: str) -> datetime:
    """Read an ISO time, of UTC where it has no offset; digits beyond the microsecond are cut."""
    text = text_of(row, name)
    try:
        read = datetime.fromisoformat(_FRACTION.sub(lambda found: found[0][:7].ljust(7, "0"), text))
    except ValueError:
        raise OutcomeUnknownError(f"{name} must be a time like 2026-01-02T03:04:05Z, was {text!r}") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def instant_of_ms(row: Mapping[str, Any], name: str) -> datetime:
    """Read a time given in milliseconds since 1970."""
    ms = decimal_of(row, name)
    return _EPOCH + timedelta(milliseconds=int(ms))


def iso(at: datetime) -> str:
    """Write a time as Coinbase reads it: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def ms_of(at: datetime) -> int:
    """Write a time in milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def object_of(value: Any, name: str) -> Mapping[str, Any]:
    """Refuse what is no JSON object."""
    if not isinstance(value, dict):
        raise OutcomeUnknownError(f"{name} must be an object, was {str(value)[:80]!r}")
    return value


def rows_of(value: Any, name: str) -> list[Mapping[str, Any]]:
    """Refuse what is no list of JSON objects; null is an empty list."""
    rows = [] if value is None else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise OutcomeUnknownError(f"{name} must be a list of objects, was {str(value)[:80]!r}")
    return rows
