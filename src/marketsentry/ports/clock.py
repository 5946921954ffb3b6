"""What time it is, as an argument."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present; a replay tells the past instead."""

    def now(self) -> datetime:
        """Return the present as an aware time in UTC."""
        ...
