"""The live adapters on simulated venues, and the orders that the tests hand in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegRef, LegRequest
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import Product, bitget_perpetual, bitget_spot, coinbase_product

MID = 60_000.0
SHAPE = BookShape(n_levels=5, level_quote=60_000.0, crowd_frac=0.0)
TIMEOUT_S = 0.6


def still(products: Sequence[Product]) -> list[SimMarket]:
    """Markets that stand still at `MID` until a test moves them."""
    return [SimMarket(one, [MID], SHAPE) for one in products]


def coinbase_exchange(**settings: Any) -> SimExchange:
    return SimExchange(VenueKind.COINBASE, markets=still([coinbase_product("BTC")]), seed=7, **settings)


def bitget_exchange(**settings: Any) -> SimExchange:
    products = [bitget_spot("BTC"), bitget_perpetual("BTC")]
    return SimExchange(VenueKind.BITGET, markets=still(products), seed=7, **settings)


def access_to(exchange: SimExchange, key: Any = None, **changes: Any) -> VenueAccess:
    key = key or exchange.key
    access = VenueAccess(
        base_url=exchange.url,
        api_key=key.key,
        api_secret=key.secret,
        passphrase=key.passphrase,
        timeout_s=TIMEOUT_S,
        symbols=("BTC",),
    )
    return replace(access, **changes)


@asynccontextmanager
async def opened(venue: CcxtVenue) -> AsyncIterator[CcxtVenue]:
    """Close a venue at the end."""
    try:
        yield venue
    finally:
        await venue.close()


@asynccontextmanager
async def coinbase(exchange: SimExchange, key: Any = None, **changes: Any) -> AsyncIterator[CcxtVenue]:
    async with opened(CoinbaseLive(access_to(exchange, key, **changes))) as venue:
        yield venue


@asynccontextmanager
async def bitget(
    exchange: SimExchange,
    kind: Market = Market.SPOT,
    key: Any = None,
    contracts: Contracts | None = None,
    **changes: Any,
) -> AsyncIterator[CcxtVenue]:
    symbols = ("BTC",) if kind is Market.SPOT else ("BTC-PERP",)
    access = access_to(exchange, key, **{"quote_currency": "USDT", "symbols": symbols, **changes})
    async with opened(open_bitget(access, kind, contracts)) as venue:
        yield venue


def limit(
    side: Side = Side.BUY,
    qty: str = "0.5",
    price: str = "59000",
    *,
    force: TimeInForce = TimeInForce.GTC,
    client_order_id: str = "ms-1-l",
    symbol: str = "BTC",
) -> LegRequest:
    return LegRequest(client_order_id, symbol, side, LegKind.LIMIT, Decimal(qty), Decimal(price), force)


def market(
    side: Side = Side.BUY, qty: str = "0.5", bound: str = "61000", *, client_order_id: str = "ms-1-m1"
) -> LegRequest:
    ioc = TimeInForce.IOC
    return LegRequest(client_order_id, "BTC", side, LegKind.MARKET, Decimal(qty), Decimal(bound), ioc)


def ref(request: LegRequest, venue_order_id: str | None = None, sent_at: datetime | None = None) -> LegRef:
    return LegRef(request.symbol, request.client_order_id, venue_order_id, sent_at or datetime.now(UTC))


async def eventually(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Poll until it holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)
