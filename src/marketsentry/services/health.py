"""Probe the dependencies now: what answers within a short time is connected, everything else is not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from marketsentry.exceptions import DependencyError

PROBE_TIMEOUT_S = 1.0

Ping = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Probes:
    """What answered."""

    postgres: bool
    redis: bool

    @property
    def missing(self) -> list[str]:
        """Names of the dependencies that did not answer."""
        return [name for name, up in (("postgres", self.postgres), ("redis", self.redis)) if not up]


async def probe(ping_postgres: Ping, ping_redis: Ping, *, timeout_s: float = PROBE_TIMEOUT_S) -> Probes:
    """Ask both dependencies at once.

    Parameters
    ----------
    ping_postgres
        Asks PostgreSQL something and raises `DependencyError` when it fails.
    ping_redis
        The same for Redis.
    timeout_s : float
        A dependency that takes longer counts as disconnected.

    Returns
    -------
    Probes
        Which of them answered in time.
    """
    postgres, redis = await asyncio.gather(
        _answers(ping_postgres, timeout_s), _answers(ping_redis, timeout_s)
    )
    return Probes(postgres, redis)


async def _answers(ping: Ping, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await ping()
    except (DependencyError, TimeoutError):
        return False
    return True
