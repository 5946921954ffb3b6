"""What a client asks of its past on Coinbase: orders and fills by filter, newest first, in pages."""

from collections.abc import Callable
from typing import Any

from marketsentry.simexchange import coinbase_wire as cb
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import Fill, Order
from marketsentry.simexchange.venue import Venue
from marketsentry.simexchange.wire import from_iso, page


def orders(venue: Venue, owner: str, request: Request) -> dict[str, Any]:
    """List an owner's orders."""
    venue.expire()
    keep = _order_filter(request)
    mine = [one for one in reversed(venue.orders.values()) if one.asked.owner == owner and keep(one)]
    limit = min(int(request.query.get("limit", "1000")), 1_000)
    cut, following = page(mine, limit=limit, cursor=request.query.get("cursor", ""), key=lambda one: one.id)
    rows = [cb.order_json(one) for one in cut]
    return {"orders": rows, "sequence": "0", "has_next": bool(following), "cursor": following}


def fills(venue: Venue, owner: str, request: Request) -> dict[str, Any]:
    """List an owner's fills."""
    keep = _fill_filter(request)
    mine = [one for one in reversed(venue.fills) if one.owner == owner and keep(one)]
    limit = min(int(request.query.get("limit", "100")), 1_000)
    cursor = request.query.get("cursor", "")
    cut, following = page(mine, limit=limit, cursor=cursor, key=lambda one: str(one.sequence))
    return {"fills": [cb.fill_json(one, venue.orders[one.order_id]) for one in cut], "cursor": following}


def _order_filter(request: Request) -> Callable[[Order], bool]:
    ids, products = set(request.values("order_ids")), set(request.values("product_ids", "product_id"))
    statuses, side = set(request.values("order_status")), request.query.get("order_side", "")
    start_s = from_iso(request.query["start_date"]) if "start_date" in request.query else 0.0
    end_s = from_iso(request.query["end_date"]) if "end_date" in request.query else float("inf")

    def keep(order: Order) -> bool:
        return (
            (not ids or order.id in ids)
            and (not products or order.asked.product in products)
            and (not statuses or cb.STATUS[order.status] in statuses)
            and side in ("", "UNKNOWN_ORDER_SIDE", order.asked.side.upper())
            and start_s <= order.created_s < end_s
        )

    return keep


def _fill_filter(request: Request) -> Callable[[Fill], bool]:
    ids, products = (
        set(request.values("order_ids", "order_id")),
        set(request.values("product_ids", "product_id")),
    )
    start, end = "start_sequence_timestamp", "end_sequence_timestamp"
    start_s = from_iso(request.query[start]) if start in request.query else 0.0
    end_s = from_iso(request.query[end]) if end in request.query else float("inf")

    def keep(fill: Fill) -> bool:
        return (
            (not ids or fill.order_id in ids)
            and (not products or fill.product in products)
            and start_s <= fill.at_s <= end_s
        )

    return keep
