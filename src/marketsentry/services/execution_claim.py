"""Take an order to execute it: who holds its lease drives it (K-24)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from marketsentry.core.orders.events import Event
from marketsentry.exceptions import InputError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.execution import Sleep, Venues
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import SwitchReading
from marketsentry.ports.together import together
from marketsentry.services.execution_booking import KnownAccounts

_TAKEN_AHEAD = 7


@dataclass(frozen=True, slots=True)
class DriveRules:
    """How long things may take, in seconds.

    A call of a venue ends within `call_s`. A leg of which the venue knows nothing is absent only `grace_s` after it
    was sent: longer than a lease and a call, so that nobody is still about to send it.
    """

    lease_s: float = 30.0
    call_s: float = 10.0
    grace_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.grace_s > self.lease_s + self.call_s:
            raise InputError(
                f"grace_s must be > lease_s + call_s = {self.lease_s + self.call_s}, was {self.grace_s}"
            )


def loop_time() -> float:
    """Read the clock of the event loop, in seconds."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class DriveParts:
    """What driving needs. What a venue is asked about an order is waited for `aside`, so that others go on.

    `steady` is a clock that nobody sets, in seconds.
    """

    transactions: Transactions
    venues: Venues
    clock: Clock
    sleep: Sleep = asyncio.sleep
    rules: DriveRules = field(default_factory=DriveRules)
    accounts: KnownAccounts = field(default_factory=dict)
    aside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    steady: Callable[[], float] = loop_time


@dataclass(frozen=True, slots=True)
class Claimed:
    """An order that somebody holds now, with its log and the switches as they were when it was taken."""

    stored: StoredOrder
    log: Sequence[Event]
    switches: SwitchReading
    held_until: float


async def claim(order_ids: Sequence[int], parts: DriveParts, *, owner: str) -> Mapping[int, Claimed]:
    """Take open orders that nobody holds.

    Parameters
    ----------
    order_ids
        Which orders.
    parts
        Record and rules.
    owner
        Who takes them.

    Returns
    -------
    mapping of int to Claimed
        By id, those that were there to take; `held_until` is of the clock of the event loop.
    """
    started = asyncio.get_running_loop().time()
    async with parts.transactions() as stores:
        taken, logs, switches = await together(
            stores.orders.claim(
                owner, lease_s=parts.rules.lease_s, limit=len(order_ids), order_ids=order_ids
            ),
            stores.orders.events(order_ids),
            stores.risk.all_switches(),
        )
    until = started + parts.rules.lease_s
    return {
        stored.id: Claimed(stored, [one.event for one in logs[stored.id]], switches, until)
        for stored in taken
    }


class Claims:
    """Takes an order whose turn has come, and with it some that wait for theirs: one round trip for all of them.

    Parameters
    ----------
    parts
        Record and rules.
    owner
        Who takes them.
    """

    def __init__(self, parts: DriveParts, owner: str) -> None:
        self._parts, self._owner = parts, owner
        self._waiting: dict[int, None] = {}
        self._taking: dict[int, asyncio.Task[Mapping[int, Claimed]]] = {}
        self._running: set[asyncio.Task[Mapping[int, Claimed]]] = set()

    def expect(self, order_id: int) -> None:
        """Take an order early: its turn will come."""
        self._waiting[order_id] = None

    def forget(self, order_id: int) -> None:
        """Leave an order alone whose turn has come, or will not."""
        self._waiting.pop(order_id, None)
        self._taking.pop(order_id, None)

    async def take(self, order_id: int) -> Claimed | None:
        """Take an open order; None where there is nothing to take."""
        self._waiting.pop(order_id, None)
        taking = self._taking.pop(order_id, None)
        if taking is None:
            ids = [order_id, *islice(self._waiting, _TAKEN_AHEAD)]
            taking = asyncio.create_task(claim(ids, self._parts, owner=self._owner))
            self._running.add(taking)
            taking.add_done_callback(self._running.discard)
            for one in ids[1:]:
                del self._waiting[one]
                self._taking[one] = taking
        return (await asyncio.shield(taking)).get(order_id)

    async def settled(self) -> None:
        """Wait for what is being taken: it is the owner's then."""
        await asyncio.gather(*self._running, return_exceptions=True)
