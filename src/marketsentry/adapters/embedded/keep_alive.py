"""Start engines of ours again that die while the program runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from marketsentry.adapters.embedded.engines import EmbeddedEngines
from marketsentry.exceptions import MarketSentryError
from marketsentry.ports.ending import end

_LOOK_EVERY_S = 0.5
log = structlog.get_logger(__name__)


@asynccontextmanager
async def kept_alive(engines: EmbeddedEngines) -> AsyncIterator[None]:
    """Start an engine again when it dies while the block runs."""
    if not engines.pids:
        yield
        return
    watch = asyncio.create_task(_revive(engines))
    try:
        yield
    finally:
        await end([watch])


async def _revive(engines: EmbeddedEngines) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        if None not in engines.pids.values():
            continue
        try:
            revived = await asyncio.to_thread(engines.revive)
        except MarketSentryError as error:
            log.error("engine_stays_down", reason=str(error))
        else:
            log.warning("engine_revived", engines=revived)
