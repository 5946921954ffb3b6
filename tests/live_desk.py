"""A live account at a simulated venue in which two strategies hold something, and all that trades it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.paper import PaperParts
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import OrderStatus, Side
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.flatten import FlattenParts
from marketsentry.services.ledger import pay
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch
from recorded_prices import add_prices

STRATEGIES = ("s1", "s2")
CAPITAL = Decimal(500_000)  # of each strategy
QTY = Decimal(10)  # what each opening comes to: a tenth of it is sent, as of every opening that is live
BY = ChangedBy("test")


@dataclass(frozen=True, slots=True)
class Account:
    """Where is traded, in which money, and at which middle of the market."""

    adapter: str
    venue: str
    currency: str
    mid: float

    @property
    def place(self) -> dict[str, str]:
        """As requests name it."""
        return {"adapter": self.adapter, "venue": self.venue}


class Desk:
    """Everything that trades one live account."""

    def __init__(self, database: Database, account: Account, venue: CcxtVenue) -> None:
        self.database, self.account = database, account
        clock = SystemClock()
        market = RecordedMarket(database.transactions, max_age=timedelta(hours=2))
        self.venues = VenueRegistry(
            PaperParts(database.transactions, market, clock), open_live=lambda _: venue
        )
        many = dict.fromkeys(("max_single_weight", "max_gross_exposure", "max_turnover"), 10.0)
        limits = RiskLimits(**many, max_sector_exposure=10.0, max_style_exposure=10.0)
        risk = RiskParts(database.transactions, limits, clock)
        self.executor = Executor(DriveParts(database.transactions, self.venues, clock))
        self.admit = AdmitParts(
            *(database.transactions, clock, risk, self.venues, Decimal(1_000_000)),
            holder=self.executor.holder,
        )
        self._numbers = 0

    def entropy(self, n_bytes: int) -> bytes:
        """Give numbers in place of chance."""
        self._numbers += 1
        return self._numbers.to_bytes(n_bytes, "big")

    @property
    def flatten(self) -> FlattenParts:
        """What closing everything needs."""
        return FlattenParts(self.admit, self.executor, self.entropy)

    async def venue(self) -> CcxtVenue:
        """Give the account at the venue."""
        opened = await self.venues.open(**self.account.place, fee_bps=Decimal(0))
        assert isinstance(opened, CcxtVenue)
        return opened

    async def open(self, openings: Mapping[str, Sequence[tuple[str, Side]]]) -> None:
        """Pay in, and let each strategy open `QTY` of its targets; all of it must fill."""
        await self.venue()  # loads the client, which takes longer than a lease
        now = datetime.now(UTC)
        for target in dict.fromkeys(target for wanted in openings.values() for target, _ in wanted):
            await add_prices(self.database, target, self.account.mid, until=now)
        async with self.database.transactions() as stores:
            account = await stores.accounts.open(
                **self.account.place, name="main", currency=self.account.currency
            )
            for strategy in openings:
                ledger = SubLedger(account.id, strategy, "liquid")
                await pay(stores, ledger, CAPITAL, reference=f"start-{strategy}", at=now)
        orders = tuple(
            EnteredOrder(
                target,
                side,
                10 * QTY,
                est_price=Decimal(str(self.account.mid)) * (1 + side.sign * Decimal("0.005")),
                strategy_id=strategy,
            )
            for strategy, wanted in openings.items()
            for target, side in wanted
        )
        await self.trade(orders)

    async def trade(self, orders: Sequence[EnteredOrder]) -> None:
        """Enter orders, run them, and wait until all are filled."""
        parts, slippage = ExecutionParts(self.admit, self.executor, self.entropy), Decimal(100)
        entered = await enter_orders(
            EnterRequest(tuple(orders), **self.account.place, max_slippage_bps=slippage), parts
        )
        run = RunRequest(entered.decision_id, **self.account.place, max_slippage_bps=slippage)
        admitted = await admit(run, self.admit, by=BY)
        await self.executor.settle([one.id for one in admitted], within_s=120)
        async with self.database.transactions() as stores:
            settled = await stores.orders.of_decision(entered.decision_id)
        states = {one.target: (one.status, one.reject_reason) for one in settled}
        assert {status for status, _ in states.values()} == {OrderStatus.FILLED}, states

    async def held(self) -> dict[str, Decimal]:
        """Tell what the venue itself says: coins but for money, and contracts."""
        venue = await self.venue()
        coins = {one.asset: one.total for one in await venue.balances() if one.asset != self.account.currency}
        contracts = {one.symbol: one.qty for one in await venue.positions()}
        return {name: qty for name, qty in (coins | contracts).items() if qty}

    async def pull(self) -> None:
        """Pull the switch of the track: flatten."""
        wanted = ManualTrigger("liquid", "global", "test", None, Mode.FLATTEN)
        await trigger_switch(wanted, by=BY, transactions=self.database.transactions)

    async def close(self) -> None:
        """End what runs."""
        await self.executor.close()
        await self.venues.close()
