"""An order and its legs at the venue, as the events so far have left them.

An *order* is what we want: a side and a quantity. A *leg* is one order that we hand to a venue for it, known there by a
client order id that exists before the first byte is sent. What was filled is the sum over the fills of the legs and
nothing else: a venue's own total only says when a leg is complete.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from marketsentry.exceptions import InputError

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 to buy, -1 to sell."""
        return 1 if self is Side.BUY else -1


class TimeInForce(StrEnum):
    """How long a limit leg may wait."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Names on the wire (contract 0.2). `SIMULATED` and `SUBMITTED` wait for a run; the last six are final."""

    SIMULATED = "simulated"
    SUBMITTED = "submitted"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    FILLED = "filled"
    PARTIALLY_FILLED = "partially_filled"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_waiting(self) -> bool:
        """Whether the order may still be run."""
        return self in (OrderStatus.SIMULATED, OrderStatus.SUBMITTED)

    @property
    def is_open(self) -> bool:
        """Whether the venue may hold, or come to hold, a leg of it."""
        return self in (OrderStatus.EXECUTING, OrderStatus.UNKNOWN)

    @property
    def is_final(self) -> bool:
        """Whether no event can follow."""
        return not (self.is_waiting or self.is_open)


class LegKind(StrEnum):
    """A leg waits at a price, or takes what is there within a bound."""

    LIMIT = "limit"
    MARKET = "market"


class LegState(StrEnum):
    """Where a leg stands. Only evidence of the venue ends one."""

    SENDING = "sending"  # recorded before the call; no answer yet
    WORKING = "working"  # the venue has it
    UNKNOWN = "unknown"  # the answer was not seen: the venue may have it
    CANCEL_PENDING = "cancel_pending"  # asked to cancel, no proof yet
    CLOSED = "closed"  # the venue says that it will not fill further
    REFUSED = "refused"  # the venue never took it, and said so
    ABSENT = "absent"  # the venue proves that it never had it

    @property
    def is_over(self) -> bool:
        """Whether the venue will not fill it further."""
        return self in (LegState.CLOSED, LegState.REFUSED, LegState.ABSENT)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution as the venue tells it, unique by its trade id.

    `qty` is in base units and positive, `price` in quote currency, `fee` positive when paid. `liquidity` is `maker`,
    `taker` or empty where the venue does not say. `reference` is the price against which the cost counts (the mid or
    the open), where the venue is ours and knows it. `fee_quote` is what a fee in a third currency was worth in quote
    currency when it was read, None where nobody can tell; of other fees it says nothing.
    """

    trade_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    at: datetime
    liquidity: str = ""
    reference: Decimal | None = None
    fee_quote: Decimal | None = None

    def __post_init__(self) -> None:
        if not (self.qty.is_finite() and self.qty > 0):
            raise InputError(f"qty of fill {self.trade_id} must be finite and > 0, was {self.qty}")
        if not (self.price.is_finite() and self.price > 0):
            raise InputError(f"price of fill {self.trade_id} must be finite and > 0, was {self.price}")
        if not self.fee.is_finite():
            raise InputError(f"fee of fill {self.trade_id} must be finite, was {self.fee}")
        if self.fee_quote is not None and not self.fee_quote.is_finite():
            raise InputError(f"fee_quote of fill {self.trade_id} must be finite, was {self.fee_quote}")

    @property
    def notional(self) -> Decimal:
        """Quantity times price, in quote currency."""
        return self.qty * self.price


@dataclass(frozen=True, slots=True)
class Leg:
    """One order at the venue.

    `limit_price` bounds it, whatever its kind: a market leg without a bound is not sent. `closed_qty` is what the venue
    says was filled when it closed the leg; the leg is settled once the fills that we know add up to it.
    """

    client_order_id: str
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce
    sent_at: datetime
    state: LegState = LegState.SENDING
    venue_order_id: str | None = None
    fills: tuple[Fill, ...] = ()
    closed_qty: Decimal | None = None
    venue_status: str = ""
    reason: str | None = None

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills known."""
        return sum([fill.qty for fill in self.fills], ZERO)

    def moved(
        self,
        state: LegState,
        *,
        venue_order_id: str | None = None,
        fills: tuple[Fill, ...] | None = None,
        closed_qty: Decimal | None = None,
        venue_status: str | None = None,
        reason: str | None = None,
    ) -> "Leg":
        """Give the leg in another state; None leaves a field as it is."""
        return Leg(
            self.client_order_id,
            self.kind,
            self.qty,
            self.limit_price,
            self.time_in_force,
            self.sent_at,
            state,
            self.venue_order_id if venue_order_id is None else venue_order_id,
            self.fills if fills is None else fills,
            self.closed_qty if closed_qty is None else closed_qty,
            self.venue_status if venue_status is None else venue_status,
            self.reason if reason is None else reason,
        )

    @property
    def is_settled(self) -> bool:
        """Whether the venue will not fill it further and every fill of it is known."""
        return self.state.is_over and self.filled_qty == (self.closed_qty or ZERO)


@dataclass(frozen=True)
class Order:
    """An order as its events have left it; `version` counts them.

    `qty` is what is to be executed, in base units: the stage of a rollout has been applied to it. `price` is the
    estimate that it was decided on, None where there was none.
    """

    id: int
    side: Side
    qty: Decimal
    price: Decimal | None
    status: OrderStatus
    legs: tuple[Leg, ...] = ()
    version: int = 0
    reject_reason: str | None = None
    is_reduce_only: bool = False

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """Fills of all legs, in the order of the legs."""
        return tuple(fill for leg in self.legs for fill in leg.fills)

    @cached_property
    def filled_qty(self) -> Decimal:
        """What was filled, in base units."""
        return sum([leg.filled_qty for leg in self.legs], ZERO)

    @property
    def remaining_qty(self) -> Decimal:
        """What is not filled."""
        return self.qty - self.filled_qty

    @cached_property
    def average_price(self) -> Decimal | None:
        """Quantity-weighted price of the fills; None when nothing was filled."""
        if not self.filled_qty:
            return None
        return sum((fill.notional for fill in self.fills), ZERO) / self.filled_qty

    @cached_property
    def fees(self) -> dict[str, Decimal]:
        """Fees paid, by currency."""
        paid: dict[str, Decimal] = {}
        for fill in self.fills:
            paid[fill.fee_currency] = paid.get(fill.fee_currency, ZERO) + fill.fee
        return paid

    def leg(self, client_order_id: str) -> Leg | None:
        """Find a leg by its id."""
        return next((leg for leg in self.legs if leg.client_order_id == client_order_id), None)

    @property
    def open_leg(self) -> Leg | None:
        """The leg that is not settled, if there is one; an order has at most one."""
        return next((leg for leg in self.legs if not leg.is_settled), None)
