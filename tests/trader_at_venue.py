"""A trader at a simulated live venue whose prices are those of the bars that close for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from live_venues import access_to
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.bootstrap import System
from marketsentry.core.market.bars import CLOSE, BarSeries
from marketsentry.core.market.symbols import Market
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.ledger import pay
from marketsentry.services.trader_parts import BarStep
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_spot, coinbase_product
from small_market import HOUR
from traded_runs import SYMBOLS
from trader_desk import Desk
from trader_market import N_BARS, N_LIVE, trader_market

CAPITAL = Decimal(100_000)
SHAPE = BookShape(n_levels=5, level_quote=200_000.0, crowd_frac=0.0)
QUOTES = {VenueKind.COINBASE: "USD", VenueKind.BITGET: "USDT"}


def market_until_now() -> tuple[BarSeries, ...]:
    """A market whose first live bar closed at the last whole hour: the venue tells the time that it is."""
    made = trader_market()
    close_ns = datetime_to_ns(datetime.now(UTC)) // HOUR.ns * HOUR.ns
    shift = close_ns - HOUR.ns - int(made[0].ts_ns[N_BARS - N_LIVE])
    return tuple(replace(one, ts_ns=one.ts_ns + shift) for one in made)


class AtVenue:
    """A simulated venue whose prices are those of the bars, and a trader with money there."""

    def __init__(self, exchange: SimExchange, desk: Desk) -> None:
        self.exchange, self.desk = exchange, desk

    async def pay_in(self) -> None:
        async with self.desk.transactions() as stores:
            account = await stores.accounts.open(
                adapter=f"{self.exchange.kind}_live",
                venue=str(self.exchange.kind),
                name=ACCOUNT,
                currency=QUOTES[self.exchange.kind],
            )
            ledger = SubLedger(account.id, self.desk.strategy_id, "liquid")
            await pay(stores, ledger, CAPITAL, reference="start", at=datetime.now(UTC))

    async def trade(self, n: int) -> BarStep:
        """Close a bar, with the venue at its price."""
        for symbol, series in zip(SYMBOLS, self.desk.market, strict=True):
            (key,) = [one.key for one in self.exchange.venue.products.values() if one.base == symbol]
            self.exchange.move_price(key, float(series.values[N_BARS - N_LIVE + n, CLOSE]))
        return await self.desk.trade(n)


@asynccontextmanager
async def at_venue(
    system: System,
    market: tuple[BarSeries, ...],
    kind: VenueKind,
    strategy_id: str,
    *,
    refusal: str | None = None,
    fee_coin: str = "",
) -> AsyncIterator[AtVenue]:
    make = {VenueKind.COINBASE: coinbase_product, VenueKind.BITGET: bitget_spot}[kind]
    prices = [float(one.values[N_BARS - N_LIVE, CLOSE]) for one in market]
    markets = [SimMarket(make(base), [price], SHAPE) for base, price in zip(SYMBOLS, prices, strict=True)]
    balances = {QUOTES[kind]: CAPITAL}
    if fee_coin:
        markets.append(SimMarket(make(fee_coin), [4.0], SHAPE))
        balances[fee_coin] = Decimal(1_000)
    async with SimExchange(kind, markets=markets, seed=7, balances=balances, fee_coin=fee_coin) as exchange:
        access = access_to(
            exchange, symbols=SYMBOLS, quote_currency=QUOTES[kind], timeout_s=5.0, trading_refusal=refusal
        )
        venue: CcxtVenue = (
            CoinbaseLive(access) if kind is VenueKind.COINBASE else open_bitget(access, Market.SPOT)
        )
        desk = Desk(system, market, strategy_id, venue)
        try:
            await venue.prepare()
            yield AtVenue(exchange, desk)
        finally:
            await desk.executor.close()
            await venue.close()
