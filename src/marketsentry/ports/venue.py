"""A venue: where orders are handed in, and the only one who knows what became of them (design D8).

An implementation is tried by the conformance kit (`ms check venue MODULE`). What it must never do is guess: a call
whose answer it did not see ends in `OutcomeUnknownError`, and an answer that it cannot read too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from marketsentry.core.orders.order import Fill, LegKind, Side, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.terms import NO_TERMS, Terms
from marketsentry.exceptions import DependencyError


class OutcomeUnknownError(DependencyError):
    """The venue may or may not have done it: no answer was seen, or none that can be read."""


class VenueRefusedError(DependencyError):
    """The venue answered that it does not do it, or nothing reached it: it was not done.

    `code` is a reject reason of contract 1.6: `venue_http_{code}`, `venue_rejected:{code}`, `venue_error:{kind}`,
    `unsupported_venue:{venue}`, `no_market_data`, `below_min_size`, ... `retry_after_s` is told where the venue asks to
    wait; None where trying again is of no use.
    """

    def __init__(self, code: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.retry_after_s = retry_after_s


class LegStatus(StrEnum):
    """Where the venue says that an order stands."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_over(self) -> bool:
        """Whether it will not be filled further."""
        return self is not LegStatus.OPEN


@dataclass(frozen=True, slots=True)
class LegRequest:
    """What is handed in. `limit_price` bounds a market leg too (K-17).

    With `is_netted` an order that only closes in its ledger may open at the venue: other ledgers hold the other side.
    """

    client_order_id: str
    symbol: str
    side: Side
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce
    is_reduce_only: bool = False
    terms: Terms = NO_TERMS
    is_netted: bool = False


@dataclass(frozen=True, slots=True)
class LegView:
    """An order as the venue shows it. `fills` may lack some of `filled_qty`; `Venue.fills` tells the rest."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    status: LegStatus
    qty: Decimal
    filled_qty: Decimal
    venue_status: str
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class LegRef:
    """Names an order at the venue; the venue's own id is used where it is known."""

    symbol: str
    client_order_id: str
    venue_order_id: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class VenueFill:
    """A fill with the order that it belongs to; `client_order_id` is None for an order that is not ours."""

    symbol: str
    venue_order_id: str
    client_order_id: str | None
    side: Side
    fill: Fill


@dataclass(frozen=True, slots=True)
class Balance:
    """What the account holds of one asset: all of it, and what no order has taken."""

    asset: str
    total: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """An open perpetual position; `qty` is signed base units."""

    symbol: str
    qty: Decimal
    average_price: Decimal
    leverage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """What an account paid for a perpetual position that it held; `amount` of `currency` is negative when paid."""

    symbol: str
    payment_id: str
    amount: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """Best prices; `at` is when the venue made them."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime

    @property
    def mid(self) -> Decimal:
        """Half way between the two."""
        return (self.bid + self.ask) / 2


class Venue(Protocol):
    """One account at one venue. Every call ends within its time-out.

    All methods raise `OutcomeUnknownError` or `VenueRefusedError`; those that only read may be tried again after
    either.
    """

    @property
    def name(self) -> str:
        """The adapter's name: `paper`, `coinbase_live`, `bitget_live`."""
        ...

    async def submit(self, request: LegRequest) -> LegView:
        """Hand in an order. The same client order id twice never makes two orders.

        Raises `VenueRefusedError` if the venue has not taken the order and will not, `OutcomeUnknownError` in every
        other case but success.
        """
        ...

    async def cancel(self, leg: LegRef) -> None:
        """Ask to cancel. Returning is no proof: only `order` tells how it ended. One that is over is no error."""
        ...

    async def order(self, leg: LegRef) -> LegView | None:
        """Look an order up; None when the venue answers that it has no such order."""
        ...

    async def open_orders(self) -> Sequence[LegView]:
        """List the orders that may still fill."""
        ...

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        """List all fills of one order, and what fees in a third currency were worth, where that can be told."""
        ...

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        """List the fills of the account from `since` on, oldest first: what they are, not what fees were worth."""
        ...

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """List what perpetual positions paid and got for being held from `since` on, oldest first; none on spot."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds."""
        ...

    async def positions(self) -> Sequence[VenuePosition]:
        """Read open perpetual positions; none on spot."""
        ...

    async def products(self) -> Sequence[Product]:
        """Read what can be traded, and its rules."""
        ...

    async def quote(self, symbol: str) -> Quote:
        """Read the best prices of a product by our name; `VenueRefusedError` `no_market_data` where there are none."""
        ...

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        ...

    async def close(self) -> None:
        """Let go of connections; nothing is cancelled."""
        ...
