"""The trader at a live venue: it trades a tenth of its capital, no more with time, and the venue holds what it says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from live_venues import access_to
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.bars import CLOSE, BarSeries
from marketsentry.core.market.symbols import Market
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.orders.order import OrderStatus
from marketsentry.exceptions import ConflictError
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.holdings_check import check_accounts
from marketsentry.services.ledger import pay
from marketsentry.services.trader_live import Waiting
from marketsentry.services.trader_parts import BarStep
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_spot, coinbase_product
from small_market import HOUR
from traded_runs import SYMBOLS
from trader_desk import Desk
from trader_market import N_BARS, N_LIVE, trader_market, trained_record

CAPITAL = Decimal(100_000)
SHAPE = BookShape(n_levels=5, level_quote=200_000.0, crowd_frac=0.0)
N_TRADED = 18
QUOTES = {VenueKind.COINBASE: "USD", VenueKind.BITGET: "USDT"}


@pytest.fixture(scope="module")
def market() -> tuple[BarSeries, ...]:
    """A market whose first live bar closed at the last whole hour: the venue tells the time that it is."""
    made = trader_market()
    close_ns = datetime_to_ns(datetime.now(UTC)) // HOUR.ns * HOUR.ns
    shift = close_ns - HOUR.ns - int(made[0].ts_ns[N_BARS - N_LIVE])
    return tuple(replace(one, ts_ns=one.ts_ns + shift) for one in made)


@pytest.fixture(scope="module")
def settings(
    engines: Engines,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    market: tuple[BarSeries, ...],
) -> Settings:
    home = tmp_path_factory.mktemp("at-a-venue")
    return trained_record(engines, module_database_url, home, market, risk_max_abs_return=0.0)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    async with open_system(settings) as opened:
        yield opened


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
) -> AsyncIterator[AtVenue]:
    make = {VenueKind.COINBASE: coinbase_product, VenueKind.BITGET: bitget_spot}[kind]
    prices = [float(one.values[N_BARS - N_LIVE, CLOSE]) for one in market]
    markets = [SimMarket(make(base), [price], SHAPE) for base, price in zip(SYMBOLS, prices, strict=True)]
    async with SimExchange(kind, markets=markets, seed=7, balances={QUOTES[kind]: CAPITAL}) as exchange:
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


@pytest.mark.parametrize("kind", list(VenueKind))
async def test_it_trades_its_stage_and_the_venue_agrees(
    system: System, market: tuple[BarSeries, ...], kind: VenueKind
) -> None:
    async with at_venue(system, market, kind, f"staged-{kind}") as there:
        await there.pay_in()
        gross = []
        for n in range(N_TRADED):
            if n == N_TRADED - 3:
                there.desk.trader = there.desk.started()
                assert isinstance(await there.desk.trader.tick(), Waiting), (
                    "the bar was traded before the restart"
                )
            step = await there.trade(n)
            assert np.nansum(np.abs(step.decided.wanted)) <= 0.1
            gross.append(float(np.abs(step.decided.weights).sum()))
        assert max(gross) > 0.01, "the model must trade"
        assert max(gross) < 0.11, gross
        orders = await there.desk.orders()
        assert {(one.status, one.reject_reason) for one in orders} == {(OrderStatus.FILLED, None)}
        assert {one.metadata["rollout_stage_pct"] for one in orders if not one.is_reduce_only} == {10}
        checks = [one for one in await check_accounts(there.desk.parts.admit) if one.account.venue == kind]
        assert all(one.agrees for one in checks), [one.document() for one in checks]


async def test_it_waits_where_nothing_may_be_sent(system: System, market: tuple[BarSeries, ...]) -> None:
    async with at_venue(
        system, market, VenueKind.COINBASE, "locked", refusal="live_trading_disabled"
    ) as there:
        await there.desk.bar_closes(0)
        waiting = await there.desk.trader.tick()
        assert waiting == Waiting("coinbase may not be sent orders: live_trading_disabled")


async def test_without_capital_it_says_so(system: System, market: tuple[BarSeries, ...]) -> None:
    async with at_venue(system, market, VenueKind.BITGET, "poor") as there:
        await there.desk.bar_closes(0)
        with pytest.raises(ConflictError, match="must have cash in bitget_live at bitget, had 0"):
            await there.desk.trader.tick()
