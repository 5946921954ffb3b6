"""A venue whose books are part of our record: it answers inside a transaction of ours, and both commit together."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from marketsentry.core.orders.product import Product
from marketsentry.ports import Stores
from marketsentry.ports.venue import LegRequest, LegView, Quote, Venue

Note = Callable[[Stores, LegView], Coroutine[Any, Any, None]]
"""Writes what the venue answered, in the transaction in which the venue writes it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be traded now: best prices, and the rules of the product."""

    quote: Quote
    product: Product


class RecordVenue(Venue, Protocol):
    """A venue that needs no network. None of its calls that are given `stores` takes a second transaction."""

    async def offer(self, stores: Stores, symbol: str) -> Offer | None:
        """Read prices and rules of one product; None where there is no price that is fresh enough."""
        ...

    async def submit_with(self, request: LegRequest, note: Note) -> None:
        """Hand in an order; see `Venue.submit`.

        When this returns, the venue's books and what `note` wrote are committed. When it raises anything but a lost
        connection in the commit, neither is. `note` may be called a second time after its writes were undone.
        """
        ...
