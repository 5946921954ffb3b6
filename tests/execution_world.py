"""Everything that executes, over one record and one clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from faulty_venue import Faults, FaultyVenues, MovedClock, faulty_transactions
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import Side
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.ports.orders import Holder, StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts, DriveRules
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.risk import RiskParts
from recorded_prices import add_bars, add_prices

BY = ChangedBy("test")


@dataclass
class World:
    """Everything that executes, over one record and one clock."""

    database: Database
    clock: MovedClock
    registry: VenueRegistry
    admit: AdmitParts
    numbers: int = 0

    def drive_parts(
        self, faults: Faults | None = None, *, lease_s: float = 30.0, keeps_record: bool = False
    ) -> DriveParts:
        """Parts of one executor; with faults its steps are counted, see `FaultyVenues`."""
        found = faults or Faults()
        return DriveParts(
            faulty_transactions(self.database.transactions, found),
            FaultyVenues(self.registry, found, keeps_record=keeps_record),
            self.clock,
            self.clock.sleep,
            DriveRules(lease_s=lease_s, call_s=5.0, grace_s=60.0),
            steady=lambda: self.clock.now().timestamp(),
        )

    def held_by(self, owner: str) -> None:
        """Let an executor hold what is admitted from now on."""
        self.admit = replace(self.admit, holder=Holder(owner, 30.0))

    async def end_leases(self) -> None:
        """Let the time of every lease pass, as it does when its owner is dead."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE orders_sim SET lease_until = clock_timestamp() - interval '1 second'"
                " WHERE lease_until IS NOT NULL"
            )

    def entropy(self, n_bytes: int) -> bytes:
        """Count up."""
        self.numbers += 1
        return self.numbers.to_bytes(n_bytes, "big")

    async def entered(
        self, *quantities: str, price: str | None = "100", side: Side = Side.BUY, strategy: str = "s1"
    ) -> str:
        """Store orders in BTC; returns their decision."""
        orders = tuple(
            EnteredOrder(
                "BTC",
                side,
                Decimal(one),
                est_price=None if price is None else Decimal(price),
                strategy_id=strategy,
            )
            for one in quantities
        )
        executor = Executor(self.drive_parts())
        request = EnterRequest(orders)
        return (await enter_orders(request, ExecutionParts(self.admit, executor, self.entropy))).decision_id

    async def admitted(self, *quantities: str, **run: object) -> list[StoredOrder]:
        """Store and admit orders in BTC."""
        decision_id = await self.entered(*quantities)
        request = RunRequest(decision_id, **run)  # type: ignore[arg-type]  # fields by name
        return list(await admit(request, self.admit, by=BY))


async def open_world(database: Database, *, sleep: Callable[[float], Awaitable[None]] | None = None) -> World:
    """Record a market of BTC at 100, ten thousand in a bar, and make what executes; `sleep` is the venue's delay."""
    clock = MovedClock()
    await add_prices(database, "BTC", 100.0, until=clock.at - timedelta(seconds=1))
    await add_bars(database, "BTC", price=100.0, volume=10_000.0, until=clock.at - timedelta(hours=1))
    market = RecordedMarket(database.transactions, max_age=timedelta(hours=2))
    rules = PaperRules(latency_s=0.01)
    registry = VenueRegistry(PaperParts(database.transactions, market, clock, rules, sleep or clock.sleep))
    limits = RiskLimits(
        max_single_weight=10.0,
        max_gross_exposure=10.0,
        max_turnover=10.0,
        max_sector_exposure=10.0,
        max_style_exposure=10.0,
    )
    risk = RiskParts(database.transactions, limits, clock)
    admit = AdmitParts(database.transactions, clock, risk, registry, Decimal(1_000_000))
    return World(database, clock, registry, admit)
