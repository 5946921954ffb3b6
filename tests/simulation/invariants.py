"""What must be true after every run, whatever happened in it; each function names what it found."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, LegState, Order, OrderStatus
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.ports import Stores
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.orders import BookedFill, OrderFilter, StoredOrder
from marketsentry.services.rebuild import AccountRebuild, rebuild_accounts
from simulation.chance import Chance, Rates
from simulation.process import Process
from simulation.record import Record
from simulation.world import TRACK, World

_FILLED = {OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}
_PUBLISHED = """
SELECT DISTINCT ON (key) key, payload ->> 'status', (payload ->> 'version')::int
FROM outbox WHERE topic = 'orders' ORDER BY key, id DESC
"""
_ENTERED = """
SELECT d.idempotency_key, count(*)::int
FROM decisions AS d JOIN orders_sim AS o USING (decision_id) GROUP BY d.idempotency_key, d.decision_id
"""


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


async def read_record(world: World) -> Found:
    """Read all of it."""
    record = Record(world.desk, Process("judge", world), Chance(0, is_calm=True), Rates(0, 0, 0, 0, 0))
    async with record() as stores:
        rows = [one async for one in _all_orders(stores)]
        orders = await stores.orders.orders(rows)
        (account,) = await stores.accounts.list()
        whole = SubLedger(account.id, GLOBAL, TRACK)
        held: dict[str, Decimal] = {}
        for one in await stores.accounts.positions(whole):
            held[one.target] = held.get(one.target, ZERO) + one.position.qty
        fills = await stores.orders.fills()
        cash = dict(await stores.accounts.cash(whole))
    look = world.desk.monitor.execute
    return Found(
        rows=rows,
        orders=[orders[one.id] for one in rows],
        fills=fills,
        cash=cash,
        positions=held,
        accounts=await rebuild_accounts(transactions=record),
        published={key: (status, version) for key, status, version in look(_PUBLISHED).fetchall()},
        entered=dict(look(_ENTERED).fetchall()),
    )


async def _all_orders(stores: Stores) -> AsyncIterator[StoredOrder]:
    before: int | None = None
    while page := await stores.orders.page(OrderFilter(), before_id=before, limit=500):
        for one in page:
            yield one
        before = page[-1].id


def every_venue_order_is_known_once(world: World, found: Found) -> list[str]:
    """Each order at the venue is one leg of one order of ours, and no leg that we think it has is missing there."""
    known = Counter(leg.client_order_id for order in found.orders for leg in order.legs)
    there = set(world.exchange.orders)
    told = [f"{name} is at the venue and known {known[name]} times" for name in there if known[name] != 1]
    for order in found.orders:
        for leg in order.legs:
            is_thought_there = leg.state not in (LegState.REFUSED, LegState.ABSENT)
            if is_thought_there != (leg.client_order_id in there):
                told.append(f"{leg.client_order_id} is {leg.state}, at the venue: {not is_thought_there}")
    return told


def fills_are_the_venues(world: World, found: Found) -> list[str]:
    """The fills of the log, and those booked, are the venue's: each once, with its quantity and price."""
    venue = Counter(
        (name, fill.qty, fill.price, fill.fee)
        for name, booked in world.exchange.orders.items()
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


def ledger_is_the_venues_balance(world: World, found: Found) -> list[str]:
    """Cash and positions of all strategies add up to what the venue holds."""
    ours = {**found.positions, **{name: amount for name, amount in found.cash.items() if amount}}
    theirs = world.exchange.balances
    return [
        f"{asset}: venue {theirs.get(asset, ZERO)}, ledger {ours.get(asset, ZERO)}"
        for asset in sorted({*ours, *theirs})
        if ours.get(asset, ZERO) != theirs.get(asset, ZERO)
    ]


def accounts_add_up(world: World, found: Found) -> list[str]:
    """An account that is added up again from its entries is the stored one."""
    return [f"{one.account.name}: {difference}" for one in found.accounts for difference in one.differences]


def nothing_is_opened_while_blocked(world: World, found: Found) -> list[str]:
    """No opening was admitted after a trigger had returned and before somebody asked to reset it."""
    return [
        f"orders {sorted(span.after - span.before)} were admitted while {span.scope} was blocked"
        for span in world.blocked
        if span.after is not None and span.after - span.before
    ]


def nothing_is_left_open(world: World, found: Found) -> list[str]:
    """Once the venue can be reached and an executor runs, every order comes to its end."""
    return [f"order {one.id} is {one.status}" for one in found.rows if one.status.is_open]


def no_order_is_handed_in_twice(world: World, found: Found) -> list[str]:
    """A client order id reaches the venue at most once."""
    return [f"{name} was handed in {n} times" for name, n in world.exchange.handed_in.items() if n > 1]


def nothing_is_filled_beyond_what_was_asked(world: World, found: Found) -> list[str]:
    """The venue's fills of all legs of an order are at most its quantity."""
    told = []
    for order in found.orders:
        legs = [one for name, one in world.exchange.orders.items() if name.startswith(f"ms-{order.id}-")]
        filled = sum((one.filled_qty for one in legs), ZERO)
        if filled > order.qty:
            told.append(f"order {order.id} asked for {order.qty}, {filled} was filled")
    return told


def final_statuses_say_what_was_filled(world: World, found: Found) -> list[str]:
    """A final status, the row and its execution result agree with the fills."""
    told = []
    for row, order in zip(found.rows, found.orders, strict=True):
        if row.filled_qty != order.filled_qty:
            told.append(f"order {row.id} has {row.filled_qty} in its row, {order.filled_qty} in its log")
        if not row.status.is_final:
            continue
        if (row.status in _FILLED) != bool(order.filled_qty):
            told.append(f"order {row.id} is {row.status} with {order.filled_qty} filled")
        if (row.status is OrderStatus.FILLED) != (order.filled_qty == order.qty):
            told.append(f"order {row.id} is {row.status} with {order.filled_qty} of {order.qty} filled")
        if "execution" not in row.metadata:
            told.append(f"order {row.id} is {row.status} without an execution result")
    return told


def what_is_published_is_the_last_state(world: World, found: Found) -> list[str]:
    """The newest message about each order tells its row."""
    rows = {str(one.id): (str(one.status), one.version) for one in found.rows}
    return [
        f"order {key} is {row}, published was {found.published.get(key)}"
        for key, row in rows.items()
        if found.published.get(key) != row
    ]


def a_request_is_entered_once(world: World, found: Found) -> list[str]:
    """However often a client asks under one key, its orders are stored once and whole."""
    return [
        f"{key} asked for {world.asked.get(key)} orders, {n} are stored"
        for key, n in found.entered.items()
        if world.asked.get(key) != n
    ]


def nothing_surprises(world: World, found: Found) -> list[str]:
    """No service met an error that it does not know."""
    return world.surprises


Invariant = Callable[[World, Found], list[str]]
INVARIANTS: tuple[Invariant, ...] = (
    every_venue_order_is_known_once,
    fills_are_the_venues,
    ledger_is_the_venues_balance,
    accounts_add_up,
    nothing_is_opened_while_blocked,
    nothing_is_left_open,
    no_order_is_handed_in_twice,
    nothing_is_filled_beyond_what_was_asked,
    final_statuses_say_what_was_filled,
    what_is_published_is_the_last_state,
    a_request_is_entered_once,
    nothing_surprises,
)
