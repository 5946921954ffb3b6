"""Times on the wire: RFC 3339 UTC ending in `Z` in every response (K-83)."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer


def to_wire(value: datetime) -> str:
    """Spell an aware time in UTC with a `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


UtcTime = Annotated[datetime, PlainSerializer(to_wire, return_type=str)]
