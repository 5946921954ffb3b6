"""Times on the wire: ISO-8601 in requests, RFC 3339 UTC ending in `Z` in every response (K-83)."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

FIRST_YEAR, LAST_YEAR = 1678, 2261
"""Times that 64-bit epoch nanoseconds can hold, in whole years."""


def to_wire(value: datetime) -> str:
    """Spell an aware time in UTC with a `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_wire(value: Any) -> datetime:  # whatever the client sent
    """Read a time of a request; one without an offset is UTC."""
    if not isinstance(value, str):
        raise ValueError("time must be ISO-8601 text")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("time must be ISO-8601 such as 2024-03-01T12:00:00Z") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"year must be {FIRST_YEAR}..{LAST_YEAR}, was {at.year}")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


UtcTime = Annotated[datetime, PlainSerializer(to_wire, return_type=str)]
RequestTime = Annotated[datetime, BeforeValidator(from_wire)]
