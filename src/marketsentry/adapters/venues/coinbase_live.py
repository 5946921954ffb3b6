"""Coinbase Advanced Trade, spot.

What the venue does that one must know: an id that was used before makes no second order, it brings the first one
back as a success; orders cannot be looked up by client id, so those since the moment of sending are listed; fills
carry no client id; a fee is in the quote currency. `sor_limit_ioc` is the only immediate order with a bound. There
is no cancel-all timer at the exchange and no cancel on disconnect over REST: an order that rests needs a process
that watches it.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from marketsentry.adapters.venues.ccxt_client import CcxtClient
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.order_checks import SAME_ORDER_WINDOW, SeenOrder, in_force, side_of
from marketsentry.adapters.venues.rate_budget import RateBudget
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.adapters.venues.wire import decimal_of, instant_of, iso, object_of, plain, rows_of, text_of
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import ZERO, Fill, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.ports.urgency import Urgency
from marketsentry.ports.venue import (
    Balance,
    LegRef,
    LegRequest,
    LegStatus,
    LegView,
    OutcomeUnknownError,
    Quote,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)

NAME = "coinbase_live"
_NOT_FOUND = "venue_http_404"
_MAX_PAGES = 50
_MAX_PAGES_OF_FILLS = 1_000  # others may trade in the account all day
_PAGE = 100
_CONFIGURATIONS = {
    TimeInForce.GTC: "limit_limit_gtc",
    TimeInForce.IOC: "sor_limit_ioc",
    TimeInForce.FOK: "limit_limit_fok",
}
_UNCERTAIN = (
    "unknown_error",
    "internal",
    "internal_server_error",
    "canceled",
    "deadline_exceeded",
    "unavailable",
)
_STATUSES = {
    "FILLED": LegStatus.FILLED,
    "DONE": LegStatus.FILLED,
    "CANCELLED": LegStatus.CANCELED,
    "EXPIRED": LegStatus.EXPIRED,
    "FAILED": LegStatus.REJECTED,
    "REJECTED": LegStatus.REJECTED,
}
_EXECUTED = "FILL"
_SAYS_NOTHING = (
    "",
    "UNKNOWN_FAILURE_REASON",
    "UNKNOWN_PREVIEW_FAILURE_REASON",
    "UNKNOWN_CANCEL_FAILURE_REASON",
)


class CoinbaseDialect:
    """`success: false` with a reason, `error`, or `errors`."""

    def error_code(self, body: Any) -> str | None:  # Any: JSON as it came
        """Find the error code of a body."""
        if not isinstance(body, dict):
            return None
        if body.get("success") is False:
            return _reason(body.get("error_response") or {}) or _first(body, "failure_reason") or "UNKNOWN"
        if body.get("error"):
            return str(body["error"])
        errors = body.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            return str(errors[0].get("id") or "UNKNOWN")
        return None

    def is_uncertain(self, code: str) -> bool:
        """Whether the code leaves open what was done: the venue does not say why, or was at fault itself."""
        return code == "UNKNOWN" or code.lower() in _UNCERTAIN


class CoinbaseLive(CcxtVenue):
    """`Venue` on Coinbase Advanced Trade."""

    name = NAME

    def __init__(self, access: VenueAccess, *, now: Callable[[], float] = time.monotonic) -> None:
        keys = {"apiKey": access.api_key, "secret": access.api_secret} if access.has_key else {}
        client = CcxtClient(
            "coinbase",
            credentials=keys,
            base_url=access.base_url,
            timeout_s=access.timeout_s,
            budget=RateBudget(rate_per_s=20.0, burst=20, reserve=5),  # the venue allows 30 a second
            dialect=CoinbaseDialect(),
        )
        super().__init__(access, client, now=now)

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        body = object_of(await self._client.call("v3PublicGetBrokerageTime"), "time")
        return datetime.fromtimestamp(int(decimal_of(body, "epochMillis")) / 1_000, UTC)

    async def quote(self, symbol: str) -> Quote:
        """Read the best prices; past the public cache of a second where there is a key."""
        product = await self.product(symbol)
        door = (
            "v3PrivateGetBrokerageProductBook"
            if self._access.has_key
            else "v3PublicGetBrokerageMarketProductBook"
        )
        body = await self._client.call(door, {"product_id": product.venue_symbol, "limit": 1})
        book = object_of(object_of(body, "product book").get("pricebook"), "pricebook")
        bids, asks = rows_of(book.get("bids"), "bids"), rows_of(book.get("asks"), "asks")
        if not bids or not asks:
            raise VenueRefusedError("no_market_data", f"{product.venue_symbol} has no prices on both sides")
        return Quote(
            symbol, decimal_of(bids[0], "price"), decimal_of(asks[0], "price"), instant_of(book, "time")
        )

    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds: what is free and what orders hold."""
        found: dict[str, Balance] = {}
        async for row in self._pages("v3PrivateGetBrokerageAccounts", "accounts", {"limit": 250}):
            asset = text_of(row, "currency")
            free = decimal_of(object_of(row.get("available_balance"), "available_balance"), "value")
            held = decimal_of(object_of(row.get("hold") or {"value": "0"}, "hold"), "value")
            known = found.get(asset, Balance(asset, ZERO, ZERO))
            found[asset] = Balance(asset, known.total + free + held, known.available + free)
        return list(found.values())

    async def positions(self) -> Sequence[VenuePosition]:
        """Spot has none."""
        return ()

    async def check_key(self) -> None:
        """Refuse a key that may move funds out, or may not trade."""
        body = object_of(await self._client.call("v3PrivateGetBrokerageKeyPermissions"), "key permissions")
        if body.get("can_transfer") is not False:
            raise VenueRefusedError(
                "venue_error:key_can_withdraw", "the key must not have the permission to transfer"
            )
        if body.get("can_trade") is not True:
            raise VenueRefusedError(
                "venue_error:key_cannot_trade", "the key must have the permission to trade"
            )

    async def _check_modes(self, request: LegRequest, product: Product) -> None:
        """Spot has nothing to set up."""

    async def _place(self, request: LegRequest, product: Product) -> str:
        body = await self._client.call("v3PrivatePostBrokerageOrders", order_body(request, product))
        row = object_of(object_of(body, "order").get("success_response"), "success_response")
        return text_of(row, "order_id")

    async def _look_up(self, product: Product, leg: LegRef) -> SeenOrder | None:
        if leg.venue_order_id is not None:
            return await self._order_by_id(leg.venue_order_id)
        since = iso(leg.sent_at - SAME_ORDER_WINDOW)
        query = {"product_id": product.venue_symbol, "start_date": since, "limit": _PAGE}
        async for row in self._pages("v3PrivateGetBrokerageOrdersHistoricalBatch", "orders", query):
            if row.get("client_order_id") == leg.client_order_id:
                return self._seen(row)
        return None

    async def _order_by_id(self, venue_order_id: str) -> SeenOrder | None:
        try:
            body = await self._client.call(
                "v3PrivateGetBrokerageOrdersHistoricalOrderId", {"order_id": venue_order_id}
            )
        except VenueRefusedError as refused:
            if refused.code == _NOT_FOUND:
                return None
            raise
        return self._seen(object_of(object_of(body, "order").get("order"), "order"))

    async def _cancel(self, product: Product, venue_order_id: str) -> None:
        body = await self._client.call(
            "v3PrivatePostBrokerageOrdersBatchCancel",
            {"order_ids": [venue_order_id]},
            urgency=Urgency.CANCEL,
        )
        rows = rows_of(object_of(body, "cancel").get("results"), "results")
        if not rows:
            raise OutcomeUnknownError(f"{self.name} does not say whether it cancels {venue_order_id}")
        if rows[0].get("success") is not True:
            reason = str(rows[0].get("failure_reason") or "UNKNOWN")
            raise VenueRefusedError(f"venue_rejected:{reason}", f"{venue_order_id} is not cancelled")

    async def _open_orders(self) -> Sequence[SeenOrder]:
        query = {"order_status": "OPEN", "limit": _PAGE}
        pages = self._pages("v3PrivateGetBrokerageOrdersHistoricalBatch", "orders", query)
        return [self._seen(row) async for row in pages]

    async def _fills(self, product: Product, venue_order_id: str) -> Sequence[VenueFill]:
        query = {"order_ids": [venue_order_id], "limit": _PAGE}
        pages = self._pages("v3PrivateGetBrokerageOrdersHistoricalFills", "fills", query)
        rows = [row async for row in pages if is_executed(row)]
        return [one for row in rows if (one := self._fill(row)) is not None]

    async def _fills_since(self, since: datetime) -> Sequence[VenueFill]:
        query = {"start_sequence_timestamp": iso(since - timedelta(seconds=1)), "limit": _PAGE}
        door, most = "v3PrivateGetBrokerageOrdersHistoricalFills", _MAX_PAGES_OF_FILLS
        pages = self._pages(door, "fills", query, most=most)
        return [one async for row in pages if (one := self._fill(row)) is not None]

    async def _read_products(self) -> Sequence[Product]:
        body = object_of(await self._client.call("v3PublicGetBrokerageMarketProducts"), "products")
        rows = rows_of(body.get("products"), "products")
        return [read_product(row, self._access.quote_currency) for row in rows if is_spot(row)]

    async def _pages(
        self, endpoint: str, name: str, query: Mapping[str, object], *, most: int = _MAX_PAGES
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Read rows page by page; a list that does not end leaves unknown what is behind."""
        cursor: str | None = None
        for _ in range(most):
            asked = {**query, **({"cursor": cursor} if cursor else {})}
            body = object_of(await self._client.call(endpoint, asked), name)
            if not {name, "cursor", "has_next"} & body.keys():
                raise OutcomeUnknownError(f"{self.name} must list {name}, was {sorted(body)}")
            for row in rows_of(body.get(name), name):
                yield row
            following = str(body.get("cursor") or "")
            if not following or following == cursor or body.get("has_next") is False:
                return
            cursor = following
        raise OutcomeUnknownError(f"{self.name} lists more than {most} pages of {name}")

    def _seen(self, row: Mapping[str, Any]) -> SeenOrder:
        return read_order(row, self._symbol(text_of(row, "product_id")))

    def _fill(self, row: Mapping[str, Any]) -> VenueFill | None:
        venue_symbol = text_of(row, "product_id")
        product = self._products.get(venue_symbol)
        quote = venue_symbol.partition("-")[2] if product is None else product.quote
        return read_fill(row, self._symbol(venue_symbol), quote)


def order_body(request: LegRequest, product: Product) -> dict[str, object]:
    """Make the body of an order; every one has a limit, and only the limit lets it take what is there."""
    terms: dict[str, object] = {"base_size": plain(request.qty), "limit_price": plain(request.limit_price)}
    force = in_force(request)
    if force is TimeInForce.GTC:
        terms["post_only"] = False
    return {
        "client_order_id": request.client_order_id,
        "product_id": product.venue_symbol,
        "side": request.side.upper(),
        "order_configuration": {_CONFIGURATIONS[force]: terms},
    }


def read_order(row: Mapping[str, Any], symbol: str) -> SeenOrder:
    """Read an order; the status goes by quantity where the venue names none that is final."""
    terms = next(iter(object_of(row.get("order_configuration"), "order_configuration").values()), None)
    terms = object_of(terms, "order_configuration")
    filled = decimal_of(row, "filled_size", ZERO)
    word = str(row.get("status") or "")
    qty = decimal_of(terms, "base_size", filled)  # an order by cost has no quantity until it is filled
    status = _STATUSES.get(word.upper(), LegStatus.FILLED if qty and filled >= qty else LegStatus.OPEN)
    price = decimal_of(terms, "limit_price") if terms.get("limit_price") else None
    view = LegView(
        client_order_id=str(row.get("client_order_id") or ""),
        venue_order_id=text_of(row, "order_id"),
        symbol=symbol,
        side=side_of(text_of(row, "side")),
        status=status,
        qty=qty,
        filled_qty=filled,
        venue_status=word,
    )
    return SeenOrder(view, price, instant_of(row, "created_time"))


def is_executed(row: Mapping[str, Any]) -> bool:
    """Whether a row tells of an execution: the venue lists what it took back or corrected later as fills too."""
    return str(row.get("trade_type") or _EXECUTED) == _EXECUTED


def read_fill(row: Mapping[str, Any], symbol: str, quote: str) -> VenueFill | None:
    """Read a fill; a size in quote currency becomes a quantity. None for one of no quantity, which moves nothing.

    What is no execution has the trade id of the one that it changes, so its kind is put behind it: nothing that was
    booked has that id.
    """
    price, size = decimal_of(row, "price"), decimal_of(row, "size")
    if not size:
        return None
    trade_id = text_of(row, "trade_id")
    liquidity = str(row.get("liquidity_indicator") or "").lower()
    fill = Fill(
        trade_id=trade_id if is_executed(row) else f"{trade_id}:{row['trade_type']}",
        qty=size / price if row.get("size_in_quote") is True else size,
        price=price,
        fee=decimal_of(row, "commission", ZERO),
        fee_currency=quote,
        at=instant_of(row, "trade_time"),
        liquidity=liquidity if liquidity in ("maker", "taker") else "",
    )
    return VenueFill(symbol, text_of(row, "order_id"), None, side_of(text_of(row, "side")), fill)


def read_product(row: Mapping[str, Any], quote_currency: str) -> Product:
    """Read a product; one against the configured quote currency is called by its base."""
    base, quote = text_of(row, "base_currency_id"), text_of(row, "quote_currency_id")
    closed = ("trading_disabled", "is_disabled", "cancel_only", "view_only", "post_only", "auction_mode")
    return Product(
        symbol=base if quote == quote_currency else f"{base}-{quote}",
        venue_symbol=text_of(row, "product_id"),
        base=base,
        quote=quote,
        market=Market.SPOT,
        tick_size=decimal_of(row, "price_increment" if row.get("price_increment") else "quote_increment"),
        lot_size=decimal_of(row, "base_increment"),
        min_qty=decimal_of(row, "base_min_size", ZERO),
        min_notional=decimal_of(row, "quote_min_size", ZERO),
        is_tradeable=str(row.get("status") or "online") == "online"
        and not any(row.get(one) for one in closed),
    )


def is_spot(row: Mapping[str, Any]) -> bool:
    """Whether a product is traded for itself and names both assets."""
    return row.get("product_type") == "SPOT" and bool(
        row.get("base_currency_id") and row.get("quote_currency_id")
    )


def _reason(errors: Any) -> str | None:
    names = ("error", "new_order_failure_reason", "preview_failure_reason")
    return next((told for name in names if (told := _first(errors, name))), None)


def _first(body: Any, name: str) -> str | None:
    told = str(body.get(name) or "") if isinstance(body, dict) else ""
    return None if told in _SAYS_NOTHING else told
