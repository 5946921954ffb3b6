"""A clock that moves only when it is told to."""


class VirtualClock:
    """Time in seconds since the epoch, advanced by hand."""

    def __init__(self, start_s: float = 1_750_000_000.0) -> None:
        self._now_s = start_s

    def __call__(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds
