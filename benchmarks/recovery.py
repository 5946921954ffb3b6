"""After an outage of the venue: how long until every open order is known again."""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from benchmarks.desk import PER_DAY, Desk, make_bars
from benchmarks.machine import commit_floor, load_now
from benchmarks.rows import Row, median, spread
from benchmarks.trading import admitted, with_system
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.adapters.venues.paper import PaperVenue
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import OrderStatus
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.venue import LegRef, LegRequest, LegView, OutcomeUnknownError, Venue
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.executor import Executor

N_RUNS, N_ORDERS = 5, 500
BUDGET_S = 2.0
UNKNOWN_WITHIN_S, KNOWN_WITHIN_S = 300.0, 120.0


def bench_reconcile() -> list[dict[str, Any]]:
    """500 orders reached the venue and no answer came back; the venue is there again -> none of them is unknown."""
    return with_system(_reconcile)


class Outage:
    """The paper venue behind a line that is cut after every order has been handed in."""

    def __init__(self, registry: VenueRegistry) -> None:
        self._registry, self.is_cut = registry, True

    def currency(self, adapter: str, venue: str) -> str:
        """Name the currency of the account."""
        return self._registry.currency(adapter, venue)

    def refusal(self, adapter: str, venue: str) -> str | None:
        """Tell why nothing can be sent."""
        return self._registry.refusal(adapter, venue)

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> None:
        """Tell that every venue is asked outside of the record."""

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        """Give the account behind the line."""
        opened = await self._registry.open(adapter, venue, fee_bps=fee_bps)
        assert isinstance(opened, PaperVenue)
        return _CutVenue(opened, self)


class _CutVenue:
    """Answers nothing while the line is cut; orders arrive all the same."""

    def __init__(self, venue: PaperVenue, outage: Outage) -> None:
        self._venue, self._outage = venue, outage

    async def submit(self, request: LegRequest) -> LegView:
        view = await self._venue.submit(request)
        self._answer()
        return view

    async def order(self, leg: LegRef) -> LegView | None:
        self._answer()
        return await self._venue.order(leg)

    def __getattr__(self, name: str) -> Any:  # every other call is that of the venue
        return getattr(self._venue, name)

    def _answer(self) -> None:
        if self._outage.is_cut:
            raise OutcomeUnknownError("the line is cut")


async def _reconcile(system: System) -> list[dict[str, Any]]:
    bars = make_bars(2 * PER_DAY)
    async with system.transactions() as stores:
        for series in bars:
            await stores.bars.merge(series)
    desk = Desk(system, bars, 2 * PER_DAY - 1)
    await desk.bar_closes()
    floor, load = await commit_floor(system), load_now()
    samples, n_sent = [], 0
    for _ in range(N_RUNS):
        outage = Outage(desk.venues)
        orders = await admitted(system, desk, N_ORDERS)
        await _end_leases(system)  # they were admitted into other hands
        before = Executor(DriveParts(system.transactions, outage, desk.clock))
        before.start([one.id for one in orders])
        await _wait_until(system, orders, {OrderStatus.UNKNOWN}, UNKNOWN_WITHIN_S)
        await before.close()
        await _end_leases(system)
        outage.is_cut = False
        after = Executor(DriveParts(system.transactions, outage, desk.clock))
        with sent_statements() as sent:
            started = time.perf_counter()
            await after.claim_open()
            await _wait_until(system, orders, {OrderStatus.FILLED}, KNOWN_WITHIN_S)
            samples.append(time.perf_counter() - started)
        n_sent = len(sent)
        await after.close()
    notes = (
        f"{N_ORDERS} orders whose answer was lost, claimed by a fresh executor, asked for, booked: "
        f"{n_sent / N_ORDERS:.0f} statements an order; the venue is the paper venue in the same record, so its own "
        f"statements are in the figure; limit is {N_ORDERS} durable commits one by one; {load}"
    )
    limit = N_ORDERS * floor.ms(0.5) / 1e3
    row = Row(
        "reconcile", median(samples), "s", BUDGET_S, limit, n=N_RUNS, spread=spread(samples), notes=notes
    )
    return [row.as_dict()]


async def _wait_until(
    system: System, orders: Sequence[StoredOrder], wanted: set[OrderStatus], within_s: float
) -> None:
    statement = "SELECT count(*) FROM orders_sim WHERE id = ANY(%s) AND status <> ALL(%s)"
    given = ([one.id for one in orders], [str(one) for one in wanted])
    async with asyncio.timeout(within_s):
        while True:
            async with system.database.connection() as connection:
                left = await (await connection.execute(statement, given)).fetchone()
            if left is not None and not left[0]:
                return
            await asyncio.sleep(0.05)


async def _end_leases(system: System) -> None:
    """Let the time of every lease pass, as it does when its owner is dead."""
    async with system.database.connection() as connection:
        await connection.execute("UPDATE orders_sim SET lease_owner = NULL, lease_until = NULL")
