"""What a client asks of its past on Bitget: orders and fills by filter, newest first, before an id."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from marketsentry.simexchange import bitget_wire as bg
from marketsentry.simexchange.accounts import Bill
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import (
    Fill,
    NewOrder,
    Order,
    OrderStatus,
    Reject,
    Rejected,
    Side,
    TimeInForce,
)
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.venue import Venue

Row = TypeVar("Row", Order, Fill, Bill)
_FORCES = {
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
    "post_only": TimeInForce.GTC,
    "": TimeInForce.GTC,
}


def read_force(word: str) -> tuple[TimeInForce, bool]:
    """Read how long an order waits, and whether it must not take; raises KeyError."""
    word = word.lower()
    return _FORCES[word], word == "post_only"


def find_product(venue: Venue, name: str, *, is_perpetual: bool) -> Product:
    """Find a product by its name on the wire; raise `Rejected`."""
    for one in venue.products.values():
        if one.is_perpetual == is_perpetual and bg.symbol(one) == name.upper():
            return one
    raise Rejected(Reject.UNKNOWN_PRODUCT, f"product {name} does not exist")


def find_order(venue: Venue, owner: str, order_id: str, client_id: str, *, is_perpetual: bool) -> Order:
    """Find an order by the venue's id, else by the client's; raise `Rejected`."""
    if not order_id:
        return venue.order_by_client_id(owner, client_id, is_perpetual=is_perpetual)
    order = venue.order(owner, order_id)
    if venue.products[order.asked.product].is_perpetual != is_perpetual:
        raise Rejected(Reject.UNKNOWN_ORDER, f"order {order_id} does not exist")
    return order


def choose_orders(
    venue: Venue, owner: str, request: Request, *, is_perpetual: bool, is_open: bool, most: int
) -> list[Order]:
    """List an owner's orders that wait, or those that ended."""
    venue.expire()
    wanted = request.query

    def keep(one: Order) -> bool:
        return (
            one.asked.owner == owner
            and (one.status is OrderStatus.OPEN) == is_open
            and _fits(venue, one.asked, wanted.get("symbol", ""), is_perpetual=is_perpetual)
            and wanted.get("orderId", one.id) == one.id
            and wanted.get("clientOid", one.asked.client_id) == one.asked.client_id
            and _is_between(request, one.created_s)
        )

    return _newest(venue.orders.values(), keep, request, lambda one: int(one.id), most)


def choose_fills(venue: Venue, owner: str, request: Request, *, is_perpetual: bool, most: int) -> list[Fill]:
    """List an owner's fills."""
    wanted = request.query

    def keep(one: Fill) -> bool:
        asked = venue.orders[one.order_id].asked
        return (
            one.owner == owner
            and _fits(venue, asked, wanted.get("symbol", ""), is_perpetual=is_perpetual)
            and wanted.get("orderId", one.order_id) == one.order_id
            and _is_between(request, one.at_s)
        )

    return _newest(venue.fills, keep, request, lambda one: int(one.trade_id), most)


def choose_bills(venue: Venue, owner: str, request: Request, *, most: int) -> list[Bill]:
    """List what an owner's positions paid and got."""
    wanted = request.query

    def keep(one: Bill) -> bool:
        return (
            one.owner == owner
            and wanted.get("symbol", "").upper() in ("", bg.symbol(one.product))
            and wanted.get("businessType", bg.FUNDING) == bg.FUNDING
            and _is_between(request, one.at_s)
        )

    return _newest(venue.margin.bills, keep, request, lambda one: int(one.id), most)


def side_of(word: str) -> Side:
    """Read a side; raises ValueError."""
    return Side(word.lower())


def _fits(venue: Venue, asked: NewOrder, name: str, *, is_perpetual: bool) -> bool:
    product = venue.products[asked.product]
    return product.is_perpetual == is_perpetual and name.upper() in ("", bg.symbol(product))


def _is_between(request: Request, at_s: float) -> bool:
    start_ms, end_ms = request.query.get("startTime", "0"), request.query.get("endTime", str(2**62))
    return int(start_ms) <= int(at_s * 1_000) <= int(end_ms)


def _newest(
    rows: Iterable[Row], keep: Callable[[Row], bool], request: Request, key: Callable[[Row], int], most: int
) -> list[Row]:
    limit = min(int(request.query.get("limit", str(most))), most)
    before = int(request.query.get("idLessThan", str(2**62)))
    chosen = [one for one in rows if keep(one) and key(one) < before]
    return chosen[::-1][:limit]
