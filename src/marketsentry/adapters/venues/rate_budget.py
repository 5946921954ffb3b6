"""How many requests a venue is sent in a while: a token bucket in which cancels come first, and exits next.

Some tokens are kept for both, and while one of them waits nothing less urgent is sent: openings and reads that are late
cost little, an order that cannot be cancelled or a position that cannot be closed may cost a lot. A request that would
have to wait longer than its limit is refused before anything is sent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from marketsentry.ports.urgency import Urgency
from marketsentry.ports.venue import VenueRefusedError

_MORE_URGENT = {one: tuple(Urgency)[:place] for place, one in enumerate(Urgency)}


class RateBudget:
    """Tokens of one account at one venue.

    Parameters
    ----------
    rate_per_s
        Tokens that come back per second.
    burst
        Tokens at most; the bucket starts full.
    reserve
        Tokens that only cancels and exits may take; less than `burst`.
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
        self._waiting: Counter[Urgency] = Counter()

    async def take(self, urgency: Urgency, *, within_s: float) -> None:
        """Wait for a token.

        Parameters
        ----------
        urgency
            Cancels go before everything else and exits before the rest; both may use the reserve.
        within_s
            Longest wait.

        Raises
        ------
        VenueRefusedError
            `venue_error:rate_budget`, if no token comes in time; nothing was sent.
        """
        deadline = self._now() + within_s
        self._waiting[urgency] += 1
        try:
            while not self._try_take(urgency):
                wait_s = self._wait_s(urgency)
                if self._now() + wait_s > deadline:
                    raise VenueRefusedError(
                        "venue_error:rate_budget",
                        f"the next request may be sent in {wait_s:.2f} s, and it may wait {within_s:g} s",
                        retry_after_s=wait_s,
                    )
                await self._sleep(wait_s)
        finally:
            self._waiting[urgency] -= 1

    def hold(self, seconds: float) -> None:
        """Send nothing for a while: the venue has said that it is asked too often."""
        self._refill()
        self._tokens = min(self._tokens, 1.0 - seconds * self._rate_per_s)

    def _try_take(self, urgency: Urgency) -> bool:
        self._refill()
        if any(self._waiting[one] for one in _MORE_URGENT[urgency]):
            return False
        if self._tokens < self._needed(urgency):
            return False
        self._tokens -= 1.0
        return True

    def _needed(self, urgency: Urgency) -> float:
        return 1.0 + (self._reserve if urgency is Urgency.OTHER else 0)

    def _wait_s(self, urgency: Urgency) -> float:
        missing = self._needed(urgency) - self._tokens
        return max(missing, 0.1) / self._rate_per_s

    def _refill(self) -> None:
        now = self._now()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate_per_s, float(self._burst))
        self._filled_at = now
