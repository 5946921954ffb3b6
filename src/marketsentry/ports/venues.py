"""Venues that serve candles."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import DependencyError


class VenueBusyError(DependencyError):
    """The venue asks for patience (429 and the like); `retry_after_s` is None where it did not say how long."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VenueUnavailableError(DependencyError):
    """No usable answer: a 5xx, a timeout, a connection that broke. A retry may help."""


@dataclass(frozen=True, slots=True)
class VenueMarket:
    """One market of a venue: its canonical symbol, the venue's own word for it, and the source name of its
    data.
    """

    symbol: str
    venue_symbol: str
    source: str


@dataclass(frozen=True, slots=True)
class CandlePage:
    """Candles as the venue sent them, in any order, possibly twice, possibly with the unfinished one.

    `ts_ns` (n,) int64 open times; `values` (n, 5) open, high, low, close, volume. `venue_now_ns` is the
    venue's clock when it answered, None where it did not tell.
    """

    ts_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    venue_now_ns: int | None


class CandleVenue(Protocol):
    """A venue's candles.

    `page_bars` is how many bars one request may ask for; `omits_no_trade` tells whether the venue leaves out
    bars in which nothing traded; `min_delay_s` is the shortest pause between requests that the venue
    documents.
    """

    @property
    def name(self) -> str:
        """Name of the venue."""
        ...

    @property
    def page_bars(self) -> int:
        """Bars one request may ask for."""
        ...

    @property
    def omits_no_trade(self) -> bool:
        """Whether a bar without trades is left out."""
        ...

    @property
    def min_delay_s(self) -> float:
        """Shortest pause between requests."""
        ...

    async def market(self, symbol: str, interval: Interval) -> VenueMarket:
        """Find a market by canonical symbol or by the venue's spelling.

        Raises `NotFoundError` with near names, `InputError` when the venue has no such interval.
        """
        ...

    async def candles(
        self, market: VenueMarket, interval: Interval, start_ns: int, stop_ns: int
    ) -> CandlePage:
        """Ask for the bars that open in [start_ns, stop_ns), at most `page_bars` of them.

        Raises `VenueBusyError` or `VenueUnavailableError` where a retry may help, another `DependencyError`
        where it will not.
        """
        ...


Sleep = Callable[[float], Awaitable[None]]
"""Waits for seconds; a test hands in one that does not."""
