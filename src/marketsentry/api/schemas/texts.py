"""Texts and JSON objects that the record can hold: no NUL, no half of a surrogate pair, no NaN, no endless nesting."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

MAX_DEPTH = 32
_STORABLE = r"^[^\x00]*$"


def _said(text: str | None) -> str | None:
    """Take a blank text for one that was not given."""
    return text or None


def stored_text(max_length: int, *, min_length: int = 1) -> StringConstraints:
    """Bound a text that will be stored; blanks at its ends do not count."""
    return StringConstraints(
        strip_whitespace=True, min_length=min_length, max_length=max_length, pattern=_STORABLE
    )


BLANK_IS_ABSENT = AfterValidator(_said)


def _storable_object(value: dict[str, Any]) -> dict[str, Any]:
    fault = _fault(value)
    if fault is not None:
        raise ValueError(fault)
    return value


def _fault(value: Any) -> str | None:  # any JSON value
    """Say why the record cannot hold a JSON value; None when it can."""
    waiting = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return f"nesting must be at most {MAX_DEPTH} deep"
        if isinstance(one, float) and not math.isfinite(one):
            return "numbers must be finite"
        if isinstance(one, str) and not _is_storable(one):
            return "text must be Unicode without NUL"
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
    return None


def _is_storable(text: str) -> bool:
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


JsonObject = Annotated[dict[str, Any], AfterValidator(_storable_object)]
