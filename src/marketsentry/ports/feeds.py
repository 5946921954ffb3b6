"""Where the bars of a trader come from at present, for whoever asks for the status. It may be lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class FeedMode(StrEnum):
    """Whether bars are made of the venue's stream, or asked for over REST."""

    STREAM = "stream"
    POLLING = "polling"


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a feed does; `reason` tells why it polls, and counts are those since it began.

    `heard_at` is when the stream said something last, None before it did. `n_unverified_bars` were made of the stream
    and not held against the venue's candles yet; `n_corrected_bars` were found to differ.
    """

    source: str
    symbols: tuple[str, ...]
    interval: str
    mode: FeedMode
    since: datetime
    reason: str | None = None
    heard_at: datetime | None = None
    n_interruptions: int = 0
    n_backfills: int = 0
    n_streamed_bars: int = 0
    n_unverified_bars: int = 0
    n_corrected_bars: int = 0


class FeedBoard(Protocol):
    """Where feeds say how they do."""

    async def put(self, state: FeedState) -> None:
        """Say it; it is forgotten when it is not said again for a minute. Raises `DependencyError`."""
        ...

    async def all(self) -> Sequence[FeedState]:
        """Read what feeds said within the last minute, by source. Raises `DependencyError`."""
        ...
