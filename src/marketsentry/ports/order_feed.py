"""What a venue tells of orders by itself: never what became of them, only that it is worth to look."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """Something happened to an order; `client_order_id` is empty where the venue does not say whose it is."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class FeedBegun:
    """What happens from now on is told; what happened before may have been missed."""


@dataclass(frozen=True, slots=True)
class FeedBroken:
    """Nothing is told until it has begun again."""

    reason: str


OrderNews = OrderMoved | FeedBegun | FeedBroken


class OrderFeed(Protocol):
    """The user stream of one account. Its news may be lost, doubled, late or out of order."""

    @property
    def name(self) -> str:
        """The adapter's name."""
        ...

    async def run(self, hear: Callable[[OrderNews], None]) -> None:
        """Listen until cancelled; a connection that breaks is told and made again."""
        ...
