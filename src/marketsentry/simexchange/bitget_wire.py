"""Bitget v2 in JSON: what spot and perpetuals have in common."""

import json
from decimal import Decimal
from typing import Any

from marketsentry.simexchange.accounts import Bill, MarginAccounts, Position
from marketsentry.simexchange.ledger import Ledger
from marketsentry.simexchange.orders import Fill, HoldSide, Order, OrderStatus, OrderType, Reject, Side, Trade
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.venue import Venue
from marketsentry.simexchange.wire import millis, text

MAINTENANCE_RATE = Decimal("0.004")
OWN_COIN = "BGB"
FUNDING = "contract_settle_fee"  # what the venue calls a payment for a position

# What the venue answers a refusal with: (code, message) for spot and for perpetuals.
REFUSALS: dict[Reject, tuple[tuple[str, str], tuple[str, str]]] = {
    Reject.UNKNOWN_PRODUCT: (("40034", "Parameter does not exist"),) * 2,
    Reject.HALTED: (("41114", "The current trading pair is under maintenance"),) * 2,
    Reject.BAD_PRICE: (("40808", "Parameter verification exception price checkBDScale error"),) * 2,
    Reject.BAD_QUANTITY: (("40808", "Parameter verification exception size checkBDScale error"),) * 2,
    Reject.TOO_SMALL: (("45110", "less than the minimum amount"),) * 2,
    Reject.TOO_LARGE: (("45113", "Maximum order value limit triggered"),) * 2,
    Reject.INSUFFICIENT_FUNDS: (
        ("43012", "Insufficient balance"),
        ("40762", "The order amount exceeds the balance"),
    ),
    Reject.DUPLICATE_CLIENT_ID: (("43118", "clientOrderId duplicate"), ("40786", "Duplicate clientOid")),
    Reject.UNKNOWN_ORDER: (("43001", "The order does not exist"), ("40768", "Order does not exist")),
    Reject.ORDER_FINAL: (("43001", "The order does not exist"), ("22001", "No order to cancel")),
    Reject.NO_POSITION: (("22002", "No position to close"),) * 2,
    Reject.POSITION_MODE: (
        ("40774", "The order type for unilateral position must also be the unilateral position type."),
    )
    * 2,
    Reject.EXPOSURE_EXISTS: (("40920", "Position or order exists, the mode cannot be adjusted"),) * 2,
    Reject.BAD_LEVERAGE: (("40797", "Exceeded the maximum settable leverage"),) * 2,
}


def symbol(product: Product) -> str:
    """Name of a product on the wire."""
    return product.base + product.quote


def status(order: Order, *, is_perpetual: bool) -> str:
    """Word for where an order stands."""
    match order.status:
        case OrderStatus.OPEN:
            return "partially_filled" if order.filled else "live"
        case OrderStatus.FILLED:
            return "filled"
        case _:
            return "canceled" if is_perpetual else "cancelled"


def force(order: Order) -> str:
    """Word for how long an order waits."""
    return "post_only" if order.asked.post_only else order.asked.time_in_force.value


def wire_side(order: Order) -> str:
    """Side as the venue names it: with two legs, that of the position and not that of the book."""
    leg = order.asked.hold_side
    if leg is HoldSide.NET:
        return order.asked.side.value
    return (Side.BUY if leg is HoldSide.LONG else Side.SELL).value


def size(order: Order) -> Decimal:
    """Size asked for: quote for a market purchase of spot, else base."""
    asked = order.asked
    return asked.quote_budget if asked.quote_budget is not None else asked.quantity or Decimal(0)


def client_id(order: Order) -> str:
    """The client's id, or one that the venue gave."""
    return order.asked.client_id or str(int(order.id) + 1)


def trade_json(trade: Trade, name: str) -> dict[str, Any]:
    """One public trade."""
    return {"symbol": name, **stream_trade_json(trade)}


def stream_trade_json(trade: Trade) -> dict[str, Any]:
    """One public trade as the stream sends it."""
    return {
        "tradeId": trade.id,
        "side": trade.side.value,
        "price": text(trade.price),
        "size": text(trade.quantity),
        "ts": millis(trade.at_s),
    }


def levels(venue: Venue, product: Product, side: Side, limit: int | None) -> list[list[str]]:
    """(price, quantity) of one side of a book, best first."""
    return [[text(price), text(quantity)] for price, quantity in venue.books[product.key].depth(side, limit)]


def quote_json(venue: Venue, product: Product) -> dict[str, str]:
    """Last, best and daily prices of a product, as REST and stream both name them."""
    book = venue.books[product.key]
    bid, ask = book.ends()
    trades = venue.trades[product.key]
    prices = [one.price for one in trades] or [venue.mark(product.key)]
    change = (prices[-1] / prices[0] - 1).quantize(Decimal("0.00001")) if prices[0] else Decimal(0)
    return {
        "lastPr": text(prices[-1]),
        "high24h": text(max(prices)),
        "low24h": text(min(prices)),
        "change24h": text(change),
        "bidPr": text(bid),
        "askPr": text(ask),
        "bidSz": text(book.level(Side.BUY, bid)),
        "askSz": text(book.level(Side.SELL, ask)),
        "baseVolume": text(sum((one.quantity for one in trades), Decimal(0))),
        "quoteVolume": text(sum((one.quantity * one.price for one in trades), Decimal(0))),
        "openUtc": text(prices[0]),
        "changeUtc24h": text(change),
        "ts": millis(venue.now_s()),
    }


def asset_json(ledger: Ledger, owner: str, coin: str, now_s: float) -> dict[str, Any]:
    """One coin of the spot account."""
    return {
        "coin": coin,
        "available": text(ledger.available(owner, coin)),
        "limitAvailable": "0",
        "frozen": text(ledger.held(owner, coin)),
        "locked": "0",
        "uTime": millis(now_s),
    }


def spot_order_json(order: Order, product: Product) -> dict[str, Any]:
    """One spot order as `orderInfo` and the history give it."""
    asked = order.asked
    fee = ""
    if order.fee_coin:
        paid = {
            "deduction": False,
            "feeCoinCode": order.fee_coin,
            "totalDeductionFee": 0,
            "totalFee": _float(-order.fees),
        }
        new = {
            "c": 0,
            "d": 0,
            "deduction": False,
            "r": _float(-order.fees),
            "t": _float(-order.fees),
            "totalDeductionFee": 0,
        }
        fee = json.dumps({"newFees": new, order.fee_coin: paid})
    return {
        "userId": "1000000001",
        "symbol": symbol(product),
        "orderId": order.id,
        "clientOid": client_id(order),
        "price": text(asked.price or Decimal(0)),
        "size": text(size(order)),
        "orderType": asked.type.value,
        "side": asked.side.value,
        "status": status(order, is_perpetual=False),
        "priceAvg": text(order.average),
        "baseVolume": text(order.filled),
        "quoteVolume": text(order.filled_quote),
        "enterPointSource": "API",
        "feeDetail": fee,
        "orderSource": "market" if asked.type is OrderType.MARKET else "normal",
        "cTime": millis(order.created_s),
        "uTime": millis(order.updated_s),
        "cancelReason": order.cancel_reason,
        "baseCoin": product.base,
        "quoteCoin": product.quote,
    }


def spot_open_order_json(order: Order, product: Product) -> dict[str, Any]:
    """One open spot order: here `priceAvg` is the limit and `basePrice` the average of the fills."""
    row = spot_order_json(order, product)
    for name in ("feeDetail", "price", "cancelReason", "baseCoin", "quoteCoin"):
        del row[name]
    limit = {"priceAvg": text(order.asked.price or Decimal(0)), "basePrice": text(order.average)}
    return {**row, **limit, "force": force(order), "tpslType": "normal", "triggerPrice": None}


def spot_fill_json(fill: Fill, order: Order, product: Product) -> dict[str, Any]:
    """One fill of spot."""
    return {
        "userId": "1000000001",
        "symbol": symbol(product),
        "orderId": fill.order_id,
        "tradeId": fill.trade_id,
        "orderType": order.asked.type.value,
        "side": fill.side.value,
        "priceAvg": text(fill.price),
        "size": text(fill.quantity),
        "amount": text(fill.price * fill.quantity),
        "feeDetail": fee_json(fill),
        "tradeScope": "maker" if fill.is_maker else "taker",
        "cTime": millis(fill.at_s),
        "uTime": millis(fill.at_s),
    }


def fee_json(fill: Fill) -> dict[str, str]:
    """Fee of a fill; what is paid is negative, and deducted where it is paid in the venue's own coin."""
    fee = text(-fill.fee)
    if fill.fee_coin == OWN_COIN:
        return {"deduction": "yes", "feeCoin": fill.fee_coin, "totalDeductionFee": fee, "totalFee": fee}
    return {"deduction": "no", "feeCoin": fill.fee_coin, "totalDeductionFee": "", "totalFee": fee}


def trade_side(order: Order) -> str:
    """Word for what an order does to a position."""
    if order.asked.hold_side is HoldSide.NET:
        return f"{order.asked.side}_single"
    return "close" if order.asked.reduce_only else "open"


def mix_order_json(order: Order, product: Product, *, status_name: str) -> dict[str, Any]:
    """One order of a perpetual; the detail calls its status `state`, lists call it `status`."""
    asked = order.asked
    is_net = asked.hold_side is HoldSide.NET
    return {
        "symbol": symbol(product),
        "size": text(size(order)),
        "orderId": order.id,
        "clientOid": client_id(order),
        "baseVolume": text(order.filled),
        "priceAvg": text(order.average) if order.filled else "",
        "fee": text(-order.fees),
        "price": text(asked.price) if asked.price is not None else "",
        status_name: status(order, is_perpetual=True),
        "side": wire_side(order),
        "force": force(order),
        "totalProfits": text(order.realised_pnl),
        "posSide": asked.hold_side.value,
        "marginCoin": product.quote,
        "presetStopSurplusPrice": "",
        "presetStopLossPrice": "",
        "quoteVolume": text(order.filled_quote),
        "orderType": asked.type.value,
        "leverage": text(order.leverage),
        "marginMode": asked.margin_mode,
        "reduceOnly": "YES" if asked.reduce_only else "NO",
        "enterPointSource": "api",
        "tradeSide": trade_side(order),
        "posMode": "one_way_mode" if is_net else "hedge_mode",
        "orderSource": "market" if asked.type is OrderType.MARKET else "normal",
        "cancelReason": order.cancel_reason,
        "cTime": millis(order.created_s),
        "uTime": millis(order.updated_s),
    }


def mix_fill_json(fill: Fill, order: Order, product: Product) -> dict[str, Any]:
    """One fill of a perpetual."""
    return {
        "tradeId": fill.trade_id,
        "symbol": symbol(product),
        "orderId": fill.order_id,
        "price": text(fill.price),
        "baseVolume": text(fill.quantity),
        "feeDetail": [fee_json(fill)],
        "side": wire_side(order),
        "quoteVolume": text(fill.price * fill.quantity),
        "profit": text(fill.realised_pnl),
        "enterPointSource": "api",
        "tradeSide": trade_side(order),
        "posMode": "one_way_mode" if order.asked.hold_side is HoldSide.NET else "hedge_mode",
        "tradeScope": "maker" if fill.is_maker else "taker",
        "cTime": millis(fill.at_s),
    }


def bill_json(bill: Bill) -> dict[str, str]:
    """One payment for a position; what is paid is negative."""
    return {
        "billId": bill.id,
        "symbol": symbol(bill.product),
        "amount": text(bill.amount),
        "fee": "0",
        "feeByCoupon": "",
        "businessType": FUNDING,
        "coin": bill.product.quote,
        "cTime": millis(bill.at_s),
    }


def position_json(
    margin: MarginAccounts, owner: str, product: Product, leg: HoldSide, position: Position, *, mark: Decimal
) -> dict[str, Any]:
    """One open position. The liquidation price is that of its own margin alone."""
    settings = margin.settings(owner, product.key)
    leverage = settings.leverage[leg]
    quantity = abs(position.quantity)
    is_long = position.quantity > 0
    away = position.entry * (1 / leverage - MAINTENANCE_RATE)
    return {
        "marginCoin": product.quote,
        "symbol": symbol(product),
        "holdSide": "long" if is_long else "short",
        "openDelegateSize": "0",
        "marginSize": text(margin.margin_of(owner, product.key, leg, position)),
        "available": text(quantity),
        "locked": "0",
        "total": text(quantity),
        "leverage": text(leverage),
        "achievedProfits": text(position.realised_pnl),
        "openPriceAvg": text(position.entry),
        "marginMode": settings.margin_mode,
        "posMode": "one_way_mode" if leg is HoldSide.NET else "hedge_mode",
        "unrealizedPL": text(position.unrealised(mark)),
        "liquidationPrice": text(
            max(position.entry - away if is_long else position.entry + away, Decimal(0))
        ),
        "keepMarginRate": text(MAINTENANCE_RATE),
        "markPrice": text(mark),
        "marginRatio": "0",
        "breakEvenPrice": text(position.entry),
        "totalFee": text(position.fees),
        "deductedFee": text(position.fees),
        "cTime": millis(position.opened_s),
        "uTime": millis(position.updated_s),
    }


def margin_account_json(margin: MarginAccounts, owner: str, coin: str) -> dict[str, str]:
    """The margin account."""
    unrealised = margin.unrealised(owner)
    equity = margin.ledger.total(owner, coin) + unrealised
    free = margin.free_margin(owner, coin)
    return {
        "marginCoin": coin,
        "locked": text(margin.ledger.held(owner, coin)),
        "available": text(margin.ledger.total(owner, coin)),
        "crossedMaxAvailable": text(free),
        "isolatedMaxAvailable": text(free),
        "maxTransferOut": text(free),
        "accountEquity": text(equity),
        "usdtEquity": text(equity),
        "btcEquity": "0",
        "crossedRiskRate": "0",
        "unrealizedPL": text(unrealised),
        "coupon": "0",
        "crossedUnrealizedPL": text(unrealised),
        "isolatedUnrealizedPL": "0",
    }


def _float(value: Decimal) -> float:
    return float(value)
