"""Flatten at a live adapter: ten positions at the simulated Coinbase, closed and proved by what it answers."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from live_desk import QTY, Account, Desk
from live_venues import SHAPE, access_to
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.core.orders.order import Side
from marketsentry.services.flat_proof import Scope, What
from marketsentry.services.flatten import flatten
from marketsentry.services.holdings_check import check_accounts
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.products import coinbase_product

BASES = ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC", "DOT", "LINK", "AVAX", "DOGE")
MID = 100.0
WHOLE = Scope("liquid")


class CoinbaseDesk(Desk):
    """A desk, and the exchange where it trades."""

    def __init__(self, database: Database, exchange: SimExchange) -> None:
        self.exchange = exchange
        venue = CoinbaseLive(access_to(exchange, symbols=BASES, timeout_s=5.0))
        super().__init__(database, Account("coinbase_live", "coinbase", "USD", MID), venue)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[CoinbaseDesk]:
    markets = [SimMarket(coinbase_product(base), [MID], SHAPE) for base in BASES]
    money = {"USD": Decimal(1_000_000)}
    async with SimExchange(VenueKind.COINBASE, markets=markets, seed=7, balances=money) as exchange:
        made = CoinbaseDesk(database, exchange)
        await made.open(
            {"s1": [(base, Side.BUY) for base in BASES[:5]], "s2": [(base, Side.BUY) for base in BASES[5:]]}
        )
        yield made
        await made.close()


async def test_ten_positions_are_closed_and_the_venue_says_flat(desk: CoinbaseDesk) -> None:
    assert await desk.held() == dict.fromkeys(BASES, QTY)
    assert all(one.agrees for one in await check_accounts(desk.admit))  # coins and cash, to the cent
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert (report.proof.is_flat, report.proof.remaining, report.attempts) == (True, (), 1)
    assert {(one.target, one.qty) for one in report.closed} == {(base, QTY) for base in BASES}
    assert await desk.held() == {}
    assert all(one.agrees for one in await check_accounts(desk.admit))


async def test_a_halted_product_keeps_the_alert_and_the_rest_is_closed(desk: CoinbaseDesk) -> None:
    desk.exchange.set_halted("SOL-USD")
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert not report.proof.is_flat
    (left,) = report.proof.remaining
    assert (left.what, left.name, left.qty) == (What.POSITION, "SOL", 10)
    assert await desk.held() == {"SOL": QTY}
    desk.exchange.set_halted("SOL-USD", is_halted=False)
    again = await flatten(WHOLE, desk.flatten)
    assert (again.proof.is_flat, await desk.held()) == (True, {})


async def test_lost_answers_do_not_close_twice(desk: CoinbaseDesk) -> None:
    orders = "POST /api/v3/brokerage/orders"
    desk.exchange.inject(VenueFault.DROP_AFTER, orders, times=3)
    await desk.pull()
    reports = [await flatten(WHOLE, desk.flatten)]
    while not reports[-1].proof.is_flat and len(reports) < 5:
        reports.append(await flatten(WHOLE, desk.flatten))
    assert reports[-1].proof.is_flat
    assert await desk.held() == {}
