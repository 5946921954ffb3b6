"""What is checked of an order before it is sent, and of what the venue shows after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.ports.venue import (
    LegRequest,
    LegStatus,
    LegView,
    OutcomeUnknownError,
    VenueFill,
    VenueRefusedError,
)

SAME_ORDER_WINDOW = timedelta(
    minutes=10
)  # an order older than this before we sent it is not the one that we sent


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """An order as the venue shows it, with what it takes to tell that it is the one that we sent."""

    view: LegView
    limit_price: Decimal | None
    created_at: datetime


def accepted(request: LegRequest, venue_order_id: str) -> LegView:
    """Show an order of which only the acknowledgement is known."""
    return LegView(
        client_order_id=request.client_order_id,
        venue_order_id=venue_order_id,
        symbol=request.symbol,
        side=request.side,
        status=LegStatus.OPEN,
        qty=request.qty,
        filled_qty=Decimal(0),
        venue_status="accepted",
    )


def check_request(request: LegRequest, product: Product) -> None:
    """Refuse what the venue would refuse, or would change, before it is sent.

    Parameters
    ----------
    request
        What is to be sent.
    product
        The rules that it must keep.

    Raises
    ------
    VenueRefusedError
        `below_min_size`, `venue_error:precision`, `venue_error:product_not_tradeable`, `venue_error:no_limit_price`.
    """
    qty, price = request.qty, request.limit_price
    if not product.takes(is_reduce_only=request.is_reduce_only):
        raise VenueRefusedError(
            "venue_error:product_not_tradeable", f"{product.venue_symbol} is not traded now"
        )
    if not (price.is_finite() and price > 0):
        raise VenueRefusedError("venue_error:no_limit_price", f"limit price must be > 0, was {price}")
    if not qty.is_finite() or product.is_too_small(qty, price):
        raise VenueRefusedError(
            "below_min_size",
            f"{product.venue_symbol} takes at least {product.min_qty} and {product.min_notional} {product.quote}, "
            f"was {qty} at {price}",
        )
    if product.round_qty(qty) != qty or product.bound_price(price, request.side) != price:
        raise VenueRefusedError(
            "venue_error:precision",
            f"{product.venue_symbol} has lots of {product.lot_size} and ticks of {product.tick_size}, "
            f"was {qty} at {price}",
        )


def fits(request: LegRequest, seen: SeenOrder, *, sent_at: datetime) -> bool:
    """Whether an order that the venue shows is the one that was sent; a closing one may have been made smaller."""
    is_same_qty = seen.view.qty == request.qty or (request.is_reduce_only and seen.view.qty <= request.qty)
    return (
        seen.view.client_order_id == request.client_order_id
        and seen.view.side is request.side
        and is_same_qty
        and seen.limit_price in (None, request.limit_price)
        and seen.created_at >= sent_at - SAME_ORDER_WINDOW
    )


def in_force(request: LegRequest) -> TimeInForce:
    """How long a leg may wait: one that takes what is there never rests."""
    return TimeInForce.IOC if request.kind is LegKind.MARKET else request.time_in_force


def in_order(found: Sequence[VenueFill]) -> list[VenueFill]:
    """Order fills by time, each once."""
    once = {(one.symbol, one.fill.trade_id): one for one in found}
    return sorted(once.values(), key=lambda one: (one.fill.at, one.fill.trade_id))


def side_of(text: str) -> Side:
    """Read a side, or leave the outcome unknown."""
    try:
        return Side(text.lower())
    except ValueError:
        raise OutcomeUnknownError(f"side must be buy or sell, was {text!r}") from None
