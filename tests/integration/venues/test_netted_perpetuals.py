"""Strategies that hold a contract against each other can be closed: what the venue holds is their net."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from live_desk import CAPITAL, QTY, Account, Desk
from live_venues import SHAPE, access_to
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Side
from marketsentry.services.execution import EnteredOrder
from marketsentry.services.flat_proof import Scope
from marketsentry.services.flatten import flatten
from marketsentry.services.holdings_check import check_accounts
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.products import bitget_perpetual

MID = 100.0
TARGET = "SOL-PERP"


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    product = bitget_perpetual("SOL", tick="0.01")
    money = {"USDT": 2 * CAPITAL}
    markets = [SimMarket(product, [MID], SHAPE)]
    async with SimExchange(VenueKind.BITGET, markets=markets, seed=7, balances=money) as exchange:
        access = access_to(exchange, symbols=(TARGET,), quote_currency="USDT", timeout_s=5.0)
        venue = open_bitget(access, Market.PERP, Contracts(leverage=Decimal(20)))
        made = Desk(database, Account("bitget_live", "bitget", "USDT", MID), venue)
        await made.open({"s1": [(TARGET, Side.BUY)], "s2": [(TARGET, Side.SELL)]})
        yield made
        await made.close()


@pytest.mark.parametrize("strategy_id", ["s1", "s2"])
async def test_one_of_two_that_net_to_nothing_is_closed(desk: Desk, strategy_id: str) -> None:
    assert await desk.held() == {}
    await desk.pull()
    report = await flatten(Scope("liquid", strategy_id), desk.flatten)
    assert report.proof.is_flat, report.document()
    assert await desk.held() == {TARGET: QTY if strategy_id == "s2" else -QTY}
    assert all(one.agrees for one in await check_accounts(desk.admit))


async def test_both_of_two_that_net_to_nothing_are_closed(desk: Desk) -> None:
    await desk.pull()
    report = await flatten(Scope("liquid"), desk.flatten)
    assert report.proof.is_flat, report.document()
    assert await desk.held() == {}


async def test_what_netting_has_earned_at_the_venue_is_no_difference(desk: Desk) -> None:
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()
    await desk.trade([EnteredOrder(TARGET, Side.SELL, QTY, strategy_id="s1", est_price=Decimal(str(MID)))])
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()
