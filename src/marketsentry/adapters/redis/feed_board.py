"""`FeedBoard` on Redis: one key a feed, gone a minute after it was written last."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketsentry.exceptions import DependencyError
from marketsentry.ports.feeds import FeedMode, FeedState

_PREFIX = "ms:feed:"
_KEPT_S = 60


class RedisFeedBoard:
    """Keeps what feeds say.

    Parameters
    ----------
    redis
        Open; it stays open.
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def put(self, state: FeedState) -> None:
        """Say how a feed does; see `FeedBoard.put`."""
        try:
            await self._redis.set(feed_key(state), json.dumps(asdict(state), default=str), ex=_KEPT_S)
        except (RedisError, OSError) as error:
            raise DependencyError(f"Redis failed: {error}") from error

    async def all(self) -> Sequence[FeedState]:
        """Read what feeds said; see `FeedBoard.all`."""
        try:
            keys = sorted([key async for key in self._redis.scan_iter(match=f"{_PREFIX}*")])
            texts = await self._redis.mget(keys) if keys else []
        except (RedisError, OSError) as error:
            raise DependencyError(f"Redis failed: {error}") from error
        return [_read(json.loads(text)) for text in texts if text is not None]


def feed_key(state: FeedState) -> str:
    """Name the key of a feed."""
    return f"{_PREFIX}{state.source}:{state.interval}"


def _read(told: dict[str, object]) -> FeedState:
    heard = told["heard_at"]
    symbols = told["symbols"]
    assert isinstance(symbols, list)
    counts = {name: int(str(value)) for name, value in told.items() if name.startswith("n_")}
    return FeedState(
        source=str(told["source"]),
        symbols=tuple(map(str, symbols)),
        interval=str(told["interval"]),
        mode=FeedMode(str(told["mode"])),
        since=datetime.fromisoformat(str(told["since"])),
        reason=None if told["reason"] is None else str(told["reason"]),
        heard_at=None if heard is None else datetime.fromisoformat(str(heard)),
        **counts,
    )
