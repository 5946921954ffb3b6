"""Spot at Bitget."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType

from marketsentry.adapters.venues.bitget_account import MAX_PAGES_OF_FILLS, OWN_MEETS_OWN, BitgetLive
from marketsentry.adapters.venues.bitget_wire import (
    read_fill,
    read_order,
    read_spot_product,
)
from marketsentry.adapters.venues.order_checks import SeenOrder, in_force
from marketsentry.adapters.venues.wire import (
    decimal_of,
    ms_of,
    plain,
    rows_of,
    text_of,
)
from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.product import Product
from marketsentry.ports.venue import (
    Balance,
    LegRequest,
    VenueFill,
    VenuePosition,
)


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
            "stpMode": OWN_MEETS_OWN,
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
            pages = self._pages(self._fills_door, query, "tradeId", most=MAX_PAGES_OF_FILLS)
            found += [one async for row in pages if (one := read_fill(row, product.symbol)) is not None]
        return found

    async def _read_products(self) -> Sequence[Product]:
        rows = rows_of(await self._data("publicSpotGetV2SpotPublicSymbols"), "symbols")
        return [read_spot_product(row) for row in rows]
