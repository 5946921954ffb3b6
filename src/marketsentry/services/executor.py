"""Execute what was admitted, detached from whoever asked for it (K-24).

Orders are claimed by lease, several at a time, each by one task with one leg at a time. A client that goes away cancels
nothing, and a start after a crash is an ordinary start: what is open and held by nobody is claimed and driven on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import structlog

from marketsentry.exceptions import DependencyError, MarketSentryError
from marketsentry.ports.accounts import is_apart
from marketsentry.ports.ending import end
from marketsentry.ports.orders import Holder, StoredOrder
from marketsentry.services.execution_begin import begin
from marketsentry.services.execution_claim import Claims, DriveParts
from marketsentry.services.execution_reconcile import ReconcileParts, reconcile_all
from marketsentry.services.order_stream import Wakes
from marketsentry.services.passes import keep_passing

MAX_AT_ONCE = 16
MAX_EXITS_AT_ONCE = 8  # beside the others: what closes never waits for what opens
CLAIM_EVERY_S = 2.0
RECONCILE_EVERY_S = 60.0
_LONGEST_PAUSE_S = 10.0
_RECONCILE_SOONEST_S = 5.0
_LOOK_EVERY_S = 0.1
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an order could not be driven on; it is left alone until `again_at`, by the clock of the event loop."""

    reason: str
    pause_s: float
    again_at: float


class Executor:
    """Drives open orders; made once per process and closed with it.

    Parameters
    ----------
    parts
        Record, venues and time.
    owner
        Names this executor in leases; a fresh name when absent.
    """

    def __init__(self, parts: DriveParts, *, owner: str | None = None) -> None:
        self.owner = owner or f"executor-{uuid4().hex[:12]}"
        self._parts = replace(parts, sleep=self._rest, aside=self._aside)
        self._tasks: dict[int, asyncio.Task[bool]] = {}
        self._failures: dict[int, _Failure] = {}
        self._wakes = Wakes(parts.sleep)
        self._looks_around = True
        self._reconciling = ReconcileParts(parts.transactions, parts.venues, parts.clock)
        self._reconcile_at = self._reconcile_soonest = 0.0
        self._differences: frozenset[str] = frozenset()
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._exit_slots = asyncio.Semaphore(MAX_EXITS_AT_ONCE)
        self._slots_of: dict[asyncio.Task[Any], asyncio.Semaphore] = {}
        self._claims = Claims(self._parts, self.owner)

    @property
    def holder(self) -> Holder:
        """Who holds what is admitted for this executor."""
        return Holder(self.owner, self._parts.rules.lease_s)

    def start(self, orders: Iterable[StoredOrder | int]) -> None:
        """Begin to drive orders and return at once; those under way go on.

        An order is given by its id, or by its row as it was admitted: where it is held for us, it need not be claimed.
        """
        for order in orders:
            order_id = _id_of(order)
            if order_id not in self._tasks:
                task = asyncio.create_task(self._drive(order), name=f"order-{order_id}")
                self._tasks[order_id] = task
                if isinstance(order, int):
                    self._claims.expect(order_id)
                task.add_done_callback(partial(self._forget, order_id))

    async def settle(
        self, orders: Sequence[StoredOrder | int], *, within_s: float, skips_unknown: bool = False
    ) -> None:
        """Drive orders and wait until each is over or unknown, or another executor's, at most `within_s`.

        Stopping to wait stops nothing. With `skips_unknown` an order of ours is not waited for while it is unknown.
        """
        if not orders:
            return
        self.start(orders)
        order_ids = [_id_of(one) for one in orders]
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                ours = [self._tasks[one] for one in order_ids if one in self._tasks]
                if ours and not skips_unknown:
                    await asyncio.wait(ours)
                    if len(ours) == len(order_ids) and all(
                        not one.cancelled() and one.result() for one in ours
                    ):
                        return
                while await self._pending(order_ids):
                    await asyncio.sleep(_LOOK_EVERY_S)

    def look_at(self, order_id: int) -> None:
        """Look at an order of ours now; see `Attentive`."""
        if (task := self._tasks.get(order_id)) is not None:
            self._wakes.wake(task)

    def look_around(self) -> None:
        """Look at all orders of ours now and reconcile soon; see `Attentive`."""
        self.reconcile_soon()
        for task in self._tasks.values():
            self._wakes.wake(task)

    def reconcile_soon(self) -> None:
        """Reconcile without waiting for the timer; see `Attentive`."""
        self._looks_around = True

    async def claim_open(self) -> Sequence[int]:
        """Drive the open orders that nobody holds; returns their ids.

        Those of a replay or a drill are left to it: it has a clock and a market of its own. One that could not be
        driven on is left alone for a while.
        """
        now = asyncio.get_running_loop().time()
        async with self._parts.transactions() as stores:
            found = [one.id for one in await stores.orders.open() if not is_apart(one.venue)]
        self._failures = {one: known for one in found if (known := self._failures.get(one)) is not None}
        ids = [
            one
            for one in found
            if one not in self._tasks and (one not in self._failures or self._failures[one].again_at <= now)
        ]
        self.start(ids)
        return ids

    async def run(self, stop: asyncio.Event) -> None:
        """Claim open orders until `stop` is set, and reconcile: at start, after an outage, when told to, on a timer.

        The two go on beside each other: a venue that answers late must not hold back an order that nobody drives.
        """
        keep = partial(keep_passing, every_s=CLAIM_EVERY_S, stop=stop, transactions=self._parts.transactions)
        async with asyncio.TaskGroup() as group:
            group.create_task(keep(self._claim, name="claim"))
            group.create_task(keep(self._reconcile, name="reconcile"))

    async def _claim(self) -> None:
        try:
            await self.claim_open()
        except DependencyError:
            self._looks_around = True
            raise

    async def _reconcile(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < (self._reconcile_soonest if self._looks_around else self._reconcile_at):
            return
        self._looks_around = False
        self._reconcile_at, self._reconcile_soonest = now + RECONCILE_EVERY_S, now + _RECONCILE_SOONEST_S
        try:
            found = {one.event_code: one for one in await reconcile_all(self._reconciling)}
        except DependencyError:
            self._looks_around = True
            raise
        for code, one in found.items():
            if code not in self._differences:
                log.error("venue_differs", code=code, symbol=one.symbol, qty=str(one.qty))
        self._differences = frozenset(found)

    async def close(self) -> None:
        """Let go of every order where it stands; the record says how to go on."""
        tasks = dict(self._tasks)
        await end(tasks.values())
        await self._claims.settled()
        if tasks:
            await self._release(list(tasks))

    async def _rest(self, seconds: float) -> None:
        """Let others work while an order is waited for: one that nobody can tell of must not hold back an exit."""
        async with self._aside():
            await self._wakes.rest(seconds)

    @asynccontextmanager
    async def _aside(self) -> AsyncIterator[None]:
        """Give the place to others meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        slots = self._slots_of[task]
        slots.release()
        try:
            yield
        finally:
            await slots.acquire()

    def _forget(self, order_id: int, _: asyncio.Task[bool]) -> None:
        self._tasks.pop(order_id, None)
        self._claims.forget(order_id)

    async def _pending(self, order_ids: Sequence[int]) -> bool:
        """Whether an order still moves: an unknown one is waited for by the record, not by a client."""
        async with self._parts.transactions() as stores:
            open_ids = {one.id for one in await stores.orders.open() if one.status == "executing"}
        return any(order_id in open_ids for order_id in order_ids)

    async def _drive(self, order: StoredOrder | int) -> bool:
        """Claim an order and drive it; tells whether it is over."""
        order_id, task = _id_of(order), asyncio.current_task()
        assert task is not None
        closes = isinstance(order, StoredOrder) and order.is_reduce_only
        slots = self._slots_of[task] = self._exit_slots if closes else self._slots
        async with slots:
            try:
                driver = await begin(order, self._parts, owner=self.owner, claims=self._claims)
                if driver is None:
                    return False
                try:
                    is_over = (await driver.run()).status.is_final
                except BaseException:
                    await self._release([order_id])  # an order that is over holds no lease
                    raise
                self._failures.pop(order_id, None)
                return is_over
            except MarketSentryError as error:
                if self._fails_anew(order_id, str(error)):
                    log.error("order_stopped", order_id=order_id, reason=str(error))
            except Exception as error:  # outermost loop of an order: the record has where it stands
                if self._fails_anew(order_id, repr(error)):
                    log.exception("order_failed", order_id=order_id)
            finally:
                del self._slots_of[task]
        return False

    def _fails_anew(self, order_id: int, reason: str) -> bool:
        """Note a failure, the next try comes after a growing pause; tells whether it is another than the one before."""
        before = self._failures.get(order_id)
        pause_s = CLAIM_EVERY_S if before is None else min(before.pause_s * 2, _LONGEST_PAUSE_S)
        again_at = asyncio.get_running_loop().time() + pause_s - CLAIM_EVERY_S
        self._failures[order_id] = _Failure(reason, pause_s, again_at)
        return before is None or before.reason != reason

    async def _release(self, order_ids: Sequence[int]) -> None:
        with suppress(DependencyError):  # the lease ends by itself
            async with self._parts.transactions() as stores:
                await stores.orders.release(self.owner, order_ids)


def _id_of(order: StoredOrder | int) -> int:
    return order if isinstance(order, int) else order.id
