"""Flatten at a live adapter: ten positions at the simulated Coinbase, closed and proved by what it answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import SHAPE, access_to
from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.adapters.venues.paper import PaperParts
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import Side
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_drive import DriveParts
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.flat_proof import Scope, What
from marketsentry.services.flatten import FlattenParts, flatten
from marketsentry.services.holdings_check import check_accounts
from marketsentry.services.ledger import pay
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.faults import VenueFault
from marketsentry.simexchange.products import coinbase_product
from recorded_prices import add_prices

BASES = ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC", "DOT", "LINK", "AVAX", "DOGE")
MID = 100.0
BY = ChangedBy("test")
WHOLE = Scope("liquid")
LIVE = {"adapter": "coinbase_live", "venue": "coinbase"}


class Desk:
    """A live account with ten positions, five of each of two strategies."""

    def __init__(self, database: Database, exchange: SimExchange) -> None:
        self.database, self.exchange = database, exchange
        clock = SystemClock()
        market = RecordedMarket(database.transactions, max_age=timedelta(hours=2))
        self.venues = VenueRegistry(
            PaperParts(database.transactions, market, clock),
            open_live=lambda _: CoinbaseLive(access_to(exchange, symbols=BASES, timeout_s=5.0)),
        )
        many = dict.fromkeys(("max_single_weight", "max_gross_exposure", "max_turnover"), 10.0)
        limits = RiskLimits(**many, max_sector_exposure=10.0, max_style_exposure=10.0)
        risk = RiskParts(database.transactions, limits, clock)
        self.admit = AdmitParts(database.transactions, clock, risk, self.venues, Decimal(1_000_000))
        self.executor = Executor(DriveParts(database.transactions, self.venues, clock))
        self._numbers = 0

    def entropy(self, n_bytes: int) -> bytes:
        self._numbers += 1
        return self._numbers.to_bytes(n_bytes, "big")

    @property
    def flatten(self) -> FlattenParts:
        return FlattenParts(self.admit, self.executor, self.entropy)

    async def open(self) -> None:
        """Pay in what the venue shows, and buy."""
        await self.venues.open(
            **LIVE, fee_bps=Decimal(0)
        )  # loads the client, which takes longer than a lease
        now = datetime.now(UTC)
        for base in BASES:
            await add_prices(self.database, base, MID, until=now)
        async with self.database.transactions() as stores:
            account = await stores.accounts.open(**LIVE, name="main", currency="USD")
            for strategy in ("s1", "s2"):
                ledger = SubLedger(account.id, strategy, "liquid")
                await pay(stores, ledger, Decimal(500_000), reference=f"start-{strategy}", at=now)
        orders = tuple(
            EnteredOrder(
                base,
                Side.BUY,
                Decimal(100),  # a tenth of it, as every opening that is live
                est_price=Decimal("100.5"),
                strategy_id="s1" if number < 5 else "s2",
            )
            for number, base in enumerate(BASES)
        )
        parts = ExecutionParts(self.admit, self.executor, self.entropy)
        entered = await enter_orders(EnterRequest(orders, **LIVE, max_slippage_bps=Decimal(100)), parts)
        run = RunRequest(entered.decision_id, **LIVE, max_slippage_bps=Decimal(100))
        admitted = await admit(run, self.admit, by=BY)
        await self.executor.settle([one.id for one in admitted], within_s=120)

    async def coins(self) -> dict[str, Decimal]:
        """What the venue itself says."""
        venue = await self.venues.open(**LIVE, fee_bps=Decimal(0))
        return {one.asset: one.total for one in await venue.balances() if one.total and one.asset != "USD"}

    async def pull(self) -> None:
        wanted = ManualTrigger("liquid", "global", "test", None, Mode.FLATTEN)
        await trigger_switch(wanted, by=BY, transactions=self.database.transactions)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    markets = [SimMarket(coinbase_product(base), [MID], SHAPE) for base in BASES]
    money = {"USD": Decimal(1_000_000)}
    async with SimExchange(VenueKind.COINBASE, markets=markets, seed=7, balances=money) as exchange:
        made = Desk(database, exchange)
        await made.open()
        yield made
        await made.executor.close()
        await made.venues.close()


async def test_ten_positions_are_closed_and_the_venue_says_flat(desk: Desk) -> None:
    assert await desk.coins() == dict.fromkeys(BASES, Decimal(10))
    assert all(one.agrees for one in await check_accounts(desk.admit))  # coins and cash, to the cent
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert (report.proof.is_flat, report.proof.remaining, report.attempts) == (True, (), 1)
    assert {(one.target, one.qty) for one in report.closed} == {(base, Decimal(10)) for base in BASES}
    assert await desk.coins() == {}
    assert all(one.agrees for one in await check_accounts(desk.admit))


async def test_a_halted_product_keeps_the_alert_and_the_rest_is_closed(desk: Desk) -> None:
    desk.exchange.set_halted("SOL-USD")
    await desk.pull()
    report = await flatten(WHOLE, desk.flatten)
    assert not report.proof.is_flat
    (left,) = report.proof.remaining
    assert (left.what, left.name, left.qty) == (What.POSITION, "SOL", 10)
    assert await desk.coins() == {"SOL": Decimal(10)}
    desk.exchange.set_halted("SOL-USD", is_halted=False)
    again = await flatten(WHOLE, desk.flatten)
    assert (again.proof.is_flat, await desk.coins()) == (True, {})


async def test_lost_answers_do_not_close_twice(desk: Desk) -> None:
    orders = "POST /api/v3/brokerage/orders"
    desk.exchange.inject(VenueFault.DROP_AFTER, orders, times=3)
    await desk.pull()
    reports = [await flatten(WHOLE, desk.flatten)]
    while not reports[-1].proof.is_flat and len(reports) < 5:
        reports.append(await flatten(WHOLE, desk.flatten))
    assert reports[-1].proof.is_flat
    assert await desk.coins() == {}
