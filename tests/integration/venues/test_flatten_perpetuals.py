"""Flatten at Bitget's perpetuals: longs and shorts, one of them against each other, proved by the venue's positions."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from live_desk import CAPITAL, QTY, Account, Desk
from live_venues import SHAPE, access_to
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegRequest
from marketsentry.services.flat_proof import Scope, What
from marketsentry.services.flatten import flatten
from marketsentry.services.holdings_check import check_accounts
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.products import bitget_perpetual

MID = 100.0
LONG, SHORT, BOTH = "BTC-PERP", "ETH-PERP", "SOL-PERP"
OPENINGS = {
    "s1": [(LONG, Side.BUY), (BOTH, Side.BUY)],
    "s2": [(SHORT, Side.SELL), (LONG, Side.BUY)],
}
WHOLE = Scope("liquid")
PLACE_ORDER = "POST */place-order"


class BitgetDesk(Desk):
    """A desk, and the exchange where it trades."""

    def __init__(self, database: Database, exchange: SimExchange) -> None:
        self.exchange = exchange
        access = access_to(exchange, symbols=(LONG, SHORT, BOTH), quote_currency="USDT", timeout_s=5.0)
        venue = open_bitget(access, Market.PERP, Contracts(leverage=Decimal(20)))
        super().__init__(database, Account("bitget_live", "bitget", "USDT", MID), venue)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[BitgetDesk]:
    products = [bitget_perpetual(one.removesuffix("-PERP"), tick="0.01") for one in (LONG, SHORT, BOTH)]
    markets = [SimMarket(one, [MID], SHAPE) for one in products]
    money = {"USDT": 2 * CAPITAL}
    async with SimExchange(VenueKind.BITGET, markets=markets, seed=7, balances=money) as exchange:
        made = BitgetDesk(database, exchange)
        await made.open(OPENINGS)
        yield made
        await made.close()


async def test_longs_and_shorts_are_closed_and_the_venue_says_flat(desk: BitgetDesk) -> None:
    assert await desk.held() == {LONG: 2 * QTY, SHORT: -QTY, BOTH: QTY}
    assert all(one.agrees for one in await check_accounts(desk.admit))  # contracts and cash
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert (report.proof.is_flat, report.proof.remaining, report.attempts) == (True, (), 1), report
    assert {(one.strategy_id, one.target, one.qty) for one in report.closed} == {
        ("s1", LONG, QTY),
        ("s1", BOTH, QTY),
        ("s2", SHORT, -QTY),
        ("s2", LONG, QTY),
    }
    assert await desk.held() == {}
    assert all(one.agrees for one in await check_accounts(desk.admit))


async def test_one_strategy_is_closed_and_the_other_keeps_its_contracts(desk: BitgetDesk) -> None:
    await desk.pull()
    report = await flatten(Scope("liquid", "s2"), desk.flatten)
    assert report.proof.is_flat, report
    assert await desk.held() == {LONG: QTY, BOTH: QTY}
    assert all(one.agrees for one in await check_accounts(desk.admit))


async def test_contracts_that_no_ledger_holds_are_no_proof(desk: BitgetDesk) -> None:
    venue = await desk.venue()
    by_hand = LegRequest(
        "by-hand", SHORT, Side.BUY, LegKind.MARKET, Decimal(3), Decimal(110), TimeInForce.IOC
    )
    await venue.submit(by_hand)
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert not report.proof.is_flat
    assert (What.DIFFERENCE, SHORT) in {(one.what, one.name) for one in report.proof.remaining}


async def test_lost_answers_do_not_close_twice(desk: BitgetDesk) -> None:
    desk.exchange.inject(VenueFault.DROP_AFTER, PLACE_ORDER, times=2)
    await desk.pull()
    reports = [await flatten(WHOLE, desk.flatten)]
    while not reports[-1].proof.is_flat and len(reports) < 5:
        reports.append(await flatten(WHOLE, desk.flatten))
    assert reports[-1].proof.is_flat, reports[-1]
    assert await desk.held() == {}
    assert all(one.agrees for one in await check_accounts(desk.admit))
