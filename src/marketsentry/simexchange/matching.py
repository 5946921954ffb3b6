"""A limit order book with price-time priority. It knows prices and quantities, not money."""

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.simexchange.orders import Side


@dataclass(slots=True)
class Resting:
    """A quantity that waits in the book."""

    order_id: str
    owner: str
    side: Side
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """A resting order meets a taker at the resting price."""

    maker_id: str
    maker_owner: str
    price: Decimal
    quantity: Decimal


class Book:
    """Both sides of one product's book. `changed` gathers the levels touched since it was last drained."""

    def __init__(self) -> None:
        self._levels: dict[Side, dict[Decimal, dict[str, Resting]]] = {Side.BUY: {}, Side.SELL: {}}
        self._keys: dict[Side, list[Decimal]] = {Side.BUY: [], Side.SELL: []}
        self._by_id: dict[str, Resting] = {}
        self._changed: dict[tuple[Side, Decimal], None] = {}

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._by_id

    def best(self, side: Side) -> Decimal | None:
        """Best price of one side, None where it is empty."""
        keys = self._keys[side]
        return keys[0] * _rank(side) if keys else None

    def ends(self) -> tuple[Decimal, Decimal]:
        """Best bid and best ask, zero for a side that is empty."""
        return self.best(Side.BUY) or Decimal(0), self.best(Side.SELL) or Decimal(0)

    def depth(self, side: Side, limit: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity) of each level of one side, best first."""
        keys = self._keys[side][:limit]
        return [(key * _rank(side), self.level(side, key * _rank(side))) for key in keys]

    def level(self, side: Side, price: Decimal) -> Decimal:
        """Quantity that waits at one price."""
        queue = self._levels[side].get(price, {})
        return sum((one.quantity for one in queue.values()), Decimal(0))

    def add(self, resting: Resting) -> None:
        """Put an order at the end of the queue of its price."""
        levels = self._levels[resting.side]
        if resting.price not in levels:
            levels[resting.price] = {}
            bisect.insort(self._keys[resting.side], resting.price * _rank(resting.side))
        levels[resting.price][resting.order_id] = resting
        self._by_id[resting.order_id] = resting
        self._touch(resting)

    def remove(self, order_id: str) -> Resting | None:
        """Take an order out of the book; None where it does not wait there."""
        resting = self._by_id.pop(order_id, None)
        if resting is None:
            return None
        queue = self._levels[resting.side][resting.price]
        del queue[order_id]
        if not queue:
            del self._levels[resting.side][resting.price]
            keys = self._keys[resting.side]
            keys.pop(bisect.bisect_left(keys, resting.price * _rank(resting.side)))
        self._touch(resting)
        return resting

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Tell whether an order of one side at a price would execute at once."""
        best = self.best(side.opposite)
        return best is not None and _reaches(side, price, best)

    def available(self, side: Side, owner: str, price: Decimal | None) -> Decimal:
        """Quantity that a taker could get up to a price before it meets an order of its own."""
        total = Decimal(0)
        for resting in self._queue(side, price):
            if resting.owner == owner:
                break
            total += resting.quantity
        return total

    def cost(self, side: Side, quantity: Decimal) -> Decimal:
        """Quote amount that taking a quantity would move, as far as the book reaches."""
        total, left = Decimal(0), quantity
        for resting in self._queue(side, None):
            if left <= 0:
                break
            taken = min(left, resting.quantity)
            total += taken * resting.price
            left -= taken
        return total

    def front(self, side: Side, price: Decimal | None = None) -> Resting | None:
        """First order that a taker of `side` would meet up to a price, None where there is none."""
        return next(self._queue(side, price), None)

    def take(
        self, side: Side, owner: str, price: Decimal | None, wanted: Callable[[Decimal], Decimal]
    ) -> Iterator[Execution]:
        """Execute a taker: best price first, oldest first, until the price limit or an order of its own.

        `wanted(price)` says how much the taker still wants at a price, in base units; nothing ends the walk. Each
        execution happens when it is asked for, so that the caller can settle one before the next.
        """
        while (resting := self.front(side, price)) is not None and resting.owner != owner:
            quantity = min(wanted(resting.price), resting.quantity)
            if quantity <= 0:
                return
            yield self._hit(resting, quantity)

    def drain_changed(self) -> list[tuple[Side, Decimal, Decimal]]:
        """(side, price, quantity now) of each level touched since the last call."""
        changed = [(side, price, self.level(side, price)) for side, price in self._changed]
        self._changed.clear()
        return changed

    def _queue(self, taker: Side, price: Decimal | None) -> Iterator[Resting]:
        side = taker.opposite
        for key in self._keys[side]:
            level = key * _rank(side)
            if price is not None and not _reaches(taker, price, level):
                return
            yield from self._levels[side][level].values()

    def _hit(self, resting: Resting, quantity: Decimal) -> Execution:
        resting.quantity -= quantity
        self._touch(resting)
        if resting.quantity == 0:
            self.remove(resting.order_id)
        return Execution(resting.order_id, resting.owner, resting.price, quantity)

    def _touch(self, resting: Resting) -> None:
        self._changed[resting.side, resting.price] = None


def _rank(side: Side) -> int:
    """Factor that sorts the best price first: bids fall, asks rise."""
    return -side.sign


def _reaches(side: Side, price: Decimal, level: Decimal) -> bool:
    return price >= level if side is Side.BUY else price <= level
