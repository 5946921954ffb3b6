"""Bitget v2 over REST, as far as ccxt uses it to trade spot and USDT perpetuals."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from marketsentry.simexchange import bitget_wire as bg
from marketsentry.simexchange.accounts import ApiKey, Permission
from marketsentry.simexchange.bitget_mix import BitgetMix
from marketsentry.simexchange.bitget_spot import BitgetSpot
from marketsentry.simexchange.candles import Refusal
from marketsentry.simexchange.floor import Floor
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.orders import Rejected, Side
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.protocols import BitgetProtocol
from marketsentry.simexchange.signatures import Unauthorised, bitget_signature, check_bitget_time, is_same
from marketsentry.simexchange.wire import millis, text

_AUTHORITIES = {
    Permission.VIEW: ("readonly",),
    Permission.TRADE: ("trade",),
    Permission.TRANSFER: ("transfer", "withdraw"),
}
_Public = Callable[[Request], Any]
_Private = Callable[[Request, ApiKey], Any]


class BitgetRest:
    """Answers requests; every private one must be signed, with the right passphrase, not long ago."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._candles = BitgetProtocol()
        self._public: dict[str, _Public] = {
            "public/time": lambda _: {"serverTime": millis(floor.clock_s())},
            "spot/public/coins": self._coins,
            "spot/public/symbols": self._symbols,
            "mix/market/contracts": self._contracts,
            "margin/currencies": lambda _: [],
            "spot/market/orderbook": self._order_book,
            "spot/market/merge-depth": self._merge_depth,
            "mix/market/merge-depth": self._merge_depth,
            "spot/market/tickers": self._tickers,
            "mix/market/ticker": self._tickers,
            "mix/market/tickers": self._tickers,
            "spot/market/fills": self._trades,
            "spot/market/fills-history": self._trades,
            "mix/market/fills": self._trades,
            "mix/market/fills-history": self._trades,
        }
        self._private: dict[str, _Private] = {
            "GET spot/account/info": self._account_info,
            "GET common/trade-rate": self._trade_rate,
            **BitgetSpot(floor).handlers,
            **BitgetMix(floor).handlers,
        }

    def answer(self, request: Request) -> tuple[int, Any]:
        """Do what a request asks; return the status and the body."""
        try:
            return 200, self._ok(self._data(request))
        except Refusal as refusal:
            return refusal.status, {"requestTime": int(self._floor.clock_s() * 1_000), **refusal.body}
        except Unauthorised as refused:
            if refused.is_stale:
                return 400, self._error("40008", "Request timestamp expired")
            return 400, self._error(refused.code, refused.detail)
        except Rejected as rejected:
            is_perpetual = "/mix/" in request.path
            code, message = bg.REFUSALS[rejected.reason][is_perpetual]
            return 400, self._error(code, message)
        except (KeyError, ValueError) as error:
            return 400, self._error("40017", f"Parameter verification failed {error}")

    def authenticate(self, request: Request) -> ApiKey:
        """Find whose key signed a request; raise `Unauthorised`."""
        headers = request.headers
        timestamp = headers.get("access-timestamp", "")
        if not timestamp.isdigit():
            raise Unauthorised("Invalid ACCESS_TIMESTAMP", code="40005")
        check_bitget_time(int(timestamp) / 1_000, self._floor.clock_s())
        key = self.known_key(headers.get("access-key", ""), headers.get("access-passphrase", ""))
        expected = bitget_signature(
            key.secret, timestamp, request.method, request.signed_target, request.body
        )
        if not is_same(headers.get("access-sign", ""), expected):
            raise Unauthorised("sign signature error", code="40009")
        return key

    def known_key(self, name: str, passphrase: str) -> ApiKey:
        """Find a key by its name; raise `Unauthorised` where there is none, or another passphrase."""
        key = self._floor.keys.get(name)
        if key is None:
            raise Unauthorised("Invalid ACCESS_KEY", code="40006")
        if not is_same(key.passphrase, passphrase):
            raise Unauthorised("apikey/password is incorrect", code="40012")
        return key

    def _data(self, request: Request) -> Any:
        if request.path.startswith("/api/v3/"):
            body = self._error(
                "40084", "You are in Classic Account mode, and the Unified Account API is not supported"
            )
            raise Refusal(400, body)
        path = request.path.removeprefix("/api/v2/")
        if self._candles.is_page(request):
            return self._candles.wire(request, self._candles.page(request, self._floor.listings))["data"]
        if path in self._public:
            return self._public[path](request)
        handler = self._private.get(f"{request.method} {path}")
        if handler is None:
            raise Refusal(404, self._error("40404", "Request URL NOT FOUND"))
        key = self.authenticate(request)
        wanted = Permission.TRADE if request.method == "POST" else Permission.VIEW
        if wanted not in key.permissions:
            raise Refusal(400, self._error("40014", "Incorrect permissions"))
        return handler(request, key)

    def _ok(self, data: Any) -> dict[str, Any]:
        return {
            "code": "00000",
            "msg": "success",
            "requestTime": int(self._floor.clock_s() * 1_000),
            "data": data,
        }

    def _error(self, code: str, message: str) -> dict[str, Any]:
        return {"code": code, "msg": message, "requestTime": int(self._floor.clock_s() * 1_000), "data": None}

    # Public

    def _products(self, request: Request) -> list[Product]:
        """Products of the side that a path names, or the one that the query does."""
        is_perpetual = request.path.startswith("/api/v2/mix/")
        wanted = request.query.get("symbol", "").upper()
        other = is_perpetual and request.query.get("productType", "USDT-FUTURES").upper() != "USDT-FUTURES"
        sides = [
            one
            for one in self._floor.venue.products.values()
            if one.is_perpetual == is_perpetual and not other
        ]
        chosen = [one for one in sides if wanted in ("", bg.symbol(one))]
        if wanted and not chosen:
            raise Refusal(400, self._error("40034", "Parameter does not exist"))
        return chosen

    def _coins(self, _: Request) -> Any:
        products = self._floor.venue.products.values()
        coins = sorted({coin for one in products for coin in (one.base, one.quote)})
        return [
            {"coinId": str(index), "coin": coin, "transfer": "true", "chains": []}
            for index, coin in enumerate(coins)
        ]

    def _symbols(self, request: Request) -> Any:
        return [self._symbol(one) for one in self._products(request)]

    def _symbol(self, one: Product) -> dict[str, str]:
        return {
            "symbol": bg.symbol(one),
            "baseCoin": one.base,
            "quoteCoin": one.quote,
            "minTradeAmount": text(one.min_base),
            "maxTradeAmount": text(one.max_base),
            "takerFeeRate": text(one.taker_rate),
            "makerFeeRate": text(one.maker_rate),
            "pricePrecision": str(_places(one.tick)),
            "quantityPrecision": str(_places(one.lot)),
            "quotePrecision": str(_places(one.tick) + _places(one.lot)),
            "minTradeUSDT": text(one.min_quote),
            "status": "halt" if one.key in self._floor.venue.halted else "online",
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
        }

    def _contracts(self, request: Request) -> Any:
        return [self._contract(one) for one in self._products(request)]

    def _contract(self, one: Product) -> dict[str, Any]:
        return {
            "symbol": bg.symbol(one),
            "baseCoin": one.base,
            "quoteCoin": one.quote,
            "buyLimitPriceRatio": "0.9",
            "sellLimitPriceRatio": "0.9",
            "feeRateUpRatio": "0.1",
            "makerFeeRate": text(one.maker_rate),
            "takerFeeRate": text(one.taker_rate),
            "openCostUpRatio": "0.1",
            "supportMarginCoins": [one.quote],
            "minTradeNum": text(one.min_base),
            "priceEndStep": text(one.tick.scaleb(_places(one.tick))),
            "volumePlace": str(_places(one.lot)),
            "pricePlace": str(_places(one.tick)),
            "sizeMultiplier": text(one.lot),
            "symbolType": "perpetual",
            "minTradeUSDT": text(one.min_quote),
            "maxSymbolOrderNum": "999999",
            "maxProductOrderNum": "999999",
            "maxPositionNum": "150",
            "symbolStatus": "maintain" if one.key in self._floor.venue.halted else "normal",
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "launchTime": "",
            "fundInterval": "8",
            "minLever": "1",
            "maxLever": str(one.max_leverage),
            "posLimit": "0.05",
            "maintainTime": "",
        }

    def _order_book(self, request: Request) -> Any:
        (product,) = self._products(request)
        limit = int(request.query.get("limit", "150"))
        sides = {"asks": Side.SELL, "bids": Side.BUY}
        rows = {name: bg.levels(self._floor.venue, product, side, limit) for name, side in sides.items()}
        return {**rows, "ts": millis(self._floor.venue.now_s())}

    def _merge_depth(self, request: Request) -> Any:
        book = self._order_book(request)
        (product,) = self._products(request)
        numbers = {name: [[float(one) for one in row] for row in book[name]] for name in ("asks", "bids")}
        return {**book, **numbers, "scale": text(product.tick), "precision": "scale0", "isMaxPrecision": "NO"}

    def _tickers(self, request: Request) -> Any:
        venue = self._floor.venue
        rows = []
        for product in self._products(request):
            row: dict[str, Any] = {"symbol": bg.symbol(product), **bg.quote_json(venue, product)}
            row["usdtVolume"] = row["quoteVolume"]
            if product.is_perpetual:
                mark = text(venue.mark(product.key))
                row |= {"open24h": row["openUtc"], "indexPrice": mark, "markPrice": mark}
                row |= {"fundingRate": "0", "holdingAmount": "0", "deliveryStatus": "", "deliveryPrice": ""}
            else:
                row["open"] = row["openUtc"]
            rows.append(row)
        return rows

    def _trades(self, request: Request) -> Any:
        (product,) = self._products(request)
        limit = int(request.query.get("limit", "100"))
        newest = list(reversed(self._floor.venue.trades[product.key]))[:limit]
        return [bg.trade_json(one, bg.symbol(product)) for one in newest]

    # Private

    def _account_info(self, _: Request, key: ApiKey) -> Any:
        granted = [word for one in sorted(key.permissions) for word in _AUTHORITIES[one]]
        return {
            "userId": "1000000001",
            "inviterId": "",
            "ips": "127.0.0.1",
            "authorities": granted,
            "parentId": 1000000001,
            "traderType": "not_trader",
            "channelCode": "",
            "channel": "",
            "regisTime": "1246566789345",
        }

    def _trade_rate(self, request: Request, _: ApiKey) -> Any:
        is_perpetual = request.query.get("businessType", "spot") == "mix"
        wanted = request.query.get("symbol", "").upper()
        for one in self._floor.venue.products.values():
            if one.is_perpetual == is_perpetual and bg.symbol(one) == wanted:
                return {"makerFeeRate": text(one.maker_rate), "takerFeeRate": text(one.taker_rate)}
        raise Refusal(400, self._error("40034", "Parameter does not exist"))


def _places(step: Decimal) -> int:
    """Digits after the point of a step."""
    return len(text(step).partition(".")[2])
