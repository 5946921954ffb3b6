"""An account at Bitget that pays its fees in BGB: what they are worth is the strategy's cost, and the books agree."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from live_desk import CAPITAL, QTY, Account, Desk
from live_venues import SHAPE, access_to
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import FEE_COINS, SubLedger
from marketsentry.ports.orders import OrderFilter
from marketsentry.services.execution import EnteredOrder
from marketsentry.services.flat_proof import Scope
from marketsentry.services.flatten import flatten
from marketsentry.services.holdings_check import check_accounts
from marketsentry.services.rebuild import rebuild_accounts
from marketsentry.services.status_accounts import read_account_status
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.products import bitget_spot

MID, BGB = 100.0, 4.0
RATE = Decimal("0.001")
COINS = Decimal(20)
BOTH = {"s1": [("SOL", Side.BUY)], "s2": [("SOL", Side.BUY)]}


@pytest.fixture
async def exchange() -> AsyncIterator[SimExchange]:
    markets = [SimMarket(bitget_spot("SOL"), [MID], SHAPE), SimMarket(bitget_spot("BGB"), [BGB], SHAPE)]
    money = {"USDT": 2 * CAPITAL, "BGB": COINS}
    async with SimExchange(
        VenueKind.BITGET, markets=markets, seed=7, balances=money, fee_coin="BGB"
    ) as running:
        yield running


@pytest.fixture
async def desk(database: Database, exchange: SimExchange) -> AsyncIterator[Desk]:
    access = access_to(exchange, symbols=("SOL",), quote_currency="USDT", timeout_s=5.0)
    made = Desk(database, Account("bitget_live", "bitget", "USDT", MID), open_bitget(access, Market.SPOT))
    yield made
    await made.close()


async def _cash(desk: Desk, strategy_id: str, track: str = "liquid") -> dict[str, Decimal]:
    async with desk.database.transactions() as stores:
        (account,) = await stores.accounts.list()
        cash = await stores.accounts.cash(SubLedger(account.id, strategy_id, track))
    return {name: amount for name, amount in cash.items() if amount}


def _sell(strategy_id: str) -> EnteredOrder:
    return EnteredOrder("SOL", Side.SELL, QTY, strategy_id=strategy_id, est_price=Decimal(str(MID)))


async def test_fees_are_costs_of_the_strategy_and_coins_of_the_account(
    desk: Desk, exchange: SimExchange
) -> None:
    await desk.open(BOTH)
    notional = {"s1": Decimal(0), "s2": Decimal(0)}
    async with desk.database.transactions() as stores:
        for order in await stores.orders.page(OrderFilter(), before_id=None, limit=9):
            for fill in await stores.orders.fills(order_id=order.id):
                assert fill.fee_currency == "BGB"
                assert fill.fee_quote == pytest.approx(fill.qty * fill.price * RATE, rel=Decimal("0.001"))
                notional[order.strategy_id] += fill.qty * fill.price
            assert order.metadata["execution"]["fees_paid"] == pytest.approx(
                float(notional[order.strategy_id] * RATE), rel=1e-3
            )
    for strategy, amount in notional.items():
        cash = await _cash(desk, strategy)
        assert set(cash) == {"USDT"}
        assert cash["USDT"] == pytest.approx(CAPITAL - amount * (1 + RATE), abs=Decimal("0.01"))
    advanced = await _cash(desk, FEE_COINS, FEE_COINS)
    taken = exchange.truth()["fills"]
    assert {one["fee_coin"] for one in taken} == {"BGB"}
    assert advanced["BGB"] == -sum(Decimal(one["fee"]) for one in taken)
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()
    status = await read_account_status(transactions=desk.database.transactions, clock=desk.admit.clock)
    assert [(one.strategy_id, one.equity is None) for one in status] == [("s1", False), ("s2", False)]
    (rebuilt,) = await rebuild_accounts(transactions=desk.database.transactions)
    assert rebuilt.differences == ()


async def test_it_opens_again_and_is_closed_like_any_other(desk: Desk) -> None:
    await desk.open(BOTH)
    await desk.trade([_sell("s1")])
    await desk.trade([EnteredOrder("SOL", Side.BUY, 10 * QTY, strategy_id="s1", est_price=Decimal(101))])
    await desk.pull()
    report = await flatten(Scope("liquid"), desk.flatten)
    assert report.proof.is_flat, report.document()
    assert "SOL" not in await desk.held()
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()


async def test_where_the_price_cannot_be_asked_for_the_fill_waits_and_is_booked_once(
    desk: Desk, exchange: SimExchange
) -> None:
    exchange.inject(VenueFault.SERVER_ERROR, "GET */spot/market/tickers", skip=1, times=3)
    await desk.open({"s1": [("SOL", Side.BUY)]})
    assert exchange.injected() == {"server_error": 3}
    async with desk.database.transactions() as stores:
        (order,) = await stores.orders.page(OrderFilter(), before_id=None, limit=9)
        fills = await stores.orders.fills(order_id=order.id)
    assert sum(one.qty for one in fills) == QTY
    assert all(one.fee_quote for one in fills)


async def test_when_the_coin_runs_out_the_fee_is_taken_as_ever(desk: Desk, exchange: SimExchange) -> None:
    exchange.deposit("BGB", -COINS)
    await desk.open(BOTH)
    assert await _cash(desk, FEE_COINS, FEE_COINS) == {}
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()
