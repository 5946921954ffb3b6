"""What spot and perpetuals have in common at Bitget: doors, orders, fills, the key."""

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.adapters.venues.bitget_wire import (
    BitgetDialect,
    is_duplicate,
    is_not_found,
    read_fill,
    read_order,
)
from marketsentry.adapters.venues.ccxt_client import CcxtClient
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue, DuplicateIdError
from marketsentry.adapters.venues.fee_worth import FeeWorth
from marketsentry.adapters.venues.order_checks import SeenOrder
from marketsentry.adapters.venues.rate_budget import RateBudget
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.adapters.venues.wire import (
    decimal_of,
    instant_of_ms,
    object_of,
    rows_of,
    text_of,
)
from marketsentry.core.orders.order import ZERO, Fill
from marketsentry.core.orders.product import Product
from marketsentry.ports.urgency import Urgency
from marketsentry.ports.venue import (
    LegRef,
    LegRequest,
    OutcomeUnknownError,
    Quote,
    VenueFill,
    VenueRefusedError,
)

NAME = "bitget_live"
OWN_MEETS_OWN = "cancel_maker"  # who comes later goes on: an exit is not stopped by an entry that waits
_SPOT_TICKER = "publicSpotGetV2SpotMarketTickers"
_MAX_PAGES = 50
MAX_PAGES_OF_FILLS = 1_000  # others may trade in the account all day
_PAGE = 100
_TRADES = ("trade", "spot", "stow", "contract", "mix", "future")


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
        self._worth = FeeWorth(self._price_of, now=now)

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

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        """List all fills of one order; fees may be in the venue's own coin."""
        found = await super().fills(leg)
        if not found:
            return found
        quote = (await self._known(leg.symbol)).quote
        return [await self._worth.told(one, leg.symbol, quote=quote) for one in found]

    async def _price_of(self, coin: str, quote: str) -> Decimal:
        """Read the price of a coin of spot."""
        rows = rows_of(await self._data(_SPOT_TICKER, {"symbol": f"{coin}{quote}"}), "tickers")
        price = decimal_of(rows[0], "lastPr", ZERO) if rows else ZERO
        if not price > 0:
            raise VenueRefusedError("no_market_data", f"{coin}{quote} has no price")
        return price

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
        self, endpoint: str, query: Mapping[str, object], id_name: str, *, most: int = _MAX_PAGES
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Read rows from the newest back; a list that does not end leaves unknown what is behind."""
        before: str | None = None
        for _ in range(most):
            asked = {**query, "limit": str(_PAGE), **({"idLessThan": before} if before else {})}
            data = await self._data(endpoint, asked)
            rows = rows_of(_listed(data, endpoint), endpoint)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            before = text_of(rows[-1], id_name)
        raise OutcomeUnknownError(f"{self.name} lists more than {most} pages of {endpoint}")


def _listed(data: Any, endpoint: str) -> Any:  # Any: JSON
    """Find the list in an answer; an object without one does not say that there is nothing."""
    if not isinstance(data, dict):
        return data
    for name in ("fillList", "entrustedList", "bills"):
        if name in data:
            return data[name]
    raise OutcomeUnknownError(f"{endpoint} must hold a list, was of {sorted(data)}")
