"""What a step adds to the log of an order: the events that said something new, and the order after them."""

from collections.abc import Iterable
from dataclasses import dataclass

from marketsentry.core.orders.apply import apply
from marketsentry.core.orders.events import Event, LegFilled
from marketsentry.core.orders.order import Order


@dataclass(frozen=True, slots=True)
class Change:
    """An order before and after `events`; none of them is without effect, so each has one version."""

    before: Order
    events: tuple[Event, ...]
    after: Order

    @property
    def fills(self) -> tuple[LegFilled, ...]:
        """The new fills."""
        return tuple(event for event in self.events if isinstance(event, LegFilled))


def take(order: Order, events: Iterable[Event]) -> Change:
    """Apply events in turn and keep those that moved the order; raises `ConflictError` where one cannot follow."""
    after, kept = order, []
    for event in events:
        moved = apply(after, event)
        if moved is not after:
            kept.append(event)
        after = moved
    return Change(order, tuple(kept), after)
