"""How fast to ask a venue, and how often to try again.

The pause between requests doubles when the venue says that it is asked too often and shrinks by a tenth with
each answer, never below what the venue documents. A failed request is tried again after an exponential wait
with full jitter (or after what the venue asks for), a bounded number of times.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np

from marketsentry.exceptions import DependencyError
from marketsentry.ports.venues import Sleep, VenueBusyError, VenueUnavailableError

T = TypeVar("T")
SLOWER = 2.0
FASTER = 0.9
FIRST_SLOW_S = 0.25
FIRST_WAIT_S = 0.5


class Pace:
    """Paces and retries the requests to one venue; `n_requests` and `n_retries` count them.

    `delay_s` is the pause in force. `max_attempts` bounds the tries of one request, `max_wait_s` any single
    wait: a venue that asks for a longer one is given up on at once.
    """

    def __init__(
        self,
        *,
        min_delay_s: float,
        rng: np.random.Generator,
        max_attempts: int = 8,
        max_wait_s: float = 120.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.delay_s = min_delay_s
        self.n_requests = 0
        self.n_retries = 0
        self._min_delay_s = min_delay_s
        self._max_attempts = max_attempts
        self._max_wait_s = max_wait_s
        self._rng = rng
        self._sleep = sleep

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make one request, again where it may help.

        Parameters
        ----------
        request
            Makes the request anew each time it is called.

        Returns
        -------
        T
            What the request returned.

        Raises
        ------
        DependencyError
            If the last try failed, the venue asks for too long a wait, or the failure is final.
        """
        failure: VenueBusyError | VenueUnavailableError
        for attempt in range(1, self._max_attempts + 1):
            await self._sleep(self.delay_s)
            self.n_requests += 1
            try:
                answer = await request()
            except VenueBusyError as error:
                self.delay_s = min(max(SLOWER * self.delay_s, FIRST_SLOW_S), self._max_wait_s)
                wait_s, failure = max(error.retry_after_s or 0.0, self._jittered_s(attempt)), error
            except VenueUnavailableError as error:
                wait_s, failure = self._jittered_s(attempt), error
            else:
                self.delay_s = max(FASTER * self.delay_s, self._min_delay_s)
                return answer
            if wait_s > self._max_wait_s:
                raise DependencyError(
                    f"{failure}; it asks to wait {wait_s:.0f} s, try again then"
                ) from failure
            if attempt < self._max_attempts:
                self.n_retries += 1
                await self._sleep(wait_s)
        raise DependencyError(f"{failure}; gave up after {self._max_attempts} tries") from failure

    def _jittered_s(self, attempt: int) -> float:
        """Full jitter over an exponential wait."""
        return float(self._rng.random() * min(FIRST_WAIT_S * 2.0 ** (attempt - 1), self._max_wait_s))
