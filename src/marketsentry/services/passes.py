"""Loops that must not die: what one pass raises is told, and the next pass comes all the same (D9).

Whoever watches over risk or drives orders begins each pass from the record, so a pass that failed costs a pass. One
that ended its loop would leave positions unwatched while everything else looks well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from marketsentry.exceptions import DependencyError, MarketSentryError
from marketsentry.ports import Transactions
from marketsentry.ports.ending import end
from marketsentry.ports.risk import RiskEvent, Severity

T = TypeVar("T")
TELL_AGAIN_S = 600.0
log = structlog.get_logger(__name__)


async def keep_passing(
    once: Callable[[], Awaitable[object]],
    *,
    name: str,
    every_s: float,
    stop: asyncio.Event,
    transactions: Transactions,
    severity: Severity = Severity.CRITICAL,
) -> None:
    """Pass again and again until `stop` is set.

    Parameters
    ----------
    once
        One pass.
    name
        What failed is told as `{name}_failed` in the log, the same every ten minutes at most. What is no outage of a
        dependency is a risk event of that code too: time does not mend it.
    every_s
        Pause between two passes, in seconds.
    stop
        Set it to return after the pass under way.
    transactions
        The record, for the event.
    severity
        Of the event.
    """
    told: dict[str, float] = {}
    while not stop.is_set():
        try:
            await once()
        except DependencyError as error:
            if _is_news(str(error), told):
                log.warning(f"{name}_failed", reason=str(error))
        except Exception as error:  # outermost loop: a bug in one pass must not end the passes
            if _is_news(repr(error), told):
                if isinstance(error, MarketSentryError):
                    log.error(f"{name}_failed", reason=str(error))
                else:
                    log.exception(f"{name}_failed")
                await _tell(RiskEvent(severity, f"{name}_failed", f"a pass failed: {error!r}"), transactions)
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await stop.wait()


def _is_news(reason: str, told: dict[str, float]) -> bool:
    now = asyncio.get_running_loop().time()
    for known in [one for one, at in told.items() if now - at >= TELL_AGAIN_S]:
        del told[known]
    if reason in told:
        return False
    told[reason] = now
    return True


async def _tell(event: RiskEvent, transactions: Transactions) -> None:
    with suppress(MarketSentryError):  # the log has it
        async with transactions() as stores:
            await stores.risk.add_events([event])


async def beside(
    work: Coroutine[Any, Any, T], loops: Collection[Coroutine[Any, Any, None]], *, stop: asyncio.Event
) -> T:
    """Do something while loops run beside it, all of them until `stop` is set.

    Parameters
    ----------
    work
        Ends, soon after `stop` is set at the latest.
    loops
        Are ended with it.
    stop
        Set it to end.

    Returns
    -------
    T
        What came of the work.

    Raises
    ------
    RuntimeError
        If a loop ended before: what it watched over is watched no more, and a new start is what mends that.
    """
    main = asyncio.create_task(work)
    running = [asyncio.create_task(one) for one in loops]
    try:
        await asyncio.wait({main, *running}, return_when=asyncio.FIRST_COMPLETED)
        if not (main.done() or stop.is_set()):
            ended = next(task for task in running if task.done())
            error = None if ended.cancelled() else ended.exception()
            raise RuntimeError(f"a loop that must not end has ended: {ended.get_coro()!r}") from error
        return await main
    finally:
        await end((main, *running))
