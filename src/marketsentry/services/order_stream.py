"""Look at an order as soon as its venue tells of it, and at everything when a venue's stream has begun.

News are hints: whoever drives the order asks the venue, and what that answers goes through `reconcile` like any other
look. So news that are lost, doubled, late, out of order or forged cost a request, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol
from weakref import WeakSet

import structlog

from marketsentry.core.orders.plan import order_id_of
from marketsentry.ports.ending import end
from marketsentry.ports.execution import Sleep
from marketsentry.ports.order_feed import FeedBegun, FeedBroken, OrderFeed, OrderMoved, OrderNews

AGAIN_AFTER_S = 30.0
log = structlog.get_logger(__name__)


class Wakes:
    """Lets a task rest that may be woken; woken while it does not rest, it does not rest the next time.

    Parameters
    ----------
    sleep
        Waits; a simulation moves its clock instead.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._resting: dict[asyncio.Task[Any], asyncio.Future[None]] = {}
        self._called: WeakSet[asyncio.Task[Any]] = WeakSet()

    def wake(self, task: "asyncio.Task[Any]") -> None:
        """Wake a task."""
        resting = self._resting.get(task)
        if resting is None:
            self._called.add(task)
        elif not resting.done():
            resting.set_result(None)

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the task that runs this is woken."""
        task = asyncio.current_task()
        assert task is not None
        if task in self._called:
            self._called.discard(task)
            return
        woken = self._resting[task] = asyncio.get_running_loop().create_future()
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({woken, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                sleeping.result()
        finally:
            del self._resting[task]
            sleeping.cancel()


class Attentive(Protocol):
    """Who drives orders."""

    def look_at(self, order_id: int) -> None:
        """Ask the venue for an order that is driven, without waiting for the next look."""
        ...

    def look_around(self) -> None:
        """Look at every order that is driven, and reconcile with the venues soon."""
        ...

    def reconcile_soon(self) -> None:
        """Reconcile with the venues without waiting for the timer."""
        ...


class OrderWatch:
    """Passes the news of venues on to who drives orders.

    Parameters
    ----------
    feeds
        The streams of the accounts that are traded.
    executor
        Who drives orders.
    sleep
        Waits before a stream that failed is begun again.
    """

    def __init__(
        self, feeds: Sequence[OrderFeed], executor: Attentive, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._feeds, self._executor, self._sleep = feeds, executor, sleep

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        listening = [asyncio.create_task(self._listen(one)) for one in self._feeds]
        try:
            await stop.wait()
        finally:
            await end(listening)

    def hear(self, name: str, news: OrderNews) -> None:
        """Take one piece of news of the adapter `name`."""
        match news:
            case OrderMoved(client_order_id):
                order_id = order_id_of(client_order_id)
                if order_id is not None:
                    self._executor.look_at(order_id)
                elif client_order_id:  # however much others trade, ours are not asked for because of it
                    log.debug("foreign_order_moved", adapter=name, client_order_id=client_order_id)
                    self._executor.reconcile_soon()
                else:
                    self._executor.look_around()
            case FeedBegun():
                log.info("order_stream_begun", adapter=name)
                self._executor.look_around()
            case FeedBroken(reason):
                log.warning("order_stream_broken", adapter=name, reason=reason)

    async def _listen(self, feed: OrderFeed) -> None:
        while True:
            try:
                await feed.run(partial(self.hear, feed.name))
            except Exception:  # outermost loop of a stream: orders are looked at without it
                log.exception("order_stream_failed", adapter=feed.name)
            await self._sleep(AGAIN_AFTER_S)
