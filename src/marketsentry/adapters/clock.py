"""The clock of this machine, and one that a replay moves."""

from datetime import UTC, datetime

from marketsentry.exceptions import InputError


class SystemClock:
    """Tells the time of the operating system."""

    def now(self) -> datetime:
        """Return the present as an aware time in UTC."""
        return datetime.now(UTC)


class ReplayClock:
    """Tells the time of a replay, which only moves when it is told to.

    Parameters
    ----------
    at
        Where it begins; aware.
    """

    def __init__(self, at: datetime) -> None:
        self._now = at

    def now(self) -> datetime:
        """Return the time of the replay."""
        return self._now

    def move_to(self, at: datetime) -> None:
        """Go on to a time; raises `InputError` when it has passed."""
        if at < self._now:
            raise InputError(
                f"a replay goes forward: {at:%Y-%m-%dT%H:%MZ} is before {self._now:%Y-%m-%dT%H:%MZ}"
            )
        self._now = at
