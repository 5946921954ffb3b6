"""USDT perpetuals in the words of Bitget v2."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketsentry.simexchange import bitget_history as history
from marketsentry.simexchange import bitget_wire as bg
from marketsentry.simexchange.accounts import ApiKey
from marketsentry.simexchange.candles import Refusal
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import (
    HoldSide,
    NewOrder,
    Order,
    OrderType,
    Reject,
    Rejected,
    SelfTrade,
    Side,
)
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.wire import number, text

MOST = 100
_MODES = {"one_way_mode": False, "hedge_mode": True}


@dataclass(frozen=True, slots=True)
class BitgetMix:
    """Handlers by `METHOD path` under /api/v2/."""

    floor: Floor

    @property
    def handlers(self) -> Mapping[str, Callable[[Request, ApiKey], Any]]:
        """What can be asked of a margin account."""
        return {
            "POST mix/order/place-order": self._place,
            "POST mix/order/cancel-order": self._cancel,
            "GET mix/order/detail": self._detail,
            "GET mix/order/orders-pending": self._pending,
            "GET mix/order/orders-history": self._history,
            "GET mix/order/fills": self._fills,
            "GET mix/order/fill-history": self._fills,
            "GET mix/account/account": self._account,
            "GET mix/account/accounts": self._accounts,
            "GET mix/account/bill": self._bills,
            "GET mix/position/all-position": self._positions,
            "GET mix/position/single-position": self._positions,
            "POST mix/account/set-leverage": self._set_leverage,
            "POST mix/account/set-margin-mode": self._set_margin_mode,
            "POST mix/account/set-position-mode": self._set_position_mode,
        }

    def _place(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        product = self._named_product(body)
        force, post_only = history.read_force(str(body.get("force", "")))
        kind = OrderType(str(body["orderType"]))
        side, leg, reduce_only = _read_direction(body)
        mode = str(
            body.get("marginMode", self.floor.venue.margin.settings(key.owner, product.key).margin_mode)
        )
        if mode not in ("crossed", "isolated"):
            raise ValueError(f"marginMode {mode}")
        asked = NewOrder(
            owner=key.owner,
            product=product.key,
            side=side,
            type=kind,
            quantity=number(body["size"]),
            price=number(body.get("price")) if kind is OrderType.LIMIT else None,
            time_in_force=force,
            post_only=post_only,
            self_trade=SelfTrade(str(body.get("stpMode", "none"))),
            client_id=str(body.get("clientOid", "")),
            reduce_only=reduce_only,
            hold_side=leg,
            margin_mode=mode,
        )
        return _named(self.floor.place(asked, f"{request.method} {request.path}"))

    def _cancel(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        order = self._find(key, str(body.get("orderId", "")), str(body.get("clientOid", "")))
        return _named(self.floor.venue.cancel(key.owner, order.id))

    def _detail(self, request: Request, key: ApiKey) -> Any:
        self.floor.venue.expire()
        try:
            order = self._find(key, request.query.get("orderId", ""), request.query.get("clientOid", ""))
        except Rejected:
            message = "The data of the order cannot be found, please confirm the order number"
            raise Refusal(400, {"code": "40109", "msg": message, "data": None}) from None
        return bg.mix_order_json(order, self._product(order), status_name="state")

    def _pending(self, request: Request, key: ApiKey) -> Any:
        return self._orders(request, key, is_open=True)

    def _history(self, request: Request, key: ApiKey) -> Any:
        return self._orders(request, key, is_open=False)

    def _orders(self, request: Request, key: ApiKey, *, is_open: bool) -> Any:
        venue = self.floor.venue
        chosen = history.choose_orders(
            venue, key.owner, request, is_perpetual=True, is_open=is_open, most=MOST
        )
        rows = [bg.mix_order_json(one, self._product(one), status_name="status") for one in chosen]
        return {"entrustedList": rows or None, "endId": chosen[-1].id if chosen else None}

    def _fills(self, request: Request, key: ApiKey) -> Any:
        venue = self.floor.venue
        chosen = history.choose_fills(venue, key.owner, request, is_perpetual=True, most=MOST)
        orders = [venue.orders[one.order_id] for one in chosen]
        pairs = zip(chosen, orders, strict=True)
        rows = [bg.mix_fill_json(fill, order, self._product(order)) for fill, order in pairs]
        return {"fillList": rows, "endId": chosen[-1].trade_id if chosen else None}

    def _bills(self, request: Request, key: ApiKey) -> Any:
        if str(request.query["productType"]).upper() != "USDT-FUTURES":
            return {"bills": [], "endId": None}
        chosen = history.choose_bills(self.floor.venue, key.owner, request, most=MOST)
        return {"bills": [bg.bill_json(one) for one in chosen], "endId": chosen[-1].id if chosen else None}

    def _accounts(self, request: Request, key: ApiKey) -> Any:
        if request.query.get("productType", "").upper() != "USDT-FUTURES":
            return []
        margin = self.floor.venue.margin
        return [bg.margin_account_json(margin, key.owner, coin) for coin in margin.ledger.coins(key.owner)]

    def _account(self, request: Request, key: ApiKey) -> Any:
        margin = self.floor.venue.margin
        product = self._named_product(request.query)
        settings = margin.settings(key.owner, product.key)
        leverage = {leg: int(value) for leg, value in settings.leverage.items()}
        return {
            **bg.margin_account_json(margin, key.owner, product.quote),
            "crossedMarginLeverage": leverage[HoldSide.NET],
            "isolatedLongLever": leverage[HoldSide.LONG],
            "isolatedShortLever": leverage[HoldSide.SHORT],
            "marginMode": settings.margin_mode,
            "posMode": "hedge_mode" if margin.is_hedged[key.owner] else "one_way_mode",
        }

    def _positions(self, request: Request, key: ApiKey) -> Any:
        venue = self.floor.venue
        wanted = request.query.get("symbol", "").upper()
        rows = []
        for name, leg, position in venue.margin.open_positions(key.owner):
            product = venue.products[name]
            if wanted in ("", bg.symbol(product)):
                mark = venue.mark(name)
                rows.append(bg.position_json(venue.margin, key.owner, product, leg, position, mark=mark))
        return rows

    def _set_leverage(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        product = self._named_product(body)
        leverage = number(body["leverage"])
        if leverage is None:
            raise ValueError(f"leverage {body['leverage']}")
        leg = HoldSide(body["holdSide"]) if "holdSide" in body else None
        self.floor.venue.margin.set_leverage(key.owner, product, leverage, leg)
        cross = self.floor.venue.margin.settings(key.owner, product.key).leverage[HoldSide.NET]
        return {**self._settings(key, product), "crossMarginLeverage": text(cross)}

    def _set_margin_mode(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        product = self._named_product(body)
        mode = str(body["marginMode"])
        if mode not in ("crossed", "isolated"):
            raise ValueError(f"marginMode {mode}")
        self.floor.venue.margin.set_margin_mode(key.owner, product, mode)
        return self._settings(key, product)

    def _set_position_mode(self, request: Request, key: ApiKey) -> Any:
        mode = str(request.json()["posMode"])
        venue = self.floor.venue
        mine = [one for one in venue.open_orders() if one.asked.owner == key.owner]
        if any(self._product(one).is_perpetual for one in mine):
            raise Rejected(Reject.EXPOSURE_EXISTS, "cancel all orders before the position mode changes")
        venue.margin.set_hedged(key.owner, _MODES[mode])
        return {"posMode": mode}

    def _settings(self, key: ApiKey, product: Product) -> dict[str, str]:
        settings = self.floor.venue.margin.settings(key.owner, product.key)
        return {
            "symbol": bg.symbol(product),
            "marginCoin": product.quote,
            "longLeverage": text(settings.leverage[HoldSide.LONG]),
            "shortLeverage": text(settings.leverage[HoldSide.SHORT]),
            "marginMode": settings.margin_mode,
        }

    def _named_product(self, fields: Mapping[str, Any]) -> Product:
        if str(fields["productType"]).upper() != "USDT-FUTURES":
            raise ValueError(f"productType {fields['productType']}")
        return history.find_product(self.floor.venue, str(fields["symbol"]), is_perpetual=True)

    def _find(self, key: ApiKey, order_id: str, client_id: str) -> Order:
        return history.find_order(self.floor.venue, key.owner, order_id, client_id, is_perpetual=True)

    def _product(self, order: Order) -> Product:
        return self.floor.venue.products[order.asked.product]


def _read_direction(body: Mapping[str, Any]) -> tuple[Side, HoldSide, bool]:
    """Read side of the book, leg and whether the order only closes.

    With two legs the venue names the side of the position: `buy` and `close` sells what is long.
    """
    side = history.side_of(str(body["side"]))
    action = str(body.get("tradeSide", "")).lower()
    if action not in ("open", "close"):
        return side, HoldSide.NET, str(body.get("reduceOnly", "NO")).upper() == "YES"
    leg = HoldSide.LONG if side is Side.BUY else HoldSide.SHORT
    is_close = action == "close"
    return side.opposite if is_close else side, leg, is_close


def _named(order: Order) -> dict[str, str]:
    return {"clientOid": bg.client_id(order), "orderId": order.id}
