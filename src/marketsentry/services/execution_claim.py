"""Take an order to execute it: who holds its lease drives it (K-24)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from marketsentry.core.orders.events import Event
from marketsentry.exceptions import InputError
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.execution import Sleep, Venues
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import SwitchReading
from marketsentry.ports.together import together
from marketsentry.services.execution_booking import KnownAccounts


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


@dataclass(frozen=True, slots=True)
class DriveParts:
    """What driving needs."""

    transactions: Transactions
    venues: Venues
    clock: Clock
    sleep: Sleep = asyncio.sleep
    rules: DriveRules = field(default_factory=DriveRules)
    accounts: KnownAccounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An order that somebody holds now, with its log and the switches as they were when it was taken."""

    stored: StoredOrder
    log: Sequence[Event]
    switches: SwitchReading
    held_until: float


async def claim(order_id: int, parts: DriveParts, *, owner: str) -> Claimed | None:
    """Take an open order that nobody holds; None where there is nothing to take.

    Parameters
    ----------
    order_id
        Which order.
    parts
        Record and rules.
    owner
        Who takes it.

    Returns
    -------
    Claimed or None
        `held_until` is of the clock of the event loop.
    """
    started = asyncio.get_running_loop().time()
    async with parts.transactions() as stores:
        taken, logs, switches = await together(
            stores.orders.claim(owner, lease_s=parts.rules.lease_s, limit=1, order_ids=[order_id]),
            stores.orders.events([order_id]),
            stores.risk.all_switches(),
        )
    if not taken:
        return None
    log = [one.event for one in logs[order_id]]
    return Claimed(taken[0], log, switches, started + parts.rules.lease_s)
