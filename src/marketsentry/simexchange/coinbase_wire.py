"""Coinbase Advanced Trade in JSON: products, orders, fills and accounts as the venue writes them."""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketsentry.simexchange.ledger import Ledger
from marketsentry.simexchange.orders import (
    Fill,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    Trade,
)
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.venue import Venue
from marketsentry.simexchange.wire import from_iso, iso, number, text

FIAT = frozenset({"USD", "EUR", "GBP"})
_SPACE = uuid.UUID("6f1f7a2e-6c33-4a55-9e0c-3a6b6f1c2d11")
_NEVER = "0001-01-01T00:00:00Z"

_TIME_IN_FORCE = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
STATUS = {
    OrderStatus.OPEN: "OPEN",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "CANCELLED",
    OrderStatus.EXPIRED: "EXPIRED",
}


def name_uuid(name: str) -> str:
    """Give a thing the same UUID each time."""
    return str(uuid.uuid5(_SPACE, name))


def product_json(venue: Venue, product: Product) -> dict[str, Any]:
    """One entry of the list of products."""
    trades = venue.trades[product.key]
    price = trades[-1].price if trades else venue.mark(product.key)
    volume = sum((one.quantity for one in trades), Decimal(0))
    is_halted = product.key in venue.halted
    return {
        "product_id": product.key,
        "price": text(price),
        "price_percentage_change_24h": "0",
        "volume_24h": text(volume),
        "volume_percentage_change_24h": "0",
        "base_increment": text(product.lot),
        "quote_increment": text(product.tick),
        "quote_min_size": text(product.min_quote),
        "quote_max_size": "150000000",
        "base_min_size": text(product.min_base),
        "base_max_size": text(product.max_base),
        "base_name": product.base,
        "quote_name": product.quote,
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": is_halted,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": is_halted,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": product.quote,
        "base_currency_id": product.base,
        "fcm_trading_session_details": None,
        "mid_market_price": text(venue.mark(product.key)),
        "alias": "",
        "alias_to": [],
        "base_display_symbol": product.base,
        "quote_display_symbol": product.quote,
        "view_only": False,
        "price_increment": text(product.tick),
        "display_name": product.key,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": text(sum((one.quantity * one.price for one in trades), Decimal(0))),
        "future_product_details": None,
    }


def book_json(venue: Venue, product: str, limit: int | None) -> dict[str, Any]:
    """A price book of one product."""
    book = venue.books[product]
    bids, asks = (
        [{"price": text(price), "size": text(quantity)} for price, quantity in book.depth(side, limit)]
        for side in (Side.BUY, Side.SELL)
    )
    return {"product_id": product, "bids": bids, "asks": asks, "time": iso(venue.now_s())}


def trade_json(trade: Trade) -> dict[str, Any]:
    """One public trade. The venue names the side of the maker."""
    return {
        "trade_id": trade.id,
        "product_id": trade.product,
        "price": text(trade.price),
        "size": text(trade.quantity),
        "time": iso(trade.at_s),
        "side": trade.side.opposite.upper(),
        "bid": "",
        "ask": "",
        "exchange": "coinbase",
    }


def account_json(ledger: Ledger, owner: str, coin: str) -> dict[str, Any]:
    """One currency account."""
    return {
        "uuid": name_uuid(f"{owner}/{coin}"),
        "name": f"{coin} Wallet",
        "currency": coin,
        "available_balance": {"value": text(ledger.available(owner, coin)), "currency": coin},
        "default": True,
        "active": True,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if coin in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": text(ledger.held(owner, coin)), "currency": coin},
        "retail_portfolio_id": name_uuid(owner),
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def wallet_json(ledger: Ledger, owner: str, coin: str) -> dict[str, Any]:
    """One currency account in the words of the older API."""
    account_id = name_uuid(f"{owner}/{coin}")
    return {
        "id": account_id,
        "name": f"{coin} Wallet",
        "primary": False,
        "type": "fiat" if coin in FIAT else "wallet",
        "currency": {"code": coin, "name": coin, "type": "fiat" if coin in FIAT else "crypto", "exponent": 8},
        "balance": {"amount": text(ledger.total(owner, coin)), "currency": coin},
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
        "resource": "account",
        "resource_path": f"/v2/accounts/{account_id}",
        "allow_deposits": True,
        "allow_withdrawals": True,
    }


def read_order(owner: str, body: Mapping[str, Any]) -> NewOrder | None:
    """Read a request for an order; None where its configuration is not one that this venue takes.

    Raises ValueError where a side or a time is none.
    """
    configurations = body.get("order_configuration") or {}
    if len(configurations) != 1:
        return None
    ((kind, config),) = configurations.items()
    common: dict[str, Any] = {
        "owner": owner,
        "product": str(body.get("product_id", "")),
        "side": Side(str(body.get("side", "")).lower()),
        "client_id": str(body.get("client_order_id", "")),
        "quantity": number(config.get("base_size")),
    }
    limit: dict[str, Any] = {
        "type": OrderType.LIMIT,
        "price": number(config.get("limit_price")),
        "post_only": bool(config.get("post_only", False)),
    }
    match kind:
        case "market_market_ioc" | "market_market_fok":
            force = TimeInForce(kind[-3:])
            budget = number(config.get("quote_size"))
            has_budget = budget is not None
            return NewOrder(
                **common,
                type=OrderType.MARKET,
                quote_budget=budget,
                budget_has_fees=has_budget,
                time_in_force=force,
            )
        case "limit_limit_gtc":
            return NewOrder(**common, **limit)
        case "limit_limit_gtd":
            ends_s = from_iso(str(config.get("end_time", "")))
            return NewOrder(**common, **limit, time_in_force=TimeInForce.GTD, expires_s=ends_s)
        case "sor_limit_ioc":
            return NewOrder(**common, **limit, time_in_force=TimeInForce.IOC)
        case "limit_limit_fok":
            return NewOrder(**common, **limit, time_in_force=TimeInForce.FOK)
        case _:
            return None


def configuration_json(asked: NewOrder) -> dict[str, Any]:
    """The configuration that an order was placed with."""
    if asked.type is OrderType.MARKET:
        size = (
            {"quote_size": text(asked.quote_budget)}
            if asked.quote_budget is not None
            else {"base_size": text(asked.quantity or Decimal(0))}
        )
        return {f"market_market_{asked.time_in_force}": size}
    limit = {"base_size": text(asked.quantity or Decimal(0)), "limit_price": text(asked.price or Decimal(0))}
    match asked.time_in_force:
        case TimeInForce.IOC:
            return {"sor_limit_ioc": limit}
        case TimeInForce.FOK:
            return {"limit_limit_fok": limit}
        case TimeInForce.GTD:
            end_time = iso(asked.expires_s or 0.0)
            return {"limit_limit_gtd": {**limit, "end_time": end_time, "post_only": asked.post_only}}
        case _:
            return {"limit_limit_gtc": {**limit, "post_only": asked.post_only}}


def order_json(order: Order) -> dict[str, Any]:
    """One order as the history gives it."""
    asked = order.asked
    value_after_fees = order.filled_quote + (order.fees if asked.side is Side.BUY else -order.fees)
    return {
        "order_id": order.id,
        "product_id": asked.product,
        "user_id": name_uuid(f"user/{asked.owner}"),
        "order_configuration": configuration_json(asked),
        "side": asked.side.upper(),
        "client_order_id": asked.client_id,
        "status": STATUS[order.status],
        "time_in_force": _TIME_IN_FORCE[asked.time_in_force],
        "created_time": iso(order.created_s),
        "completion_percentage": text(completion(order)),
        "filled_size": text(order.filled),
        "average_filled_price": text(order.average),
        "fee": "",
        "number_of_fills": str(len(order.fill_ids)),
        "filled_value": text(order.filled_quote),
        "pending_cancel": False,
        "size_in_quote": asked.quote_budget is not None,
        "total_fees": text(order.fees),
        "size_inclusive_of_fees": asked.budget_has_fees,
        "total_value_after_fees": text(value_after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": asked.type.upper(),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status is not OrderStatus.OPEN,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": _cancel_message(order),
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": text(order.hold),
        "is_liquidation": False,
        "last_fill_time": iso(order.updated_s) if order.filled else None,
        "edit_history": [],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": name_uuid(asked.owner),
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
    }


def fill_json(fill: Fill, order: Order) -> dict[str, Any]:
    """One fill. The size is in quote where the order was."""
    in_quote = order.asked.quote_budget is not None
    return {
        "entry_id": name_uuid(f"entry/{fill.trade_id}/{fill.order_id}"),
        "trade_id": name_uuid(f"trade/{fill.trade_id}"),
        "order_id": fill.order_id,
        "trade_time": iso(fill.at_s),
        "trade_type": "FILL",
        "price": text(fill.price),
        "size": text(fill.price * fill.quantity if in_quote else fill.quantity),
        "commission": text(fill.fee),
        "product_id": fill.product,
        "sequence_timestamp": iso(fill.at_s),
        "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": name_uuid(f"user/{fill.owner}"),
        "side": fill.side.upper(),
        "retail_portfolio_id": name_uuid(fill.owner),
    }


def user_order_json(order: Order) -> dict[str, Any]:
    """One order as the `user` channel sends it."""
    asked = order.asked
    after_fees = order.filled_quote + (order.fees if asked.side is Side.BUY else -order.fees)
    return {
        "avg_price": text(order.average),
        "cancel_reason": _cancel_message(order),
        "client_order_id": asked.client_id,
        "completion_percentage": text(completion(order)),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": text(order.filled),
        "filled_value": text(order.filled_quote),
        "leaves_quantity": text(order.remaining),
        "limit_price": text(asked.price or Decimal(0)),
        "number_of_fills": str(len(order.fill_ids)),
        "order_id": order.id,
        "order_side": asked.side.upper(),
        "order_type": asked.type.title(),
        "outstanding_hold_amount": text(order.hold),
        "post_only": "true" if asked.post_only else "false",
        "product_id": asked.product,
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": name_uuid(asked.owner),
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": STATUS[order.status],
        "stop_price": "",
        "time_in_force": _TIME_IN_FORCE[asked.time_in_force],
        "total_fees": text(order.fees),
        "total_value_after_fees": text(after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": iso(order.created_s),
        "end_time": iso(asked.expires_s) if asked.expires_s is not None else _NEVER,
        "start_time": _NEVER,
    }


def completion(order: Order) -> Decimal:
    """How much of an order is filled, in percent."""
    asked = order.asked
    if order.status is OrderStatus.FILLED:
        return Decimal(100)
    if asked.quantity is not None:
        return (order.filled / asked.quantity * 100).quantize(Decimal("0.01"))
    return (order.filled_quote / (asked.quote_budget or Decimal(1)) * 100).quantize(Decimal("0.01"))


def _cancel_message(order: Order) -> str:
    return "User requested cancel" if order.cancel_reason == "user" else order.cancel_reason
