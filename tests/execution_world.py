"""Everything that executes, over one record and one clock."""

from dataclasses import dataclass
from decimal import Decimal

from faulty_venue import Faults, FaultyVenues, MovedClock, faulty_transactions
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import Side
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts, DriveRules
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.executor import Executor

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
        )

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
