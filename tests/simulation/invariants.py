"""What must be true after every run, whatever happened in it; each function names what it found."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import psycopg

from marketsentry.core.orders.order import ZERO, Fill, LegState, Order, OrderStatus
from marketsentry.core.orders.plan import OPENS_WITHIN
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.orders import BookedFill, OrderFilter, StoredOrder
from marketsentry.services.rebuild import AccountRebuild, rebuild_accounts
from simulation.world import TRACK, Blocked

_FILLED = {OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}
_PUBLISHED = """
SELECT DISTINCT ON (key) key, payload ->> 'status', (payload ->> 'version')::int
FROM outbox WHERE topic = 'orders' ORDER BY key, id DESC
"""
_ENTERED = """
SELECT d.idempotency_key, count(*)::int
FROM decisions AS d JOIN orders_sim AS o USING (decision_id)
WHERE %(adapter)s::text IS NULL OR o.adapter = %(adapter)s GROUP BY d.idempotency_key, d.decision_id
"""

_LATE = """
SELECT DISTINCT sent.client_order_id
FROM order_events AS sent
JOIN order_events AS admitted ON admitted.order_id = sent.order_id AND admitted.kind = 'admitted'
JOIN orders_sim AS o ON o.id = sent.order_id
WHERE sent.kind = 'leg_sending' AND NOT o.reduce_only AND sent.at - admitted.at > %(longest)s
"""
_LONGEST = OPENS_WITHIN + timedelta(minutes=65)  # by clocks that may be off by an hour


class Ordered(Protocol):
    """An order as the venue has it."""

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        ...

    @property
    def fills(self) -> tuple[Fill, ...]:
        """What was executed."""
        ...


class Books(Protocol):
    """What the venue knows: its orders by client order id, what the account holds, how often each was handed in."""

    @property
    def orders(self) -> Mapping[str, Ordered]:
        """All orders by client order id."""
        ...

    @property
    def balances(self) -> Mapping[str, Decimal]:
        """What the account holds, by asset."""
        ...

    @property
    def handed_in(self) -> Mapping[str, int]:
        """How often each client order id came."""
        ...


class Told(Protocol):
    """What others than the record know of a run."""

    @property
    def exchange(self) -> Books:
        """The venue."""
        ...

    @property
    def blocked(self) -> Sequence[Blocked]:
        """When nothing might be opened."""
        ...

    @property
    def asked(self) -> Mapping[str, int]:
        """How many orders each client asked for, by its key."""
        ...

    @property
    def surprises(self) -> list[str]:
        """Errors that no service knows."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What the record says at the end."""

    rows: Sequence[StoredOrder]
    orders: Sequence[Order]
    fills: Sequence[BookedFill]
    cash: dict[str, Decimal]
    positions: dict[str, Decimal]
    accounts: Sequence[AccountRebuild]
    published: dict[str, tuple[str, int]]
    entered: dict[str, int]
    late: Sequence[str]


async def read_record(
    record: Transactions, monitor: psycopg.Connection[Any], *, adapter: str | None = None
) -> Found:
    """Read all of it, or what one adapter traded; accounts are added up again all of them."""
    async with record() as stores:
        rows = [one async for one in _all_orders(stores) if adapter in (None, one.adapter)]
        orders = await stores.orders.orders(rows)
        (account,) = [one for one in await stores.accounts.list() if adapter in (None, one.adapter)]
        whole = SubLedger(account.id, GLOBAL, TRACK)
        held: dict[str, Decimal] = {}
        for one in await stores.accounts.positions(whole):
            held[one.target] = held.get(one.target, ZERO) + one.position.qty
        fills = [one for one in await stores.orders.fills() if one.account_id == account.id]
        cash = Counter(await stores.accounts.cash(whole))
        cash.update(await stores.accounts.cash(account.fee_coins))
    look = monitor.execute
    return Found(
        rows=rows,
        orders=[orders[one.id] for one in rows],
        fills=fills,
        cash=cash,
        positions=held,
        accounts=await rebuild_accounts(transactions=record),
        published={key: (status, version) for key, status, version in look(_PUBLISHED).fetchall()},
        entered=dict(look(_ENTERED, {"adapter": adapter}).fetchall()),
        late=[row[0] for row in look(_LATE, {"longest": _LONGEST}).fetchall()],
    )


async def _all_orders(stores: Stores) -> AsyncIterator[StoredOrder]:
    before: int | None = None
    while page := await stores.orders.page(OrderFilter(), before_id=before, limit=500):
        for one in page:
            yield one
        before = page[-1].id


def every_venue_order_is_known_once(told: Told, found: Found) -> list[str]:
    """Each order at the venue is one leg of one order of ours, and no leg that we think it has is missing there."""
    known = Counter(leg.client_order_id for order in found.orders for leg in order.legs)
    there = set(told.exchange.orders)
    wrong = [f"{name} is at the venue and known {known[name]} times" for name in there if known[name] != 1]
    for order in found.orders:
        for leg in order.legs:
            is_thought_there = leg.state not in (LegState.REFUSED, LegState.ABSENT)
            if is_thought_there != (leg.client_order_id in there):
                wrong.append(f"{leg.client_order_id} is {leg.state}, at the venue: {not is_thought_there}")
    return wrong


def fills_are_the_venues(told: Told, found: Found) -> list[str]:
    """The fills of the log, and those booked, are the venue's: each once, with its quantity and price."""
    venue = Counter(
        (name, fill.qty, fill.price, fill.fee)
        for name, booked in told.exchange.orders.items()
        for fill in booked.fills
    )
    logged = Counter(
        (leg.client_order_id, fill.qty, fill.price, fill.fee)
        for order in found.orders
        for leg in order.legs
        for fill in leg.fills
    )
    booked = Counter((one.client_order_id, one.qty, one.price, one.fee) for one in found.fills)
    return [
        f"fill {key[0]} {key[1]} at {key[2]}: venue {venue[key]}, log {logged[key]}, booked {booked[key]}"
        for key in {*venue, *logged, *booked}
        if not venue[key] == logged[key] == booked[key]
    ]


def ledger_is_the_venues_balance(told: Told, found: Found) -> list[str]:
    """Cash and positions of all strategies add up to what the venue holds."""
    ours = {**found.positions, **{name: amount for name, amount in found.cash.items() if amount}}
    theirs = told.exchange.balances
    return [
        f"{asset}: venue {theirs.get(asset, ZERO)}, ledger {ours.get(asset, ZERO)}"
        for asset in sorted({*ours, *theirs})
        if ours.get(asset, ZERO) != theirs.get(asset, ZERO)
    ]


def accounts_add_up(told: Told, found: Found) -> list[str]:
    """An account that is added up again from its entries is the stored one."""
    return [f"{one.account.name}: {difference}" for one in found.accounts for difference in one.differences]


def nothing_is_opened_while_blocked(told: Told, found: Found) -> list[str]:
    """No opening was admitted after a trigger had returned and before somebody asked to reset it."""
    return [
        f"orders {sorted(span.after - span.before)} were admitted while {span.scope} was blocked"
        for span in told.blocked
        if span.after is not None and span.after - span.before
    ]


def nothing_is_opened_long_after_it_was_admitted(told: Told, found: Found) -> list[str]:
    """What nobody ran for a while is not sent any more, unless it closes."""
    return [f"{name} was sent later than {_LONGEST} after it was admitted" for name in found.late]


def nothing_is_left_open(told: Told, found: Found) -> list[str]:
    """Once the venue can be reached and an executor runs, every order comes to its end."""
    return [f"order {one.id} is {one.status}" for one in found.rows if one.status.is_open]


def no_order_is_handed_in_twice(told: Told, found: Found) -> list[str]:
    """A client order id reaches the venue at most once."""
    return [f"{name} was handed in {n} times" for name, n in told.exchange.handed_in.items() if n > 1]


def nothing_is_filled_beyond_what_was_asked(told: Told, found: Found) -> list[str]:
    """The venue's fills of all legs of an order are at most its quantity."""
    wrong = []
    for order in found.orders:
        legs = [one for name, one in told.exchange.orders.items() if name.startswith(f"ms-{order.id}-")]
        filled = sum((one.filled_qty for one in legs), ZERO)
        if filled > order.qty:
            wrong.append(f"order {order.id} asked for {order.qty}, {filled} was filled")
    return wrong


def final_statuses_say_what_was_filled(told: Told, found: Found) -> list[str]:
    """A final status, the row and its execution result agree with the fills."""
    wrong = []
    for row, order in zip(found.rows, found.orders, strict=True):
        if row.filled_qty != order.filled_qty:
            wrong.append(f"order {row.id} has {row.filled_qty} in its row, {order.filled_qty} in its log")
        if not row.status.is_final:
            continue
        if (row.status in _FILLED) != bool(order.filled_qty):
            wrong.append(f"order {row.id} is {row.status} with {order.filled_qty} filled")
        if (row.status is OrderStatus.FILLED) != (order.filled_qty == order.qty):
            wrong.append(f"order {row.id} is {row.status} with {order.filled_qty} of {order.qty} filled")
        if "execution" not in row.metadata:
            wrong.append(f"order {row.id} is {row.status} without an execution result")
    return wrong


def what_is_published_is_the_last_state(told: Told, found: Found) -> list[str]:
    """The newest message about each order tells its row."""
    rows = {str(one.id): (str(one.status), one.version) for one in found.rows}
    return [
        f"order {key} is {row}, published was {found.published.get(key)}"
        for key, row in rows.items()
        if found.published.get(key) != row
    ]


def a_request_is_entered_once(told: Told, found: Found) -> list[str]:
    """However often a client asks under one key, its orders are stored once and whole."""
    return [
        f"{key} asked for {told.asked.get(key)} orders, {n} are stored"
        for key, n in found.entered.items()
        if told.asked.get(key) != n
    ]


def nothing_surprises(told: Told, found: Found) -> list[str]:
    """No service met an error that it does not know."""
    return told.surprises


Invariant = Callable[[Told, Found], list[str]]
INVARIANTS: tuple[Invariant, ...] = (
    every_venue_order_is_known_once,
    fills_are_the_venues,
    ledger_is_the_venues_balance,
    accounts_add_up,
    nothing_is_opened_while_blocked,
    nothing_is_opened_long_after_it_was_admitted,
    nothing_is_left_open,
    no_order_is_handed_in_twice,
    nothing_is_filled_beyond_what_was_asked,
    final_statuses_say_what_was_filled,
    what_is_published_is_the_last_state,
    a_request_is_entered_once,
    nothing_surprises,
)


def judge(told: Told, found: Found) -> dict[str, list[str]]:
    """Hold a run to all invariants; what broke, by name."""
    judged = {one.__name__: one(told, found) for one in INVARIANTS}
    return {name: wrong for name, wrong in judged.items() if wrong}
