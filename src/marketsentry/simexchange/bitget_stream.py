"""Bitget v2 over WebSocket: ticker, books and trades in public; orders, fills, accounts and positions after a login."""

import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from marketsentry.simexchange import bitget_wire as bg
from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.bitget_rest import BitgetRest
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import Fill, HoldSide, Order, Side, Trade
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.signatures import Unauthorised, bitget_signature, check_bitget_time, is_same
from marketsentry.simexchange.venue import BookChange, Event, OrderChange
from marketsentry.simexchange.wire import millis, text

_PUBLIC = frozenset({"ticker", "trade", "books", "books1", "books5", "books15"})
_PRIVATE = frozenset({"orders", "fill", "account", "positions"})
_INST_TYPES = {"SPOT": False, "USDT-FUTURES": True}
N_CHECKED = 25
N_SNAPSHOT_TRADES = 50


class BitgetSession:
    """One connection. A subscription is known by its (instType, channel, instId or coin)."""

    def __init__(self, floor: Floor, rest: BitgetRest, send: Callable[[str, str], None]) -> None:
        self._floor = floor
        self._rest = rest
        self._send = send
        self._wanted: dict[tuple[str, str, str], dict[str, str]] = {}
        self._owner = ""
        self._sequences: dict[str, int] = {}

    def subscriptions(self) -> list[str]:
        """What the client gets at present, as `channel product`."""
        return [f"{channel} {name}" for _, channel, name in self._wanted]

    def on_text(self, message: str) -> None:
        """Log in, subscribe, unsubscribe, or answer a ping."""
        if message == "ping":
            self._send("pong", "pong")
            return
        try:
            asked = json.loads(message)
            operation, args = asked["op"], asked["args"]
        except (ValueError, KeyError, TypeError):
            self._error(30003, "Invalid op")
            return
        for arg in args:
            match operation:
                case "login":
                    self._login(arg)
                case "subscribe":
                    self._subscribe(arg)
                case "unsubscribe":
                    self._wanted.pop(_key(arg), None)
                    self._say({"event": "unsubscribe", "arg": arg}, "unsubscribe")
                case _:
                    self._error(30003, "Invalid op")

    def on_event(self, event: Event) -> None:
        """Tell what the client has subscribed to."""
        match event:
            case Trade():
                product = self._floor.venue.products[event.product]
                self._push(product, "trade", lambda _: [bg.stream_trade_json(event)], action="update")
                self._push(product, "ticker", lambda _: [self._ticker(product)])
            case BookChange():
                self._push_book(event)
            case OrderChange() if event.order.asked.owner == self._owner and self._owner:
                self._on_order(event.order, event.fill)

    def on_second(self) -> None:
        """Nothing goes by time here: the client pings."""

    def _login(self, arg: dict[str, Any]) -> None:
        try:
            timestamp = str(arg.get("timestamp", ""))
            if not timestamp.isdigit():
                raise Unauthorised("timestamp is no number")
            check_bitget_time(int(timestamp), self._floor.clock_s())
            key = self._rest.known_key(str(arg.get("apiKey", "")), str(arg.get("passphrase", "")))
            expected = bitget_signature(key.secret, timestamp, "GET", "/user/verify", "")
            if not is_same(str(arg.get("sign", "")), expected) or Permission.VIEW not in key.permissions:
                raise Unauthorised("Invalid sign")
        except Unauthorised as refused:
            self._error(30005, f"error: {refused.detail}")
            return
        self._owner = key.owner
        self._say({"event": "login", "code": 0}, "login")

    def _subscribe(self, arg: dict[str, str]) -> None:
        inst_type, channel, name = _key(arg)
        is_known = inst_type in _INST_TYPES and channel in _PUBLIC | _PRIVATE
        product = self._product(inst_type, name) if is_known else None
        if not is_known or (channel in _PUBLIC and product is None):
            self._error(30001, f"instType:{inst_type},channel:{channel},instId:{name} doesn't exist")
            return
        if channel in _PRIVATE and not self._owner:
            self._error(30004, "User needs to log in")
            return
        self._wanted[_key(arg)] = arg
        self._say({"event": "subscribe", "arg": arg}, "subscribe")
        data = self._snapshot(channel, inst_type, product)
        if data is not None:
            self._say_data(arg, data, "snapshot")

    def _snapshot(self, channel: str, inst_type: str, product: Product | None) -> list[dict[str, Any]] | None:
        venue = self._floor.venue
        match channel:
            case "account":
                return self._accounts(is_perpetual=_INST_TYPES[inst_type])
            case "positions":
                return self._positions()
            case "ticker" if product is not None:
                return [self._ticker(product)]
            case "trade" if product is not None:
                newest = list(reversed(venue.trades[product.key]))[:N_SNAPSHOT_TRADES]
                return [bg.stream_trade_json(one) for one in newest]
            case "books" | "books1" | "books5" | "books15" if product is not None:
                self._sequences.setdefault(product.key, 1)
                return [self._book(product, int(channel.removeprefix("books") or "0") or None)]
            case _:
                return None

    def _push(
        self,
        product: Product,
        channel: str,
        make: Callable[[dict[str, str]], list[dict[str, Any]]],
        *,
        action: str = "snapshot",
    ) -> None:
        """Send data of a product to each subscription that it belongs to."""
        inst_type = "USDT-FUTURES" if product.is_perpetual else "SPOT"
        for name in (bg.symbol(product), "default"):
            arg = self._wanted.get((inst_type, channel, name))
            if arg is not None:
                self._say_data(arg, make(arg), action)

    def _push_book(self, event: BookChange) -> None:
        product = self._floor.venue.products[event.product]
        previous = self._sequences.get(product.key, 1)
        self._sequences[product.key] = previous + 1
        self._push(product, "books", lambda _: [self._book_change(event, previous)], action="update")
        for limit in (1, 5, 15):
            self._push(product, f"books{limit}", lambda arg: [self._book(product, int(arg["channel"][5:]))])

    def _book(self, product: Product, limit: int | None) -> dict[str, Any]:
        venue = self._floor.venue
        return {
            "asks": bg.levels(venue, product, Side.SELL, limit),
            "bids": bg.levels(venue, product, Side.BUY, limit),
            "checksum": 0,
            "seq": self._sequences.get(product.key, 1),
            "ts": millis(venue.now_s()),
        }

    def _book_change(self, event: BookChange, previous: int) -> dict[str, Any]:
        product = self._floor.venue.products[event.product]
        rows = {
            side: [[text(price), text(quantity)] for where, price, quantity in event.levels if where is side]
            for side in Side
        }
        return {
            "asks": rows[Side.SELL],
            "bids": rows[Side.BUY],
            "checksum": self._checksum(product),
            "seq": previous + 1,
            "pseq": previous,
            "ts": millis(self._floor.venue.now_s()),
        }

    def _checksum(self, product: Product) -> int:
        """CRC-32 over the best levels of both sides in turn, as a signed number."""
        venue = self._floor.venue
        bids, asks = (bg.levels(venue, product, side, N_CHECKED) for side in (Side.BUY, Side.SELL))
        parts: list[str] = []
        for index in range(N_CHECKED):
            for rows in (bids, asks):
                parts += rows[index] if index < len(rows) else []
        checksum = zlib.crc32(":".join(parts).encode())
        return checksum - 2**32 if checksum >= 2**31 else checksum

    def _ticker(self, product: Product) -> dict[str, Any]:
        venue = self._floor.venue
        row: dict[str, Any] = {"instId": bg.symbol(product), **bg.quote_json(venue, product)}
        row["open24h"] = row["openUtc"]
        if product.is_perpetual:
            mark = text(venue.mark(product.key))
            row |= {"fundingRate": "0", "nextFundingTime": "0", "markPrice": mark, "indexPrice": mark}
            row |= {
                "holdingAmount": "0",
                "symbolType": 1,
                "symbol": bg.symbol(product),
                "deliveryPrice": "0",
            }
        return row

    def _on_order(self, order: Order, fill: Fill | None) -> None:
        product = self._floor.venue.products[order.asked.product]
        make = _mix_order if product.is_perpetual else _spot_order
        self._push(product, "orders", lambda _: [make(order, fill, product)])
        inst_type = "USDT-FUTURES" if product.is_perpetual else "SPOT"
        if fill is not None:
            to_json = bg.mix_fill_json if product.is_perpetual else bg.spot_fill_json
            row = to_json(fill, order, product)
            row["feeDetail"] = [bg.fee_json(fill)]
            self._push(product, "fill", lambda _: [row])
        account = self._wanted.get((inst_type, "account", "default"))
        if account is not None:
            self._say_data(account, self._accounts(is_perpetual=product.is_perpetual), "snapshot")
        positions = self._wanted.get((inst_type, "positions", "default"))
        if positions is not None and fill is not None and product.is_perpetual:
            self._say_data(positions, self._positions(), "snapshot")

    def _accounts(self, *, is_perpetual: bool) -> list[dict[str, Any]]:
        venue = self._floor.venue
        if not is_perpetual:
            ledger = venue.spot.ledger
            return [
                bg.asset_json(ledger, self._owner, coin, venue.now_s()) for coin in ledger.coins(self._owner)
            ]
        rows = []
        for coin in venue.margin.ledger.coins(self._owner):
            account = bg.margin_account_json(venue.margin, self._owner, coin)
            rows.append(
                {
                    "marginCoin": coin,
                    "frozen": account["locked"],
                    "available": account["available"],
                    "maxOpenPosAvailable": account["crossedMaxAvailable"],
                    "maxTransferOut": account["maxTransferOut"],
                    "equity": account["accountEquity"],
                    "usdtEquity": account["usdtEquity"],
                }
            )
        return rows

    def _positions(self) -> list[dict[str, Any]]:
        venue = self._floor.venue
        rows = []
        for name, leg, position in venue.margin.open_positions(self._owner):
            product = venue.products[name]
            mark = venue.mark(name)
            row = bg.position_json(venue.margin, self._owner, product, leg, position, mark=mark)
            row["posId"] = str(zlib.crc32(f"{self._owner}/{name}/{leg}".encode()))
            row["instId"] = row.pop("symbol")
            row["frozen"] = row.pop("locked")
            margin = Decimal(row["marginSize"])
            row["unrealizedPLR"] = text((position.unrealised(mark) / margin).quantize(Decimal("1e-11")))
            row["marginRate"] = row.pop("marginRatio")
            row["autoMargin"] = "off"
            row["leverage"] = int(row["leverage"])
            rows.append(row)
        return rows

    def _product(self, inst_type: str, name: str) -> Product | None:
        for one in self._floor.venue.products.values():
            if one.is_perpetual == _INST_TYPES[inst_type] and bg.symbol(one) == name:
                return one
        return None

    def _say_data(self, arg: dict[str, str], data: list[dict[str, Any]], action: str) -> None:
        now_ms = int(self._floor.venue.now_s() * 1_000)
        self._say({"action": action, "arg": arg, "data": data, "ts": now_ms}, arg["channel"])

    def _say(self, message: dict[str, Any], channel: str) -> None:
        self._send(channel, json.dumps(message))

    def _error(self, code: int, reason: str) -> None:
        self._say({"event": "error", "code": code, "msg": reason}, "error")


class BitgetVenue(BitgetRest):
    """Both halves of Bitget v2."""

    def session(self, request: Request, send: Callable[[str, str], None]) -> BitgetSession:
        """Open a stream; `send(channel, text)` sends one message."""
        return BitgetSession(self._floor, self, send)


def _key(arg: dict[str, Any]) -> tuple[str, str, str]:
    name = arg.get("instId") or arg.get("coin") or "default"
    return str(arg.get("instType", "")).upper(), str(arg.get("channel", "")), str(name)


def _last_fill(order: Order, fill: Fill | None) -> dict[str, Any]:
    if fill is None:
        return {}
    return {
        "fillPrice": text(fill.price),
        "tradeId": fill.trade_id,
        "baseVolume": text(fill.quantity),
        "fillTime": millis(fill.at_s),
        "fillFee": text(-fill.fee),
        "fillFeeCoin": fill.fee_coin,
        "tradeScope": "M" if fill.is_maker else "T",
    }


def _status(order: Order, fill: Fill | None, *, is_perpetual: bool) -> str:
    """Where the order stands; a fill that completes it says so at once."""
    if fill is not None and order.asked.quantity is not None and order.remaining == 0:
        return "filled"
    return bg.status(order, is_perpetual=is_perpetual)


def _spot_order(order: Order, fill: Fill | None, product: Product) -> dict[str, Any]:
    asked = order.asked
    row = {
        "instId": bg.symbol(product),
        "orderId": order.id,
        "clientOid": bg.client_id(order),
        "size": text(bg.size(order)),
        "newSize": text(bg.size(order)),
        "notional": text((asked.price or Decimal(1)) * bg.size(order)),
        "orderType": asked.type.value,
        "force": bg.force(order),
        "side": asked.side.value,
        "accBaseVolume": text(order.filled),
        "priceAvg": text(order.average),
        "status": _status(order, fill, is_perpetual=False),
        "cTime": millis(order.created_s),
        "uTime": millis(order.updated_s),
        "feeDetail": [{"feeCoin": order.fee_coin, "fee": text(-order.fees)}] if order.fee_coin else [],
        "enterPointSource": "API",
        **_last_fill(order, fill),
    }
    if asked.price is not None:
        row["price"] = text(asked.price)
    return row


def _mix_order(order: Order, fill: Fill | None, product: Product) -> dict[str, Any]:
    asked = order.asked
    row = {
        "accBaseVolume": text(order.filled),
        "cTime": millis(order.created_s),
        "clientOid": bg.client_id(order),
        "enterPointSource": "API",
        "feeDetail": [{"feeCoin": product.quote, "fee": text(-order.fees)}],
        "force": bg.force(order),
        "instId": bg.symbol(product),
        "leverage": text(order.leverage),
        "marginCoin": product.quote,
        "marginMode": asked.margin_mode,
        "notionalUsd": text((asked.price or order.average) * bg.size(order)),
        "orderId": order.id,
        "orderType": asked.type.value,
        "pnl": text(order.realised_pnl),
        "posMode": "one_way_mode" if asked.hold_side is HoldSide.NET else "hedge_mode",
        "posSide": asked.hold_side.value,
        "price": text(asked.price or Decimal(0)),
        "priceAvg": text(order.average),
        "reduceOnly": "yes" if asked.reduce_only else "no",
        "side": bg.wire_side(order),
        "size": text(bg.size(order)),
        "status": _status(order, fill, is_perpetual=True),
        "tradeSide": bg.trade_side(order),
        "uTime": millis(order.updated_s),
        **_last_fill(order, fill),
    }
    if fill is not None:
        row["fillNotionalUsd"] = text(fill.price * fill.quantity)
    return row
