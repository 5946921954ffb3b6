"""Coinbase Advanced Trade over REST, as far as ccxt uses it to trade spot."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from marketsentry.simexchange import coinbase_history as history
from marketsentry.simexchange import coinbase_wire as cb
from marketsentry.simexchange.accounts import ApiKey, Permission
from marketsentry.simexchange.candles import Refusal
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import Reject, Rejected
from marketsentry.simexchange.p256 import PublicKey, public_of_pem
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.protocols import CoinbaseProtocol
from marketsentry.simexchange.signatures import Unauthorised, token_key, verify_token
from marketsentry.simexchange.wire import iso, page, text

_V3 = "/api/v3/brokerage/"
_FAILURES = {
    Reject.UNKNOWN_PRODUCT: ("INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID"),
    Reject.HALTED: ("ORDER_ENTRY_DISABLED", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    Reject.BAD_PRICE: ("INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION"),
    Reject.BAD_QUANTITY: ("INVALID_SIZE_PRECISION", "PREVIEW_INVALID_BASE_SIZE_PRECISION"),
    Reject.TOO_SMALL: ("INVALID_REQUEST", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    Reject.TOO_LARGE: ("INVALID_REQUEST", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
    Reject.INSUFFICIENT_FUNDS: ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"),
    Reject.POST_ONLY: ("INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
}
_MESSAGES = {
    Reject.INSUFFICIENT_FUNDS: "Insufficient balance in source account",
    Reject.HALTED: "Orderbook is in cancel only mode",
}
_Handler = Callable[[Request, ApiKey], Any]


class CoinbaseRest:
    """Answers requests; every private one must bear a token that is signed for it."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._public: dict[str, PublicKey] = {}
        self._candles = CoinbaseProtocol()
        self._private: dict[str, _Handler] = {
            "GET accounts": self._accounts,
            "GET best_bid_ask": self._best_bid_ask,
            "GET key_permissions": self._key_permissions,
            "GET orders/historical/batch": lambda request, key: history.orders(
                floor.venue, key.owner, request
            ),
            "GET orders/historical/fills": lambda request, key: history.fills(
                floor.venue, key.owner, request
            ),
            "GET transaction_summary": self._transaction_summary,
            "POST orders": self._place,
            "POST orders/batch_cancel": self._cancel,
            "POST orders/preview": self._preview,
        }

    def answer(self, request: Request) -> tuple[int, Any]:
        """Do what a request asks; return the status and the body."""
        try:
            if request.path == "/v2/accounts":
                return 200, self._v2_accounts(request)
            if request.path.startswith("/v2/"):
                return 200, self._v2(request.path)
            if not request.path.startswith(_V3):
                raise _not_found(f"no such path: {request.path}")
            path = request.path.removeprefix(_V3)
            if path == "time":
                return 200, self._time()
            if path.startswith("market/"):
                return 200, self._market(request, path.removeprefix("market/"))
            return 200, self._signed(request, path)
        except Refusal as refusal:
            return refusal.status, refusal.body
        except Unauthorised:
            return 401, "Unauthorized\n"
        except ValueError as error:
            return 400, _error("INVALID_ARGUMENT", str(error))

    def authenticate(self, request: Request) -> ApiKey:
        """Find whose key signed a request; raise `Unauthorised`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Unauthorised("no bearer token")
        target = f"{request.headers.get('host', '')}{request.path}"
        return self.check_token(
            token, uris=(f"{request.method} {target}", f"{request.method} http://{target}")
        )

    def check_token(self, token: str, *, uris: tuple[str, ...] = ()) -> ApiKey:
        """Find whose key signed a token; raise `Unauthorised`."""
        key = self._floor.keys.get(token_key(token))
        if key is None:
            raise Unauthorised("key is not known")
        if key.key not in self._public:
            self._public[key.key] = public_of_pem(key.secret)
        verify_token(token, key.key, self._public[key.key], now_s=self._floor.clock_s(), uris=uris)
        return key

    def _signed(self, request: Request, path: str) -> Any:
        key = self.authenticate(request)
        wanted = Permission.TRADE if request.method == "POST" else Permission.VIEW
        if wanted not in key.permissions:
            raise Refusal(403, _error("PERMISSION_DENIED", f"missing required scopes: {wanted}"))
        handler = self._private.get(f"{request.method} {path}")
        if handler is not None:
            return handler(request, key)
        if request.method == "GET" and path.startswith("orders/historical/"):
            return self._order(path.rsplit("/", 1)[1], key)
        if request.method == "GET" and path.startswith("accounts/"):
            return self._account(path.rsplit("/", 1)[1], key)
        if request.method == "GET" and path.startswith("product"):
            return self._market(request, path)
        raise _not_found(f"no such path: {request.method} {path}")

    # Public

    def _time(self) -> Any:
        now_s = self._floor.clock_s()
        seconds, millis = str(int(now_s)), str(int(now_s * 1_000))
        return {"iso": iso(now_s), "epochSeconds": seconds, "epochMillis": millis}

    def _v2(self, path: str) -> Any:
        coins = sorted(
            {coin for one in self._floor.venue.products.values() for coin in (one.base, one.quote)}
        )
        match path:
            case "/v2/time":
                now_s = self._floor.clock_s()
                return {"data": {"iso": iso(now_s), "epoch": int(now_s)}}
            case "/v2/currencies":
                fiat = [coin for coin in coins if coin in cb.FIAT]
                return {"data": [{"id": coin, "name": coin, "min_size": "0.01000000"} for coin in fiat]}
            case "/v2/currencies/crypto":
                crypto = [coin for coin in coins if coin not in cb.FIAT]
                return {"data": [_crypto(coin, index) for index, coin in enumerate(crypto)]}
            case "/v2/exchange-rates":
                return {"data": {"currency": "USD", "rates": {"USD": "1.0"}}}
            case _:
                raise Refusal(404, {"errors": [{"id": "not_found", "message": "Not found"}]})

    def _market(self, request: Request, path: str) -> Any:
        parts = path.split("/")
        match parts:
            case ["products"]:
                return self._products(request)
            case ["product_book"]:
                return self._product_book(request)
            case ["products", product_id]:
                return cb.product_json(self._floor.venue, self._product(unquote(product_id)))
            case ["products", product_id, "ticker"]:
                return self._ticker(request, self._product(unquote(product_id)))
            case ["products", _, "candles"]:
                candles = self._candles.page(request, self._floor.listings)
                return self._candles.wire(request, candles)
            case _:
                raise _not_found(f"no such path: {path}")

    def _product(self, product_id: str) -> Product:
        product = self._floor.venue.products.get(product_id)
        if product is None:
            raise Refusal(404, _error("NOT_FOUND", "valid product_id is required"))
        return product

    def _products(self, request: Request) -> Any:
        is_spot = request.query.get("product_type", "SPOT") in ("SPOT", "UNKNOWN_PRODUCT_TYPE")
        wanted = set(request.values("product_ids"))
        venue = self._floor.venue
        chosen = [one for one in venue.products.values() if is_spot and (not wanted or one.key in wanted)]
        return {"products": [cb.product_json(venue, one) for one in chosen], "num_products": len(chosen)}

    def _product_book(self, request: Request) -> Any:
        product = self._product(request.query.get("product_id", ""))
        limit = int(request.query["limit"]) if "limit" in request.query else None
        book = self._floor.venue.books[product.key]
        mid = self._floor.venue.mark(product.key)
        bid, ask = book.ends()
        spread = ask - bid if bid and ask else Decimal(0)
        trades = self._floor.venue.trades[product.key]
        return {
            "pricebook": cb.book_json(self._floor.venue, product.key, limit),
            "last": text(trades[-1].price if trades else mid),
            "mid_market": text(mid),
            "spread_bps": text(spread / mid * 10_000 if mid else Decimal(0)),
            "spread_absolute": text(spread),
        }

    def _ticker(self, request: Request, product: Product) -> Any:
        book = self._floor.venue.books[product.key]
        limit = int(request.query.get("limit", "100"))
        start_s, end_s = float(request.query.get("start", "-inf")), float(request.query.get("end", "inf"))
        trades = [
            one for one in reversed(self._floor.venue.trades[product.key]) if start_s <= one.at_s <= end_s
        ]
        bid, ask = book.ends()
        return {
            "trades": [cb.trade_json(one) for one in trades[:limit]],
            "best_bid": text(bid),
            "best_ask": text(ask),
        }

    # Private

    def _accounts(self, request: Request, key: ApiKey) -> Any:
        ledger = self._floor.venue.spot.ledger
        rows = [cb.account_json(ledger, key.owner, coin) for coin in ledger.coins(key.owner)]
        limit = min(int(request.query.get("limit", "49")), 250)
        cut, cursor = page(
            rows, limit=limit, cursor=request.query.get("cursor", ""), key=lambda row: str(row["uuid"])
        )
        return {"accounts": cut, "has_next": bool(cursor), "cursor": cursor, "size": len(cut)}

    def _v2_accounts(self, request: Request) -> Any:
        """Wallets as the older API lists them: no holds, the balance is all there is."""
        key = self.authenticate(request)
        ledger = self._floor.venue.spot.ledger
        rows = [cb.wallet_json(ledger, key.owner, coin) for coin in ledger.coins(key.owner)]
        limit = min(int(request.query.get("limit", "25")), 250)
        cursor = request.query.get("starting_after", "")
        cut, following = page(rows, limit=limit, cursor=cursor, key=lambda row: str(row["id"]))
        pagination = {
            "ending_before": None,
            "starting_after": cursor or None,
            "previous_ending_before": None,
            "next_starting_after": following or None,
            "limit": limit,
            "order": "desc",
            "previous_uri": None,
            "next_uri": f"/v2/accounts?limit={limit}&starting_after={following}" if following else None,
        }
        return {"pagination": pagination, "data": cut}

    def _account(self, account_id: str, key: ApiKey) -> Any:
        ledger = self._floor.venue.spot.ledger
        rows = [cb.account_json(ledger, key.owner, coin) for coin in ledger.coins(key.owner)]
        for row in rows:
            if row["uuid"] == account_id:
                return {"account": row}
        raise _not_found(f"account {account_id} does not exist")

    def _best_bid_ask(self, request: Request, _: ApiKey) -> Any:
        venue = self._floor.venue
        wanted = request.values("product_ids") or list(venue.products)
        return {"pricebooks": [cb.book_json(venue, self._product(name).key, 1) for name in wanted]}

    def _key_permissions(self, _: Request, key: ApiKey) -> Any:
        return {
            "can_view": Permission.VIEW in key.permissions,
            "can_trade": Permission.TRADE in key.permissions,
            "can_transfer": Permission.TRANSFER in key.permissions,
            "portfolio_uuid": cb.name_uuid(key.owner),
            "portfolio_type": "DEFAULT",
        }

    def _transaction_summary(self, _: Request, key: ApiKey) -> Any:
        venue = self._floor.venue
        fills = [one for one in venue.fills if one.owner == key.owner]
        volume = float(sum((one.price * one.quantity for one in fills), Decimal(0)))
        fees = float(sum((one.fee for one in fills), Decimal(0)))
        rates = next(iter(venue.products.values()))
        return {
            "total_volume": volume,
            "total_fees": fees,
            "fee_tier": {
                "pricing_tier": "Advanced 1",
                "usd_from": "0",
                "usd_to": "1000",
                "taker_fee_rate": text(rates.taker_rate),
                "maker_fee_rate": text(rates.maker_rate),
                "aop_from": "",
                "aop_to": "",
            },
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": volume,
            "advanced_trade_only_fees": fees,
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": "",
            "has_promo_fee": False,
        }

    def _place(self, request: Request, key: ApiKey) -> Any:
        body = request.json()
        asked = cb.read_order(key.owner, body)
        if asked is None:
            reason = "UNSUPPORTED_ORDER_CONFIGURATION"
            return _failure(
                body, reason, "source is not enabled for trading", "UNKNOWN_PREVIEW_FAILURE_REASON"
            )
        if not asked.client_id:
            raise ValueError("client_order_id is required")
        try:
            order = self._floor.place(asked, f"{request.method} {request.path}")
        except Rejected as rejected:
            if rejected.reason is not Reject.DUPLICATE_CLIENT_ID:
                return self._rejected(body, rejected)
            order = self._floor.venue.orders[rejected.detail]
        return {
            "success": True,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": order.id,
            "success_response": {
                "order_id": order.id,
                "product_id": order.asked.product,
                "side": order.asked.side.upper(),
                "client_order_id": order.asked.client_id,
                "attached_order_id": "",
            },
            "order_configuration": cb.configuration_json(order.asked),
        }

    def _rejected(self, body: dict[str, Any], rejected: Rejected) -> Any:
        reason, preview = _FAILURES.get(
            rejected.reason, ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON")
        )
        return _failure(body, reason, _MESSAGES.get(rejected.reason, rejected.detail), preview)

    def _preview(self, request: Request, key: ApiKey) -> Any:
        asked = cb.read_order(key.owner, request.json())
        product = self._product(asked.product if asked else "")
        book = self._floor.venue.books[product.key]
        quantity = (asked.quantity if asked else None) or Decimal(0)
        total = book.cost(asked.side, quantity) if asked else Decimal(0)
        if asked is not None and asked.quote_budget is not None:
            total = asked.quote_budget
        bid, ask = book.ends()
        return {
            "order_total": text(total),
            "commission_total": text(total * product.taker_rate),
            "errs": [],
            "warning": [],
            "quote_size": text(total),
            "base_size": text(quantity),
            "best_bid": text(bid),
            "best_ask": text(ask),
            "is_max": False,
            "slippage": "0",
            "preview_id": cb.name_uuid(request.body),
        }

    def _cancel(self, request: Request, key: ApiKey) -> Any:
        results = []
        for order_id in request.json().get("order_ids", []):
            reason = "UNKNOWN_CANCEL_FAILURE_REASON"
            try:
                self._floor.venue.cancel(key.owner, str(order_id))
            except Rejected as rejected:
                is_unknown = rejected.reason is Reject.UNKNOWN_ORDER
                reason = "UNKNOWN_CANCEL_ORDER" if is_unknown else "INVALID_CANCEL_REQUEST"
            is_done = reason == "UNKNOWN_CANCEL_FAILURE_REASON"
            results.append({"success": is_done, "failure_reason": reason, "order_id": order_id})
        return {"results": results}

    def _order(self, order_id: str, key: ApiKey) -> Any:
        self._floor.venue.expire()
        try:
            return {"order": cb.order_json(self._floor.venue.order(key.owner, order_id))}
        except Rejected:
            message = "order with this orderID was not found"
            raise Refusal(404, {"error": "unknown", "error_details": message, "message": message}) from None


def _failure(body: dict[str, Any], reason: str, message: str, preview: str) -> Any:
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {
            "error": reason,
            "message": message,
            "error_details": "",
            "preview_failure_reason": preview,
            "new_order_failure_reason": reason,
        },
        "order_configuration": body.get("order_configuration"),
    }


def _crypto(coin: str, index: int) -> dict[str, Any]:
    return {
        "code": coin,
        "name": coin,
        "color": "#F7931A",
        "sort_index": 100 + index,
        "exponent": 8,
        "type": "crypto",
        "address_regex": "^.*$",
        "asset_id": cb.name_uuid(f"asset/{coin}"),
    }


def _error(code: str, details: str) -> dict[str, Any]:
    return {"error": code, "error_details": details, "message": details}


def _not_found(details: str) -> Refusal:
    return Refusal(404, _error("NOT_FOUND", details))
