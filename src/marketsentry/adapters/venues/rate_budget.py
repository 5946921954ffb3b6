"""How many requests a venue is sent in a while: a token bucket in which cancels come first.

Some tokens are kept for cancels, and while a cancel waits nothing else is sent: orders and reads that are late cost
little, an order that cannot be cancelled may cost a lot. A request that would have to wait longer than its limit is
refused before anything is sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

from marketsentry.ports.venue import VenueRefusedError


class Urgency(StrEnum):
    """What a request is for."""

    CANCEL = "cancel"
    OTHER = "other"


class RateBudget:
    """Tokens of one account at one venue.

    Parameters
    ----------
    rate_per_s
        Tokens that come back per second.
    burst
        Tokens at most; the bucket starts full.
    reserve
        Tokens that only cancels may take; less than `burst`.
    now
        The clock, in seconds.
    sleep
        How to wait on it.
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: int,
        reserve: int = 2,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._reserve = min(reserve, burst - 1)
        self._now = now
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = now()
        self._n_waiting_cancels = 0

    async def take(self, urgency: Urgency, *, within_s: float) -> None:
        """Wait for a token.

        Parameters
        ----------
        urgency
            Cancels may use the reserve and go before everything else.
        within_s
            Longest wait.

        Raises
        ------
        VenueRefusedError
            `venue_error:rate_budget`, if no token comes in time; nothing was sent.
        """
        deadline = self._now() + within_s
        is_cancel = urgency is Urgency.CANCEL
        self._n_waiting_cancels += is_cancel
        try:
            while not self._try_take(is_cancel=is_cancel):
                wait_s = self._wait_s(is_cancel=is_cancel)
                if self._now() + wait_s > deadline:
                    raise VenueRefusedError(
                        "venue_error:rate_budget",
                        f"the next request may be sent in {wait_s:.2f} s, and it may wait {within_s:g} s",
                        retry_after_s=wait_s,
                    )
                await self._sleep(wait_s)
        finally:
            self._n_waiting_cancels -= is_cancel

    def hold(self, seconds: float) -> None:
        """Send nothing for a while: the venue has said that it is asked too often."""
        self._refill()
        self._tokens = min(self._tokens, 1.0 - seconds * self._rate_per_s)

    def _try_take(self, *, is_cancel: bool) -> bool:
        self._refill()
        if not is_cancel and self._n_waiting_cancels:
            return False
        if self._tokens < self._needed(is_cancel=is_cancel):
            return False
        self._tokens -= 1.0
        return True

    def _needed(self, *, is_cancel: bool) -> float:
        return 1.0 if is_cancel else 1.0 + self._reserve

    def _wait_s(self, *, is_cancel: bool) -> float:
        missing = self._needed(is_cancel=is_cancel) - self._tokens
        return max(missing, 0.1) / self._rate_per_s

    def _refill(self) -> None:
        now = self._now()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate_per_s, float(self._burst))
        self._filled_at = now
