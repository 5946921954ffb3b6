"""A trial of a venue: the product and the prices it is tried with, the orders it is sent, and how it is looked at."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

from marketsentry.core.conformance import BrokenPromiseError, require
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.ports.venue import (
    LegRef,
    LegRequest,
    LegView,
    OutcomeUnknownError,
    Venue,
    VenueRefusedError,
)

FAR = Decimal("0.03")  # a limit this far from the market rests
NEAR = Decimal("0.01")  # a limit this far beyond the market takes what is there
_N_POLLS = 50
_POLL_S = 0.1
_TIME_TOLERANCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class VenueTrial:
    """A venue to try, and with what.

    `qty` is bought and sold again; None takes twice the smallest order. `wait` lets the venue's time pass, in seconds.
    """

    venue: Venue
    symbol: str = "BTC"
    qty: Decimal | None = None
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class Kit:
    """A trial under way: the product and its prices, and names for the orders."""

    trial: VenueTrial
    product: Product
    qty: Decimal
    bid: Decimal
    ask: Decimal
    started_at: datetime
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    sent: list[LegRequest] = field(default_factory=list)

    @property
    def venue(self) -> Venue:
        """The venue under trial."""
        return self.trial.venue

    def request(
        self,
        side: Side,
        price: Decimal,
        force: TimeInForce = TimeInForce.GTC,
        *,
        kind: LegKind = LegKind.LIMIT,
        qty: Decimal | None = None,
    ) -> LegRequest:
        """Make an order of this run with an id of its own."""
        number = len(self.sent) + 1
        limit = self.product.bound_price(price, side)
        made = LegRequest(
            f"ms-{self.run}-{number}",
            self.trial.symbol,
            side,
            kind,
            self.qty if qty is None else qty,
            limit,
            force,
        )
        self.sent.append(made)
        return made

    def ref(self, request: LegRequest, view: LegView | None = None) -> LegRef:
        """Name an order of this run."""
        venue_id = None if view is None else view.venue_order_id
        return LegRef(request.symbol, request.client_order_id, venue_id, self.started_at)

    async def until(self, request: LegRequest, holds: Callable[[LegView], bool], wanted: str) -> LegView:
        """Look an order up until something holds of it."""
        seen: LegView | None = None
        for _ in range(_N_POLLS):
            seen = await self.venue.order(self.ref(request))
            if seen is not None and holds(seen):
                return seen
            await self.trial.wait(_POLL_S)
        raise BrokenPromiseError(f"{request.client_order_id} must become {wanted}, is {seen}")


async def prepare(trial: VenueTrial) -> Kit:
    """Read the product and its prices; everything else needs them."""
    products = {one.symbol: one for one in await trial.venue.products()}
    product = products.get(trial.symbol)
    if product is None:
        raise BrokenPromiseError(
            f"{trial.symbol} must be among the products: {', '.join(sorted(products)[:20])}"
        )
    quote = await trial.venue.quote(trial.symbol)
    require_exact([product, quote], "product and quote")
    smallest = max(product.min_qty, product.min_notional / (quote.bid * (1 - FAR)))
    lot = product.lot_size or Decimal("0.00000001")
    qty = trial.qty if trial.qty is not None else product.round_qty(smallest * 2 + lot)
    return Kit(
        trial, product, qty, quote.bid, quote.ask, await trial.venue.server_time() - timedelta(seconds=1)
    )


async def refused(attempt: Awaitable[object], what: str) -> str:
    """Require that something is refused; give the code."""
    try:
        answer = await attempt
    except VenueRefusedError as error:
        return error.code
    except OutcomeUnknownError as error:
        raise BrokenPromiseError(f"{what} must be refused, was left unknown: {error}") from error
    raise BrokenPromiseError(f"{what} must be refused, was answered {answer}")


def require_exact(value: object, where: str) -> None:
    """Require that no binary float and no time without zone is anywhere in a value."""
    if isinstance(value, float):
        raise BrokenPromiseError(f"{where} must be exact, was the float {value!r}")
    if isinstance(value, Decimal):
        require(value.is_finite(), f"{where} must be finite, was {value}")
    elif isinstance(value, datetime):
        require(value.tzinfo is not None, f"{where} must have a zone, was {value.isoformat()}")
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            require_exact(getattr(value, one.name), f"{where}.{one.name}")
    elif isinstance(value, Sequence) and not isinstance(value, str | Enum):
        for index, one in enumerate(value):
            require_exact(one, f"{where}[{index}]")


def require_now(at: datetime, now: datetime, where: str) -> None:
    """Require that a time is that of the venue's clock."""
    require(
        abs(at - now) <= _TIME_TOLERANCE, f"{where} must be within 30 s of {now}, was {at.astimezone(UTC)}"
    )
