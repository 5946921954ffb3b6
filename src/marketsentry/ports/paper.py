"""What the paper venue keeps of its own: the orders that were handed to it, like a venue's own books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.core.orders.order import ZERO, Fill, LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegStatus


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order at the paper venue. `seen_at` is the time of the market that it was matched with last."""

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce
    fee_bps: Decimal
    placed_at: datetime
    seen_at: datetime
    status: LegStatus = LegStatus.OPEN
    fills: tuple[Fill, ...] = ()

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        return sum((fill.qty for fill in self.fills), ZERO)


class PaperStore(Protocol):
    """The books of the paper venue."""

    async def add(self, order: PaperOrder) -> bool:
        """Insert an order; false when its client order id is taken."""
        ...

    async def lock(self, client_order_id: str) -> PaperOrder | None:
        """Read an order and hold it until the transaction ends."""
        ...

    async def put(self, order: PaperOrder) -> None:
        """Replace an order."""
        ...

    async def open(self, venue: str) -> Sequence[PaperOrder]:
        """List the orders that may still fill, oldest first."""
        ...

    async def with_fills(self, venue: str) -> Sequence[PaperOrder]:
        """List the orders that have fills, oldest first."""
        ...

    async def priced_symbols(self) -> Sequence[str]:
        """List the symbols of which the record has a price or a bar."""
        ...
