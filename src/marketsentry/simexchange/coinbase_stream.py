"""Coinbase Advanced Trade over WebSocket: heartbeats, ticker, level2, market_trades and user."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from marketsentry.simexchange import coinbase_wire as cb
from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.coinbase_rest import CoinbaseRest
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import Order, Side, Trade
from marketsentry.simexchange.signatures import Unauthorised
from marketsentry.simexchange.venue import BookChange, Event, OrderChange
from marketsentry.simexchange.wire import iso, text

_ALL = "*"
_CHANNELS = frozenset({"heartbeats", "ticker", "ticker_batch", "level2", "market_trades", "user", "status"})
_SIDES = {Side.BUY: "bid", Side.SELL: "offer"}
N_SNAPSHOT_TRADES = 100


class CoinbaseSession:
    """One connection. Every message has the next sequence number, whatever its channel."""

    def __init__(self, floor: Floor, rest: CoinbaseRest, send: Callable[[str, str], None]) -> None:
        self._floor = floor
        self._rest = rest
        self._send = send
        self._wanted: dict[str, dict[str, None]] = {}
        self._owner = ""
        self._sequence = 0
        self._n_heartbeats = 0

    def subscriptions(self) -> list[str]:
        """What the client gets at present, as `channel product`."""
        return [f"{channel} {name}" for channel, names in self._wanted.items() for name in names]

    def on_text(self, message: str) -> None:
        """Subscribe or unsubscribe."""
        try:
            asked = json.loads(message)
            kind, channel = asked["type"], asked["channel"]
        except (ValueError, KeyError, TypeError):
            self._error("failed to parse message")
            return
        if channel not in _CHANNELS or kind not in ("subscribe", "unsubscribe"):
            self._error(f"{kind} to {channel} is not supported")
            return
        products = [name for name in asked.get("product_ids") or () if name in self._floor.venue.products]
        if kind == "unsubscribe":
            self._unsubscribe(channel, products)
        elif self._is_allowed(channel, asked):
            fresh = self._subscribe(channel, products)
            self._snapshot(channel, fresh)
        self._confirm()

    def on_event(self, event: Event) -> None:
        """Tell what the client has subscribed to."""
        match event:
            case Trade():
                if self._wants("market_trades", event.product):
                    self._push("market_trades", [{"type": "update", "trades": [_trade_json(event)]}])
                for channel in ("ticker", "ticker_batch"):
                    if self._wants(channel, event.product):
                        tickers = [self._ticker(event.product, channel)]
                        self._push(channel, [{"type": "update", "tickers": tickers}])
            case BookChange():
                if self._wants("level2", event.product):
                    self._push_levels(event.product, "update", list(event.levels))
            case OrderChange():
                order = event.order
                if order.asked.owner == self._owner and self._wants("user", order.asked.product):
                    self._push_orders("update", [order])

    def on_second(self) -> None:
        """Beat."""
        if "heartbeats" in self._wanted:
            now_s = self._floor.venue.now_s()
            current = f"{iso(now_s).replace('T', ' ').removesuffix('Z')} +0000 UTC m=+{self._n_heartbeats}"
            self._push("heartbeats", [{"current_time": current, "heartbeat_counter": self._n_heartbeats}])
            self._n_heartbeats += 1

    def _is_allowed(self, channel: str, asked: dict[str, Any]) -> bool:
        token = asked.get("jwt")
        if token is None and channel != "user":
            return True
        try:
            key = self._rest.check_token(str(token or ""))
            if Permission.VIEW not in key.permissions:
                raise Unauthorised("key may not view")
        except Unauthorised:
            self._error("authentication failure")
            return False
        self._owner = key.owner
        return True

    def _subscribe(self, channel: str, products: list[str]) -> list[str]:
        wanted = self._wanted.setdefault(channel, {})
        names = products if products or channel not in ("user", "heartbeats") else [_ALL]
        fresh = [name for name in names if name not in wanted]
        wanted.update(dict.fromkeys(names))
        return fresh

    def _unsubscribe(self, channel: str, products: list[str]) -> None:
        wanted = self._wanted.get(channel, {})
        for name in products or list(wanted):
            wanted.pop(name, None)
        if not wanted:
            self._wanted.pop(channel, None)

    def _wants(self, channel: str, product: str) -> bool:
        wanted = self._wanted.get(channel, {})
        return product in wanted or _ALL in wanted

    def _confirm(self) -> None:
        names: dict[str, list[str]] = {}
        for channel, products in self._wanted.items():
            every = "heartbeats" if channel == "heartbeats" else cb.name_uuid(f"user/{self._owner}")
            names[channel] = [every if name == _ALL else name for name in products]
        self._push("subscriptions", [{"subscriptions": names}])

    def _snapshot(self, channel: str, products: list[str]) -> None:
        venue = self._floor.venue
        if channel == "user":
            mine = [one for one in venue.open_orders() if one.asked.owner == self._owner]
            self._push_orders("snapshot", [one for one in mine if self._wants("user", one.asked.product)])
            return
        for name in products:
            if channel == "level2":
                book = venue.books[name]
                levels = [(side, price, quantity) for side in Side for price, quantity in book.depth(side)]
                self._push_levels(name, "snapshot", levels)
            elif channel == "market_trades" and venue.trades[name]:
                newest = list(reversed(venue.trades[name]))[:N_SNAPSHOT_TRADES]
                self._push(channel, [{"type": "snapshot", "trades": [_trade_json(one) for one in newest]}])
            elif channel in ("ticker", "ticker_batch"):
                self._push(channel, [{"type": "snapshot", "tickers": [self._ticker(name, channel)]}])

    def _push_orders(self, kind: str, orders: list[Order]) -> None:
        positions: dict[str, list[Any]] = {
            "perpetual_futures_positions": [],
            "expiring_futures_positions": [],
        }
        rows = [cb.user_order_json(one) for one in orders]
        self._push("user", [{"type": kind, "orders": rows, "positions": positions}])

    def _push_levels(self, product: str, kind: str, levels: list[tuple[Side, Decimal, Decimal]]) -> None:
        at = iso(self._floor.venue.now_s())
        updates = [
            {
                "side": _SIDES[side],
                "event_time": at,
                "price_level": text(price),
                "new_quantity": text(quantity),
            }
            for side, price, quantity in levels
        ]
        self._push("l2_data", [{"type": kind, "product_id": product, "updates": updates}])

    def _ticker(self, product: str, channel: str) -> dict[str, Any]:
        venue = self._floor.venue
        prices = [one.price for one in venue.trades[product]] or [venue.mark(product)]
        ticker = {
            "type": "ticker",
            "product_id": product,
            "price": text(prices[-1]),
            "volume_24_h": text(sum((one.quantity for one in venue.trades[product]), Decimal(0))),
            "low_24_h": text(min(prices)),
            "high_24_h": text(max(prices)),
            "low_52_w": text(min(prices)),
            "high_52_w": text(max(prices)),
            "price_percent_chg_24_h": text(((prices[-1] / prices[0] - 1) * 100).quantize(Decimal("1e-8"))),
        }
        if channel == "ticker_batch":
            return ticker
        book = venue.books[product]
        bid, ask = book.ends()
        quote = {
            "best_bid": text(bid),
            "best_bid_quantity": text(book.level(Side.BUY, bid)),
            "best_ask": text(ask),
            "best_ask_quantity": text(book.level(Side.SELL, ask)),
        }
        return ticker | quote

    def _push(self, channel: str, events: list[dict[str, Any]]) -> None:
        message = {
            "channel": channel,
            "client_id": "",
            "timestamp": iso(self._floor.venue.now_s()),
            "sequence_num": self._sequence,
            "events": events,
        }
        self._sequence += 1
        self._send(channel, json.dumps(message))

    def _error(self, reason: str) -> None:
        self._send("error", json.dumps({"type": "error", "message": reason}))


def _trade_json(trade: Trade) -> dict[str, Any]:
    row = cb.trade_json(trade)
    return {name: row[name] for name in ("product_id", "trade_id", "price", "size", "time", "side")}


class CoinbaseVenue(CoinbaseRest):
    """Both halves of Coinbase Advanced Trade."""

    def session(self, request: Request, send: Callable[[str, str], None]) -> CoinbaseSession:
        """Open a stream; `send(channel, text)` sends one message."""
        return CoinbaseSession(self._floor, self, send)
