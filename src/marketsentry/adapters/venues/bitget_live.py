"""Bitget, classic account: spot, and USDT perpetuals in one-way mode.

What the venue does that one must know: orders can be looked up by client id, and a second one with
the same id is refused as a duplicate; a fee comes as a negative number, of a spot purchase in the asset that was
bought; fills of spot are told by product. In one-way mode an order has no `tradeSide`, and an account in hedge
mode refuses such orders (40774), so the mode is read before the first order. Leverage is read and never set:
changing it under an open position is a decision of its owner. The cancel-all timer of the exchange
(`/api/v3/trade/countdown-cancel-all`) is one of unified accounts; classic ones have none.
"""

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from marketsentry.adapters.venues.bitget_wire import (
    BitgetDialect,
    is_duplicate,
    is_not_found,
    read_contract,
    read_fill,
    read_order,
    read_spot_product,
)
from marketsentry.adapters.venues.ccxt_client import CcxtClient
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue, DuplicateIdError, VenueAccess
from marketsentry.adapters.venues.order_checks import SeenOrder, in_force
from marketsentry.adapters.venues.rate_budget import RateBudget, Urgency
from marketsentry.adapters.venues.wire import (
    decimal_of,
    instant_of_ms,
    ms_of,
    object_of,
    plain,
    rows_of,
    text_of,
)
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.terms import MarginMode, PositionMode, ProductType, Terms
from marketsentry.ports.venue import (
    Balance,
    LegRef,
    LegRequest,
    OutcomeUnknownError,
    Quote,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)

NAME = "bitget_live"
PRODUCT_TYPE = ProductType.USDT_FUTURES.value
MARGIN_COIN = "USDT"
_MAX_PAGES = 50
_PAGE = 100
_MODES_FOR_S = 60.0  # somebody may change them by hand
_TRADES = ("trade", "spot", "stow", "contract", "mix", "future")


@dataclass(frozen=True, slots=True)
class Contracts:
    """How perpetuals are traded: the margin mode of every order, and the leverage that the account must have."""

    margin_mode: MarginMode = MarginMode.CROSSED
    leverage: Decimal = Decimal(1)


def open_bitget(access: VenueAccess, market: Market, contracts: Contracts | None = None) -> "BitgetLive":
    """Make the adapter of one market; nothing is sent yet."""
    if market is Market.SPOT:
        return BitgetSpot(access)
    return BitgetPerpetual(access, contracts or Contracts())


class BitgetLive(CcxtVenue):
    """What both markets share."""

    name = NAME

    def __init__(self, access: VenueAccess, *, now: Callable[[], float] = time.monotonic) -> None:
        keys = {"apiKey": access.api_key, "secret": access.api_secret, "password": access.passphrase}
        client = CcxtClient(
            "bitget",
            credentials=keys if access.has_key else {},
            base_url=access.base_url,
            timeout_s=access.timeout_s,
            budget=RateBudget(rate_per_s=8.0, burst=10, reserve=3),  # the venue allows 10 a second
            dialect=BitgetDialect(),
        )
        super().__init__(access, client, now=now)

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        return instant_of_ms(await self._object("publicCommonGetV2PublicTime"), "serverTime")

    async def quote(self, symbol: str) -> Quote:
        """Read the best prices of a product."""
        product = await self.product(symbol)
        rows = rows_of(await self._data(self._ticker, self._of(product)), "tickers")
        if not rows:
            raise VenueRefusedError("no_market_data", f"{product.venue_symbol} has no ticker")
        bid, ask = decimal_of(rows[0], "bidPr", ZERO), decimal_of(rows[0], "askPr", ZERO)
        if not (bid > 0 and ask > 0):
            raise VenueRefusedError("no_market_data", f"{product.venue_symbol} has no prices on both sides")
        return Quote(symbol, bid, ask, instant_of_ms(rows[0], "ts"))

    async def check_key(self) -> None:
        """Refuse a key that may withdraw, or may not trade."""
        info = await self._object("privateSpotGetV2SpotAccountInfo")
        rights = [str(one).lower() for one in info.get("authorities") or ()]
        if any("withdraw" in one or one == "wwow" for one in rights):
            raise VenueRefusedError(
                "venue_error:key_can_withdraw", "the key must not have the right to withdraw"
            )
        if not any(word in one for one in rights for word in _TRADES):
            raise VenueRefusedError("venue_error:key_cannot_trade", "the key must have the right to trade")

    _ticker: str
    _place_door: str
    _order_door: str
    _cancel_door: str
    _fills_door: str

    @abstractmethod
    def _of(self, product: Product) -> dict[str, object]:
        """Name a product in a request."""

    @abstractmethod
    def order_body(self, request: LegRequest, product: Product) -> dict[str, object]:
        """Make the body of an order."""

    async def _place(self, request: LegRequest, product: Product) -> str:
        try:
            row = await self._object(self._place_door, self.order_body(request, product))
        except VenueRefusedError as refused:
            if is_duplicate(refused):
                raise DuplicateIdError from refused
            raise
        return text_of(row, "orderId")

    async def _look_up(self, product: Product, leg: LegRef) -> SeenOrder | None:
        known = leg.venue_order_id
        asked = {"clientOid": leg.client_order_id} if known is None else {"orderId": known}
        try:
            found = await self._data(self._order_door, {**self._of(product), **asked})
        except VenueRefusedError as refused:
            if is_not_found(refused):
                return None
            raise
        rows = rows_of([found] if isinstance(found, dict) and found else found or None, "order")
        return read_order(rows[0], product.symbol) if rows else None

    async def _cancel(self, product: Product, venue_order_id: str) -> None:
        body = {**self._of(product), "orderId": venue_order_id}
        await self._client.call(self._cancel_door, body, urgency=Urgency.CANCEL)

    async def _fills(self, product: Product, venue_order_id: str) -> Sequence[VenueFill]:
        query = {**self._of(product), "orderId": venue_order_id}
        pages = self._pages(self._fills_door, query, "tradeId")
        return [one async for row in pages if (one := read_fill(row, product.symbol)) is not None]

    async def _data(self, endpoint: str, params: Mapping[str, object] | None = None) -> Any:  # Any: JSON
        return object_of(await self._client.call(endpoint, params), endpoint).get("data")

    async def _object(self, endpoint: str, params: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        return object_of(await self._data(endpoint, params), endpoint)

    async def _pages(
        self, endpoint: str, query: Mapping[str, object], id_name: str
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Read rows from the newest back; a list that does not end leaves unknown what is behind."""
        before: str | None = None
        for _ in range(_MAX_PAGES):
            asked = {**query, "limit": str(_PAGE), **({"idLessThan": before} if before else {})}
            data = await self._data(endpoint, asked)
            rows = rows_of(_listed(data, endpoint), endpoint)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            before = text_of(rows[-1], id_name)
        raise OutcomeUnknownError(f"{self.name} lists more than {_MAX_PAGES} pages of {endpoint}")


class BitgetSpot(BitgetLive):
    """Spot; the quote currency is part of the product."""

    watched_orders = MappingProxyType({"type": "spot"})
    _ticker = "publicSpotGetV2SpotMarketTickers"
    _place_door = "privateSpotPostV2SpotTradePlaceOrder"
    _order_door = "privateSpotGetV2SpotTradeOrderInfo"
    _cancel_door = "privateSpotPostV2SpotTradeCancelOrder"
    _fills_door = "privateSpotGetV2SpotTradeFills"

    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds: what is free and what orders or the venue hold."""
        found = []
        for row in rows_of(await self._data("privateSpotGetV2SpotAccountAssets"), "assets"):
            free = decimal_of(row, "available", ZERO)
            held = decimal_of(row, "frozen", ZERO) + decimal_of(row, "locked", ZERO)
            found.append(Balance(text_of(row, "coin").upper(), free + held, free))
        return found

    async def positions(self) -> Sequence[VenuePosition]:
        """Spot has none."""
        return ()

    async def _check_modes(self, request: LegRequest, product: Product) -> None:
        """Spot has nothing to set up."""

    def order_body(self, request: LegRequest, product: Product) -> dict[str, object]:
        """Make the body of an order; every one has a limit."""
        return {
            "symbol": product.venue_symbol,
            "orderType": "limit",
            "price": plain(request.limit_price),
            "force": in_force(request).value,
            "side": request.side.value,
            "size": plain(request.qty),
            "clientOid": request.client_order_id,
        }

    def _of(self, product: Product) -> dict[str, object]:
        return {"symbol": product.venue_symbol}

    async def _open_orders(self) -> Sequence[SeenOrder]:
        pages = self._pages("privateSpotGetV2SpotTradeUnfilledOrders", {}, "orderId")
        return [read_order(row, self._symbol(text_of(row, "symbol").upper())) async for row in pages]

    async def _fills_since(self, since: datetime) -> Sequence[VenueFill]:
        found: list[VenueFill] = []
        known = [self._products[one] for one in self._access.symbols if one in self._products]
        for product in known:  # one that the venue has no more has no fills of today
            query = {**self._of(product), "startTime": str(ms_of(since))}
            pages = self._pages(self._fills_door, query, "tradeId")
            found += [one async for row in pages if (one := read_fill(row, product.symbol)) is not None]
        return found

    async def _read_products(self) -> Sequence[Product]:
        rows = rows_of(await self._data("publicSpotGetV2SpotPublicSymbols"), "symbols")
        return [read_spot_product(row) for row in rows]


class BitgetPerpetual(BitgetLive):
    """Linear perpetuals against USDT on one margin account, in one-way mode."""

    market = Market.PERP
    watched_orders = MappingProxyType({"type": "swap", "productType": PRODUCT_TYPE})
    _ticker = "publicMixGetV2MixMarketTicker"
    _place_door = "privateMixPostV2MixOrderPlaceOrder"
    _order_door = "privateMixGetV2MixOrderDetail"
    _cancel_door = "privateMixPostV2MixOrderCancelOrder"
    _fills_door = "privateMixGetV2MixOrderFills"

    def __init__(
        self, access: VenueAccess, contracts: Contracts, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(access, now=now)
        self._contracts = contracts
        self._fit_modes: dict[tuple[str, Terms], float] = {}  # when they were

    async def balances(self) -> Sequence[Balance]:
        """Read the margin account: its cash without the result of open positions, and what is free of it."""
        data = await self._data("privateMixGetV2MixAccountAccounts", {"productType": PRODUCT_TYPE})
        found = []
        for row in rows_of(data, "accounts"):
            cash = decimal_of(row, "accountEquity") - decimal_of(row, "unrealizedPL", ZERO)
            free = decimal_of(row, "crossedMaxAvailable", decimal_of(row, "available"))
            found.append(Balance(text_of(row, "marginCoin").upper(), cash, min(max(free, ZERO), cash)))
        return found

    async def positions(self) -> Sequence[VenuePosition]:
        """Read open positions."""
        query = {"productType": PRODUCT_TYPE, "marginCoin": MARGIN_COIN}
        rows = rows_of(await self._data("privateMixGetV2MixPositionAllPosition", query), "positions")
        await self.products()
        return [
            VenuePosition(
                symbol=self._symbol(text_of(row, "symbol").upper()),
                qty=decimal_of(row, "total") * _sign_of(text_of(row, "holdSide")),
                average_price=decimal_of(row, "openPriceAvg"),
                leverage=decimal_of(row, "leverage") if row.get("leverage") else None,
            )
            for row in rows
            if decimal_of(row, "total", ZERO)
        ]

    def order_body(self, request: LegRequest, product: Product) -> dict[str, object]:
        """Make the body of an order; every one has a limit, and no `tradeSide`: the account is in one-way mode."""
        body = {
            **self._of(product),
            "orderType": "limit",
            "price": plain(request.limit_price),
            "force": in_force(request).value,
            "marginCoin": MARGIN_COIN,
            "size": plain(request.qty),
            "clientOid": request.client_order_id,
            "marginMode": (request.terms.margin_mode or self._contracts.margin_mode).value,
            "side": request.side.value,
        }
        reduces = request.is_reduce_only and not request.is_netted
        return {**body, "reduceOnly": "YES"} if reduces else body

    def _of(self, product: Product) -> dict[str, object]:
        return {"symbol": product.venue_symbol, "productType": PRODUCT_TYPE}

    async def _check_modes(self, request: LegRequest, product: Product) -> None:
        terms, now = request.terms, self._now()
        if now - self._fit_modes.get((product.symbol, terms), -_MODES_FOR_S) < _MODES_FOR_S:
            return
        if terms.position_mode is PositionMode.HEDGE:
            raise VenueRefusedError(
                "venue_error:position_mode",
                f"orders are of {PositionMode.ONE_WAY}, was {terms.position_mode}",
            )
        query = {**self._of(product), "marginCoin": MARGIN_COIN}
        account = await self._object("privateMixGetV2MixAccountAccount", query)
        mode = str(account.get("posMode") or "")
        if mode != PositionMode.ONE_WAY:
            raise VenueRefusedError(
                "venue_error:position_mode", f"the account must be in {PositionMode.ONE_WAY}, was {mode!r}"
            )
        wanted = Decimal(terms.leverage) if terms.leverage else self._contracts.leverage
        is_crossed = (terms.margin_mode or self._contracts.margin_mode) is MarginMode.CROSSED
        names = ("crossedMarginLeverage",) if is_crossed else ("isolatedLongLever", "isolatedShortLever")
        for name in names:
            leverage = decimal_of(account, name)
            if leverage != wanted:
                raise VenueRefusedError(
                    "venue_error:leverage",
                    f"{name} of {product.venue_symbol} must be {wanted}, was {leverage}",
                )
        self._fit_modes[product.symbol, terms] = now

    async def _open_orders(self) -> Sequence[SeenOrder]:
        pages = self._pages("privateMixGetV2MixOrderOrdersPending", {"productType": PRODUCT_TYPE}, "orderId")
        return [read_order(row, self._symbol(text_of(row, "symbol").upper())) async for row in pages]

    async def _fills_since(self, since: datetime) -> Sequence[VenueFill]:
        query = {"productType": PRODUCT_TYPE, "startTime": str(ms_of(since))}
        pages = self._pages(self._fills_door, query, "tradeId")
        return [
            one
            async for row in pages
            if (one := read_fill(row, self._symbol(text_of(row, "symbol").upper()))) is not None
        ]

    async def _read_products(self) -> Sequence[Product]:
        query = {"productType": PRODUCT_TYPE}
        rows = rows_of(await self._data("publicMixGetV2MixMarketContracts", query), "contracts")
        return [read_contract(row) for row in rows if row.get("symbolType") == "perpetual"]


def _sign_of(side: str) -> int:
    """Read which way a position is held; a word that is not known is not guessed."""
    if side not in ("long", "short"):
        raise OutcomeUnknownError(f"holdSide must be long or short, was {side!r}")
    return 1 if side == "long" else -1


def _listed(data: Any, endpoint: str) -> Any:  # Any: JSON
    """Find the list in an answer; an object without one does not say that there is nothing."""
    if not isinstance(data, dict):
        return data
    for name in ("fillList", "entrustedList"):
        if name in data:
            return data[name]
    raise OutcomeUnknownError(f"{endpoint} must hold a list, was of {sorted(data)}")
