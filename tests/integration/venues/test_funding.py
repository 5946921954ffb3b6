"""What perpetual positions pay at the venue is in the ledgers of those who held them, and the account agrees (K-29)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from live_desk import BY, CAPITAL, QTY, Account, Desk
from live_venues import SHAPE, access_to
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Side
from marketsentry.ports import Clock
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.risk import EventFilter
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.funding import SETTLES_WITHIN, UNBOOKED_FUNDING, book_funding
from marketsentry.services.holdings_check import HoldingsWatch, check_accounts
from marketsentry.services.rebuild import rebuild_accounts
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.orders import NewOrder, OrderType
from marketsentry.simexchange.orders import Side as VenueSide
from marketsentry.simexchange.products import bitget_perpetual

MID = 100.0
TARGET, KEY = "SOL-PERP", "SOL-USDT:USDT"
OTHER_KEY = "ETH-USDT:USDT"
RATE = Decimal("0.0003")


class Later:
    """A clock for which every payment is old."""

    def now(self) -> datetime:
        return datetime.now(UTC) + SETTLES_WITHIN


@pytest.fixture
async def exchange() -> AsyncIterator[SimExchange]:
    markets = [SimMarket(bitget_perpetual(base, tick="0.01"), [MID], SHAPE) for base in ("SOL", "ETH")]
    money = {"USDT": 3 * CAPITAL}
    async with SimExchange(VenueKind.BITGET, markets=markets, seed=7, balances=money) as running:
        yield running


@pytest.fixture
async def desk(database: Database, exchange: SimExchange) -> AsyncIterator[Desk]:
    access = access_to(exchange, symbols=(TARGET,), quote_currency="USDT", timeout_s=5.0)
    venue = open_bitget(access, Market.PERP, Contracts(leverage=Decimal(20)))
    made = Desk(database, Account("bitget_live", "bitget", "USDT", MID), venue)
    long, short = [(TARGET, Side.BUY)], [(TARGET, Side.SELL)]
    await made.open({"s1": long, "s2": long, "s3": short})
    yield made
    await made.close()


async def paid(desk: Desk) -> dict[str, Decimal]:
    """What each strategy paid for its position."""
    async with desk.database.transactions() as stores:
        (account,) = await stores.accounts.list()
        found = await stores.accounts.positions(SubLedger(account.id, "global", "liquid"))
    return {one.ledger.strategy_id: one.position.funding_quote for one in found}


async def book(desk: Desk, clock: Clock | None = None) -> int:
    return await book_funding(
        transactions=desk.admit.transactions, venues=desk.venues, clock=clock or desk.admit.clock
    )


async def test_a_payment_is_shared_by_who_held_and_the_account_agrees(
    desk: Desk, exchange: SimExchange
) -> None:
    (bill,) = exchange.settle_funding(KEY, RATE)
    assert bill.amount == -QTY * exchange.venue.mark(KEY) * RATE
    (before,) = await check_accounts(desk.admit)
    ((name, missing),) = [(one.name, one.missing_qty) for one in before.differences]
    assert (name, round(missing, 6)) == ("USDT", round(bill.amount, 6))
    watch = HoldingsWatch(desk.admit)
    (after,) = await watch.once()
    assert after.agrees, after.document()
    assert await paid(desk) == {"s1": -bill.amount, "s2": -bill.amount, "s3": bill.amount}
    exchange.settle_funding(KEY, -RATE / 2)
    (again,) = await watch.once()
    assert again.agrees, again.document()
    assert await paid(desk) == {"s1": -bill.amount / 2, "s2": -bill.amount / 2, "s3": bill.amount / 2}
    assert await book(desk) == 0
    (rebuilt,) = await rebuild_accounts(transactions=desk.database.transactions)
    assert not rebuilt.differences


async def test_what_nobody_of_ours_held_is_told_once_and_not_booked(
    desk: Desk, exchange: SimExchange
) -> None:
    exchange.venue.place(NewOrder("demo", OTHER_KEY, VenueSide.BUY, OrderType.MARKET, Decimal(5)))
    (bill,) = exchange.settle_funding(OTHER_KEY, RATE)
    for _ in range(2):
        assert await book(desk) == 0
    wanted = EventFilter(code=f"{UNBOOKED_FUNDING}:bitget_live:bitget:{bill.id}")
    async with desk.database.transactions() as stores:
        (event,) = await stores.risk.page_events(wanted, before_id=None, limit=10)
    assert f"{bill.amount:f}".rstrip("0") in event.message
    assert set((await paid(desk)).values()) == {Decimal(0)}


async def test_a_young_payment_waits_for_orders_on_their_way(desk: Desk, exchange: SimExchange) -> None:
    order = EnteredOrder(TARGET, Side.BUY, QTY, est_price=Decimal(str(MID)), strategy_id="s1")
    unheld = replace(desk.admit, holder=None)
    entered = await enter_orders(
        EnterRequest((order,), **desk.account.place), ExecutionParts(unheld, desk.executor, desk.entropy)
    )
    assert await admit(RunRequest(entered.decision_id, **desk.account.place), unheld, by=BY)
    exchange.settle_funding(KEY, RATE)
    assert await book(desk) == 0
    assert await book(desk, Later()) == 1


async def test_more_payments_than_a_page_holds_are_all_read(desk: Desk, exchange: SimExchange) -> None:
    for _ in range(130):
        exchange.settle_funding(KEY, RATE / 100)
    assert await book(desk) == 130
    (check,) = await check_accounts(desk.admit)
    assert check.agrees, check.document()
