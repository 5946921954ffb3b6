"""The wire formats of three venues, as far as candles need them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from marketsentry.simexchange.candles import Candle, Listing, Refusal
from marketsentry.simexchange.http import Request

_COINBASE_PRODUCTS = "/api/v3/brokerage/market/products"
_COINBASE_SECONDS = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1_800,
    "ONE_HOUR": 3_600,
    "TWO_HOUR": 7_200,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
_UNIT_S = {"m": 60, "min": 60, "h": 3_600, "H": 3_600, "Hutc": 3_600, "d": 86_400, "Dutc": 86_400}


class CoinbaseProtocol:
    """Coinbase Advanced Trade, public endpoints."""

    max_candles = 350

    def is_page(self, request: Request) -> bool:
        """Tell whether the request is for candles."""
        return request.path.startswith(_COINBASE_PRODUCTS) and request.path.endswith("/candles")

    def page(self, request: Request, listings: Sequence[Listing]) -> list[Candle]:
        """Find the candles from `start` to `end`, both included."""
        product = unquote(request.path.split("/")[-2])
        listing = next((one for one in listings if f"{one.base}-{one.quote}" == product), None)
        if listing is None:
            raise Refusal(404, {"error": "NOT_FOUND", "error_details": "valid product_id is required"})
        seconds = _COINBASE_SECONDS.get(request.query.get("granularity", ""), 0)
        if seconds not in listing.candles:
            raise Refusal(400, {"error": "INVALID_ARGUMENT", "error_details": "unsupported granularity"})
        start, end = int(request.query["start"]), int(request.query["end"])
        if (end - start) // seconds + 1 > self.max_candles:
            details = f"number of candles requested should be less than {self.max_candles}"
            raise Refusal(400, {"error": "INVALID_ARGUMENT", "error_details": details})
        return listing.between(seconds, start * 1_000, end * 1_000 + 1)

    def wire(self, request: Request, candles: Sequence[Candle]) -> Any:
        """Write a page, newest first."""
        return {
            "candles": [
                {
                    "start": str(one.start_ms // 1_000),
                    "low": _text(one.low),
                    "high": _text(one.high),
                    "open": _text(one.open),
                    "close": _text(one.close),
                    "volume": _text(one.volume),
                }
                for one in reversed(candles)
            ]
        }

    def other(self, request: Request, listings: Sequence[Listing]) -> Any:
        """Answer the list of products; there are no futures."""
        if request.path != _COINBASE_PRODUCTS:
            raise Refusal(404, {"error": "NOT_FOUND"})
        spot = [one for one in listings if request.query.get("product_type") != "FUTURE"]
        products = [_coinbase_product(one) for one in spot]
        return {"products": products, "num_products": str(len(products))}


class BitgetProtocol:
    """Bitget v2, spot and USDT-margined perpetuals."""

    def is_page(self, request: Request) -> bool:
        """Tell whether the request is for candles."""
        return request.path.endswith("candles")

    def page(self, request: Request, listings: Sequence[Listing]) -> list[Candle]:
        """Find the last `limit` candles before `endTime`, none before `startTime`."""
        listing = _find(request, listings, is_perpetual="/mix/" in request.path)
        if listing is None:
            raise Refusal(400, {"code": "40034", "msg": "Parameter does not exist", "data": None})
        seconds = _seconds(request.query.get("granularity", ""))
        if seconds not in listing.candles:
            raise Refusal(400, {"code": "40812", "msg": "The condition granularity is not met", "data": None})
        limit = int(request.query.get("limit", "100"))
        most = 200 if "history" in request.path else 1_000
        if limit > most:
            raise Refusal(400, {"code": "40812", "msg": "The condition limit is not met", "data": None})
        start, end = int(request.query.get("startTime", "0")), int(request.query["endTime"])
        return listing.between(seconds, start, end)[-limit:]

    def wire(self, request: Request, candles: Sequence[Candle]) -> Any:
        """Write a page, oldest first, every field a string."""
        rows = [
            [
                str(one.start_ms),
                _text(one.open),
                _text(one.high),
                _text(one.low),
                _text(one.close),
                _text(one.volume),
                _text(one.volume * one.close),
                _text(one.volume * one.close),
            ]
            for one in candles
        ]
        return _bitget_ok(rows)

    def other(self, request: Request, listings: Sequence[Listing]) -> Any:
        """Answer symbols, contracts and the margin list."""
        if request.path == "/api/v2/spot/public/symbols":
            return _bitget_ok([_bitget_symbol(one) for one in listings if not one.is_perpetual])
        if request.path == "/api/v2/mix/market/contracts":
            perpetual = [one for one in listings if one.is_perpetual]
            wanted = perpetual if request.query.get("productType") == "USDT-FUTURES" else []
            return _bitget_ok([_bitget_contract(one) for one in wanted])
        if request.path == "/api/v2/margin/currencies":
            return _bitget_ok([])
        raise Refusal(404, {"code": "40404", "msg": "Request URL NOT FOUND", "data": None})


class BinanceProtocol:
    """Binance spot and USDT-margined perpetuals."""

    def is_page(self, request: Request) -> bool:
        """Tell whether the request is for candles."""
        return request.path.endswith("/klines")

    def page(self, request: Request, listings: Sequence[Listing]) -> list[Candle]:
        """Find the first `limit` candles from `startTime` to `endTime`, both included."""
        listing = _find(request, listings, is_perpetual=request.path.startswith("/fapi/"))
        seconds = _seconds(request.query.get("interval", ""))
        if listing is None or seconds not in listing.candles:
            raise Refusal(400, {"code": -1121, "msg": "Invalid symbol."})
        limit = min(int(request.query.get("limit", "500")), 1_000)
        start, end = int(request.query.get("startTime", "0")), int(request.query.get("endTime", str(2**62)))
        return listing.between(seconds, start, end + 1)[:limit]

    def wire(self, request: Request, candles: Sequence[Candle]) -> Any:
        """Write a page, oldest first."""
        length_ms = _seconds(request.query["interval"]) * 1_000
        return [
            [
                one.start_ms,
                _text(one.open),
                _text(one.high),
                _text(one.low),
                _text(one.close),
                _text(one.volume),
                one.start_ms + length_ms - 1,
                _text(one.volume * one.close),
                0,
                "0",
                "0",
                "0",
            ]
            for one in candles
        ]

    def other(self, request: Request, listings: Sequence[Listing]) -> Any:
        """Answer the exchange information of the spot or the futures side."""
        is_perpetual = request.path == "/fapi/v1/exchangeInfo"
        if not is_perpetual and request.path != "/api/v3/exchangeInfo":
            raise Refusal(404, {"code": -1000, "msg": "unknown path"})
        wanted = [one for one in listings if one.is_perpetual == is_perpetual]
        return {"timezone": "UTC", "symbols": [_binance_symbol(one) for one in wanted]}


def _find(request: Request, listings: Sequence[Listing], *, is_perpetual: bool) -> Listing | None:
    symbol = request.query.get("symbol")
    sides = [one for one in listings if one.is_perpetual == is_perpetual]
    return next((one for one in sides if one.base + one.quote == symbol), None)


def _seconds(granularity: str) -> int:
    """Read `5min`, `1H`, `6Hutc`, `1d`; 0 where it is none."""
    unit = granularity.lstrip("0123456789")
    digits = granularity[: len(granularity) - len(unit)]
    return int(digits) * _UNIT_S[unit] if digits and unit in _UNIT_S else 0


def _text(value: float) -> str:
    return repr(float(value))


def _coinbase_product(one: Listing) -> dict[str, Any]:
    return {
        "product_id": f"{one.base}-{one.quote}",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "base_name": one.base,
        "quote_name": one.quote,
        "is_disabled": False,
        "status": "online",
        "trading_disabled": False,
        "product_type": "SPOT",
        "quote_currency_id": one.quote,
        "base_currency_id": one.base,
        "alias": "",
        "alias_to": [],
        "price_increment": "0.01",
        "display_name": f"{one.base}-{one.quote}",
        "product_venue": "CBE",
    }


def _bitget_ok(data: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "requestTime": 0, "data": data}


def _bitget_symbol(one: Listing) -> dict[str, Any]:
    return {
        "symbol": one.base + one.quote,
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "minTradeAmount": "0",
        "maxTradeAmount": "10000000000",
        "takerFeeRate": "0.002",
        "makerFeeRate": "0.002",
        "pricePrecision": "6",
        "quantityPrecision": "4",
        "quotePrecision": "6",
        "minTradeUSDT": "5",
        "status": "online",
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
    }


def _bitget_contract(one: Listing) -> dict[str, Any]:
    return {
        "symbol": one.base + one.quote,
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006",
        "supportMarginCoins": [one.quote],
        "minTradeNum": "0.001",
        "priceEndStep": "1",
        "volumePlace": "3",
        "pricePlace": "1",
        "sizeMultiplier": "0.001",
        "symbolType": "perpetual",
        "minTradeUSDT": "5",
        "symbolStatus": "normal",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "deliveryStartTime": "",
        "launchTime": "",
        "fundInterval": "8",
        "minLever": "1",
        "maxLever": "125",
    }


def _binance_symbol(one: Listing) -> dict[str, Any]:
    spot_or_perpetual = (
        {"contractType": "PERPETUAL", "marginAsset": one.quote, "deliveryDate": 4133404800000}
        if one.is_perpetual
        else {"isSpotTradingAllowed": True, "isMarginTradingAllowed": False}
    )
    return {
        "symbol": one.base + one.quote,
        "pair": one.base + one.quote,
        "status": "TRADING",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        ],
        **spot_or_perpetual,
    }
