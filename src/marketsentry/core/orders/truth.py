"""The record held against the whole truth of a venue: every order and trade there is known here, exactly once.

A real venue shows a part of this at a time. A simulated one tells all of it, which is what a drill is for.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, Leg, Order


@dataclass(frozen=True, slots=True)
class TrueOrder:
    """An order as the venue knows it; `filled` in base units."""

    order_id: str
    client_order_id: str
    filled: Decimal
    is_open: bool


@dataclass(frozen=True, slots=True)
class TrueTrade:
    """A trade of an order, by the venue's id of it. `qty` in base units, `price` and `fee` in quote currency."""

    order_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Truth:
    """All that a venue knows of one owner: orders and trades oldest first, totals by coin."""

    orders: tuple[TrueOrder, ...]
    trades: tuple[TrueTrade, ...]
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class BookedTrade:
    """A trade as it was booked, under the leg that made it."""

    trade_id: str
    client_order_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that the record knows of it: orders, booked trades, and what was moved by coin."""

    orders: tuple[Order, ...]
    trades: tuple[BookedTrade, ...]
    moved: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs.

    `lost` counts orders and trades of the venue that the record does not have; `duplicated` those that are there once
    more than they should be, at the venue or in the record; `unknown_left` orders of ours, or of the venue, that are
    not over. `differences` names all of it and every number that is not the same.
    """

    lost: int
    duplicated: int
    unknown_left: int
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.duplicated or self.unknown_left or self.differences)


def compare_truth(before: Mapping[str, Decimal], after: Truth, recorded: Recorded) -> Comparison:
    """Hold a record against the truth of its venue.

    Parameters
    ----------
    before
        Totals by coin at the venue before the first order.
    after
        What the venue knows now.
    recorded
        What the record knows; no other orders were sent meanwhile.

    Returns
    -------
    Comparison
        Numbers are equal to the last digit or they differ.
    """
    found = _Found()
    legs = {leg.client_order_id: leg for order in recorded.orders for leg in order.legs}
    _compare_orders(after.orders, legs, {f"ms-{order.id}-" for order in recorded.orders}, found)
    _compare_trades(after, recorded.trades, found)
    for order in recorded.orders:
        if not order.status.is_final:
            found.unknown(f"order {order.id} is {order.status}")
        if order.filled_qty > order.qty:
            found.differs(f"order {order.id} asked for {order.qty} and got {order.filled_qty}")
    for coin in sorted({*before, *after.totals, *recorded.moved}):
        at_venue = after.totals.get(coin, ZERO) - before.get(coin, ZERO)
        booked = recorded.moved.get(coin, ZERO)
        if at_venue != booked:
            found.differs(f"{coin} moved by {at_venue} at the venue and by {booked} in the record")
    return Comparison(found.n_lost, found.n_duplicated, found.n_unknown, tuple(found.notes))


class _Found:
    """Counts what differs, and names it."""

    def __init__(self) -> None:
        self.n_lost = self.n_duplicated = self.n_unknown = 0
        self.notes: list[str] = []

    def lost(self, note: str) -> None:
        self.n_lost += 1
        self.notes.append(f"lost: {note}")

    def duplicated(self, note: str) -> None:
        self.n_duplicated += 1
        self.notes.append(f"duplicated: {note}")

    def unknown(self, note: str) -> None:
        self.n_unknown += 1
        self.notes.append(f"unknown: {note}")

    def differs(self, note: str) -> None:
        self.notes.append(note)


def _compare_orders(
    orders: Sequence[TrueOrder], legs: Mapping[str, Leg], ours: Iterable[str], found: _Found
) -> None:
    prefixes, seen, by_id = tuple(ours), Counter[str](), {}
    for order in orders:
        name = f"order {order.order_id} ({order.client_order_id})"
        seen[order.client_order_id] += 1
        by_id[order.order_id] = order
        leg = legs.get(order.client_order_id)
        if seen[order.client_order_id] > 1:
            found.duplicated(f"{name} is not the first of its name at the venue")
        elif leg is None and order.client_order_id.startswith(prefixes):
            found.duplicated(f"{name} is of an order of ours, which did not record to have sent it")
        elif leg is None:
            found.lost(f"{name} is not in the record")
        elif leg.venue_order_id is None:
            found.lost(f"{name} is at the venue, and in the record it never got there")
        elif (leg.venue_order_id, leg.filled_qty) != (order.order_id, order.filled):
            found.differs(
                f"{name} was filled {order.filled}; in the record {leg.venue_order_id} was {leg.filled_qty}"
            )
        if order.is_open:
            found.unknown(f"{name} is still open at the venue")
    for leg in legs.values():
        if leg.venue_order_id is not None and leg.venue_order_id not in by_id:
            found.differs(f"leg {leg.client_order_id} is no order of the venue: {leg.venue_order_id}")


def _compare_trades(after: Truth, booked: Sequence[BookedTrade], found: _Found) -> None:
    """Match trades by their legs and numbers: a venue may name a trade otherwise on the wire than to itself."""
    made_by = {order.order_id: order.client_order_id for order in after.orders}
    true = Counter(
        (made_by.get(one.order_id, one.order_id), one.qty, one.price, one.fee) for one in after.trades
    )
    kept = Counter((one.client_order_id, one.qty, one.price, one.fee) for one in booked)
    for (name, qty, price, _), n in (true - kept).items():
        for _ in range(n):
            found.lost(f"trade of {qty} at {price} of {name} is not booked")
    for (name, qty, price, _), n in (kept - true).items():
        for _ in range(n):
            found.duplicated(f"trade of {qty} at {price} of {name} is booked once more than it was made")
    for trade_id, n in Counter(one.trade_id for one in booked).items():
        if n > 1:
            found.differs(f"trade {trade_id} is booked {n} times")
