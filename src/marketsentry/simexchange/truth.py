"""Every order, fill, balance and position as the venue knows them, in plain JSON with numbers as text."""

from typing import Any

from marketsentry.simexchange.ledger import Ledger
from marketsentry.simexchange.orders import Fill, Order
from marketsentry.simexchange.venue import Venue, is_house
from marketsentry.simexchange.wire import text


def tell_truth(venue: Venue) -> dict[str, Any]:
    """Write down what the venue knows.

    `orders` and `fills` come oldest first; `balances` and `margin_balances` hold `available` and `held` by owner and
    coin; `positions` are those that are open, their quantity signed; `funding` is what positions paid and got.
    """
    return {
        "now_s": venue.now_s(),
        "orders": [_order(one) for one in venue.orders.values()],
        "fills": [_fill(one) for one in venue.fills],
        "balances": _balances(venue.spot.ledger),
        "margin_balances": _balances(venue.margin.ledger),
        "positions": [
            {
                "owner": owner,
                "product": name,
                "hold_side": leg.value,
                "quantity": text(position.quantity),
                "entry": text(position.entry),
                "realised_pnl": text(position.realised_pnl),
            }
            for owner in sorted(venue.margin.ledger.owners())
            if not is_house(owner)
            for name, leg, position in venue.margin.open_positions(owner)
        ],
        "funding": [
            {
                "id": one.id,
                "owner": one.owner,
                "product": one.product.key,
                "amount": text(one.amount),
                "at_s": one.at_s,
            }
            for one in venue.margin.bills
        ],
        "halted": sorted(venue.halted),
    }


def _balances(ledger: Ledger) -> dict[str, dict[str, dict[str, str]]]:
    return {
        owner: {
            coin: {"available": text(ledger.available(owner, coin)), "held": text(ledger.held(owner, coin))}
            for coin in ledger.coins(owner)
        }
        for owner in sorted(ledger.owners())
        if not is_house(owner)
    }


def _order(order: Order) -> dict[str, Any]:
    asked = order.asked
    return {
        "id": order.id,
        "client_id": asked.client_id,
        "owner": asked.owner,
        "product": asked.product,
        "side": asked.side.value,
        "type": asked.type.value,
        "time_in_force": asked.time_in_force.value,
        "hold_side": asked.hold_side.value,
        "reduce_only": asked.reduce_only,
        "quantity": None if asked.quantity is None else text(asked.quantity),
        "quote_budget": None if asked.quote_budget is None else text(asked.quote_budget),
        "price": None if asked.price is None else text(asked.price),
        "status": order.status.value,
        "filled": text(order.filled),
        "filled_quote": text(order.filled_quote),
        "fees": text(order.fees),
        "cancel_reason": order.cancel_reason,
        "created_s": order.created_s,
        "updated_s": order.updated_s,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "owner": fill.owner,
        "product": fill.product,
        "side": fill.side.value,
        "price": text(fill.price),
        "quantity": text(fill.quantity),
        "fee": text(fill.fee),
        "fee_coin": fill.fee_coin,
        "is_maker": fill.is_maker,
        "realised_pnl": text(fill.realised_pnl),
        "at_s": fill.at_s,
    }
