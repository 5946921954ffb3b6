"""A bound on how often one client may call (K-09): 429 with `Retry-After` beyond it.

Every client has a bucket that holds five seconds of calls, at least `MIN_BURST`, and fills at the configured rate.
Probes and metrics are not counted: a monitor must see a program that is under load.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send

from marketsentry.api.refusal import refuse

MIN_BURST = 60
BURST_S = 5.0
MAX_CLIENTS = 10_000
UNCOUNTED = ("/health", "/metrics", "/api/status")


class RateLimit:
    """ASGI middleware: refuses a client's calls beyond `per_second`, and remembers the newest `max_clients`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        per_second: float,
        max_clients: int = MAX_CLIENTS,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self.app = app
        self._max_clients = max_clients
        self._per_second = per_second
        self._burst = max(MIN_BURST, BURST_S * per_second)
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # calls left, and when that was

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNCOUNTED):
            await self.app(scope, receive, send)
            return
        wait_s = self._take((scope.get("client") or ("",))[0])
        if wait_s <= 0:
            await self.app(scope, receive, send)
            return
        detail = f"at most {self._per_second:g} calls a second, and {self._burst:g} at once"
        await refuse(send, 429, detail, (b"retry-after", str(math.ceil(wait_s)).encode()))

    def _take(self, client: str) -> float:
        """Take one call out of the client's bucket; seconds to wait when it is empty."""
        now = self._now_s()
        left, since = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        wait_s = (1.0 - left) / self._per_second
        self._buckets[client] = (left if wait_s > 0 else left - 1.0), now
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)  # who has not called for longest
        return wait_s
