"""Spot trading in the words of Bitget v2."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketsentry.simexchange import bitget_history as history
from marketsentry.simexchange import bitget_wire as bg
from marketsentry.simexchange.accounts import ApiKey
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import NewOrder, Order, OrderType, Rejected, SelfTrade, Side
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.wire import number

MOST = 100


@dataclass(frozen=True, slots=True)
class BitgetSpot:
    """Handlers by `METHOD path` under /api/v2/."""

    floor: Floor

    @property
    def handlers(self) -> Mapping[str, Callable[[Request, ApiKey], Any]]:
        """What can be asked of a spot account."""
        return {
            "POST spot/trade/place-order": self._place,
            "POST spot/trade/cancel-order": self._cancel,
            "GET spot/trade/orderInfo": self._order_info,
            "GET spot/trade/unfilled-orders": self._unfilled,
            "GET spot/trade/history-orders": self._history,
            "GET spot/trade/fills": self._fills,
            "GET spot/account/assets": self._assets,
        }

    def _place(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        product = history.find_product(self.floor.venue, str(body["symbol"]), is_perpetual=False)
        side, kind = history.side_of(str(body["side"])), OrderType(str(body["orderType"]))
        force, post_only = history.read_force(str(body.get("force", "")))
        size = number(body["size"])
        by_budget = kind is OrderType.MARKET and side is Side.BUY
        asked = NewOrder(
            owner=key.owner,
            product=product.key,
            side=side,
            type=kind,
            quantity=None if by_budget else size,
            quote_budget=size if by_budget else None,
            price=number(body.get("price")) if kind is OrderType.LIMIT else None,
            time_in_force=force,
            post_only=post_only,
            self_trade=SelfTrade(str(body.get("stpMode", "none"))),
            client_id=str(body.get("clientOid", "")),
        )
        return _named(self.floor.place(asked, f"{request.method} {request.path}"))

    def _cancel(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        order = self._find(key, str(body.get("orderId", "")), str(body.get("clientOid", "")))
        return _named(self.floor.venue.cancel(key.owner, order.id))

    def _order_info(self, request: Request, key: ApiKey) -> Any:
        self.floor.venue.expire()
        try:
            order = self._find(key, request.query.get("orderId", ""), request.query.get("clientOid", ""))
        except Rejected:
            return []
        return [bg.spot_order_json(order, self._product(order))]

    def _unfilled(self, request: Request, key: ApiKey) -> Any:
        venue = self.floor.venue
        chosen = history.choose_orders(venue, key.owner, request, is_perpetual=False, is_open=True, most=MOST)
        return [bg.spot_open_order_json(one, self._product(one)) for one in chosen]

    def _history(self, request: Request, key: ApiKey) -> Any:
        venue = self.floor.venue
        chosen = history.choose_orders(
            venue, key.owner, request, is_perpetual=False, is_open=False, most=MOST
        )
        return [bg.spot_order_json(one, self._product(one)) for one in chosen]

    def _fills(self, request: Request, key: ApiKey) -> Any:
        venue = self.floor.venue
        chosen = history.choose_fills(venue, key.owner, request, is_perpetual=False, most=MOST)
        orders = [venue.orders[one.order_id] for one in chosen]
        pairs = zip(chosen, orders, strict=True)
        return [bg.spot_fill_json(fill, order, self._product(order)) for fill, order in pairs]

    def _assets(self, request: Request, key: ApiKey) -> Any:
        ledger = self.floor.venue.spot.ledger
        wanted = request.query.get("coin", "").upper()
        coins = [coin for coin in ledger.coins(key.owner) if wanted in ("", coin)]
        return [bg.asset_json(ledger, key.owner, coin, self.floor.venue.now_s()) for coin in coins]

    def _find(self, key: ApiKey, order_id: str, client_id: str) -> Order:
        return history.find_order(self.floor.venue, key.owner, order_id, client_id, is_perpetual=False)

    def _product(self, order: Order) -> Product:
        return self.floor.venue.products[order.asked.product]


def _named(order: Order) -> dict[str, str]:
    return {"orderId": order.id, "clientOid": bg.client_id(order)}
