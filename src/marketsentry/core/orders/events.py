"""What can happen to an order. Each is written down when it happens, before or after the call that it is about."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.order import Fill, LegKind, OrderStatus, TimeInForce


@dataclass(frozen=True, slots=True)
class Admitted:
    """Risk let it pass: written in the transaction that read the switch and reserved the budget.

    `qty` is what will be executed, which the stage of a rollout may have made smaller than what was asked.
    """

    at: datetime
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Blocked:
    """Risk refused it for good: the decision that it belongs to may not run."""

    at: datetime
    code: str


@dataclass(frozen=True, slots=True)
class LegSending:
    """A leg is about to be sent; from here on the venue may have it."""

    at: datetime
    client_order_id: str
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce


@dataclass(frozen=True, slots=True)
class LegWorking:
    """The venue has the leg."""

    at: datetime
    client_order_id: str
    venue_order_id: str


@dataclass(frozen=True, slots=True)
class LegRefused:
    """The venue answered that it does not take the leg, or nothing was sent at all."""

    at: datetime
    client_order_id: str
    code: str


@dataclass(frozen=True, slots=True)
class LegUnseen:
    """No answer about the leg was seen: it may be there or not."""

    at: datetime
    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class LegAbsent:
    """The venue was asked for the leg, long enough after it was sent, and has no such order."""

    at: datetime
    client_order_id: str


@dataclass(frozen=True, slots=True)
class CancelSending:
    """The venue is about to be asked to cancel the leg."""

    at: datetime
    client_order_id: str


@dataclass(frozen=True, slots=True)
class LegFilled:
    """The venue executed a part of the leg."""

    at: datetime
    client_order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class LegClosed:
    """The venue will not fill the leg further; `filled_qty` is its own total, `venue_status` its own word."""

    at: datetime
    client_order_id: str
    filled_qty: Decimal
    venue_status: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The plan is through: every leg is settled and no further one will be sent.

    The status follows from the fills, unless nothing was filled: then `if_unfilled` names it.
    """

    at: datetime
    if_unfilled: OrderStatus = OrderStatus.CANCELED
    reason: str | None = None


Event = (
    Admitted
    | Blocked
    | LegSending
    | LegWorking
    | LegRefused
    | LegUnseen
    | LegAbsent
    | CancelSending
    | LegFilled
    | LegClosed
    | Finished
)
