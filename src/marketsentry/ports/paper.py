"""What the paper venue keeps of its own: the orders that were handed to it, like a venue's own books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.orders.order import ZERO, Fill, LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegStatus


class Basis(StrEnum):
    """What of the record an order is filled by; it stays the same from arrival to end."""

    BOOK = "book"
    BARS = "bars"


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order at the paper venue. `seen_at` is the time of the market that it was matched with last.

    Of an order that a book fills: `ahead` stands before it in the queue, None where that is not known; `took` is what
    it took of the book of `seen_at`; trades up to `traded_to` have been counted.
    """

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
    basis: Basis = Basis.BARS
    ahead: Decimal | None = None
    took: Decimal = ZERO
    traded_to: datetime | None = None

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        return sum((fill.qty for fill in self.fills), ZERO)


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """A price > 0 of the record in quote currency, and when it was that."""

    price: float
    at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class KnownMarket:
    """The newest price of a symbol > 0 and when it was that, with the newest of its shortest bars that had closed.

    `closes` has shape (n_bars,), oldest first; `volume` is of the last bar, in base units, None where there is none.
    """

    price: float
    at: datetime
    volume: float | None
    closes: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Turnover:
    """What was traded of a symbol on one side: base units, quote currency, and the fees in it."""

    symbol: str
    side: Side
    qty: Decimal
    notional: Decimal
    fee: Decimal


class PaperStore(Protocol):
    """The books of the paper venue, and the market that fills its orders."""

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

    async def with_fills(self, venue: str, *, since: datetime | None = None) -> Sequence[PaperOrder]:
        """List the orders that have fills, oldest first; with `since` those whose last one is not older."""
        ...

    async def turnover(self, venue: str) -> Sequence[Turnover]:
        """Add up all fills by symbol and side."""
        ...

    async def hold_market(self, venue: str, symbol: str) -> None:
        """Let no other order of a market be matched until the transaction ends."""
        ...

    async def took_of(self, venue: str, symbol: str, side: Side, *, at: datetime) -> Decimal:
        """Add up what orders of a side took of the book of a time."""
        ...

    async def price(self, symbol: str, *, as_of: datetime, since: datetime) -> KnownPrice | None:
        """Read the newest price that was known at a time; None where there is none since `since`."""
        ...

    async def market(
        self, symbol: str, *, as_of: datetime, since: datetime, n_bars: int
    ) -> KnownMarket | None:
        """Read the market as it was known at a time, with at most `n_bars` bars; None where `price` has none."""
        ...

    async def priced_symbols(self) -> Sequence[str]:
        """List the symbols of which the record has a price, a bar or a book."""
        ...
