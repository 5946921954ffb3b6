"""How both venues write numbers and times, and how they part a long answer into pages."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

Row = TypeVar("Row")


def text(value: Decimal) -> str:
    """Write a number without exponent and without trailing zeros."""
    return format(value.normalize(), "f") if value else "0"


def number(value: Any) -> Decimal | None:
    """Read a number sent as text or number; None where it is none."""
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def iso(at_s: float) -> str:
    """Write a time as Coinbase does, in microseconds."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_iso(value: str) -> float:
    """Read an ISO 8601 time into seconds since the epoch; raises ValueError."""
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


def millis(at_s: float) -> str:
    """Write a time as Bitget does, in milliseconds since the epoch."""
    return str(math.floor(at_s * 1_000))


def page(rows: Sequence[Row], *, limit: int, cursor: str, key: Callable[[Row], str]) -> tuple[list[Row], str]:
    """Cut the page that follows the row named by `cursor`; return it with the cursor of the next one, or ''."""
    start = 0
    if cursor:
        start = next((i + 1 for i, row in enumerate(rows) if key(row) == cursor), len(rows))
    cut = list(rows[start : start + limit])
    has_more = start + limit < len(rows)
    return cut, key(cut[-1]) if cut and has_more else ""
