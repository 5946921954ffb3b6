"""A trader on a record of its own time, on paper or at a live venue, and the bars that close for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.bootstrap import System
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.ports.orders import OrderFilter, StoredOrder
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.trader_live import LiveParts, LiveRules, LiveTrader
from marketsentry.services.trader_parts import BarStep
from small_market import HOUR, FixedClock
from traded_runs import SYMBOLS
from trader_market import N_BARS, N_LIVE, part


class NotingExecutor(Executor):
    """Tells when it was handed orders: the decision and their admission are committed then."""

    on_handed: Callable[[], None] | None = None

    async def settle(
        self, orders: Sequence[StoredOrder | int], *, within_s: float, skips_unknown: bool = False
    ) -> None:
        if self.on_handed is not None:
            self.on_handed()
        await super().settle(orders, within_s=within_s, skips_unknown=skips_unknown)


class Desk:
    """A trader of its own strategy and account, at a time that the test sets."""

    def __init__(
        self, system: System, market: Sequence[BarSeries], strategy_id: str, live: CcxtVenue | None = None
    ) -> None:
        self.market, self.strategy_id, self._live = market, strategy_id, live
        self.clock = FixedClock(ns_to_datetime(int(market[0].ts_ns[N_BARS - N_LIVE])) + timedelta(seconds=1))
        recorded = RecordedMarket(system.transactions, max_age=timedelta(hours=2))
        paper = PaperParts(system.transactions, recorded, self.clock, rules=PaperRules(latency_s=0.0))
        venues = VenueRegistry(paper, open_live=None if live is None else lambda _: live)
        self.transactions = system.transactions
        self.executor = NotingExecutor(DriveParts(system.transactions, venues, self.clock))
        self.parts = LiveParts(
            AdmitParts(
                system.transactions,
                self.clock,
                replace(system.risk, clock=self.clock, account=None),
                venues,
                paper_capital=Decimal(100_000),
                holder=self.executor.holder,
            ),
            self.executor,
            replace(system.serving, clock=self.clock),
            system.entropy,
        )
        self.trader = self.started()

    def started(self) -> LiveTrader:
        """The trader as after a start of the program."""
        eager = {"cost_multiple": 0.0, "rebalance_band_frac": 0.005}
        rules = LiveRules("1h", self.strategy_id, SYMBOLS, venue=self.strategy_id, replay=eager)
        if self._live is not None:
            rules = replace(rules, adapter=self._live.name, venue=self._live.name.removesuffix("_live"))
        return LiveTrader(rules, self.parts)

    async def bar_closes(self, n: int) -> None:
        """The `n`-th live bar closes and its bars come into the record."""
        at = N_BARS - N_LIVE + n
        self.clock.at = ns_to_datetime(int(self.market[0].ts_ns[at]) + HOUR.ns) + timedelta(seconds=1)
        async with self.transactions() as stores:
            for series in self.market:
                await stores.bars.merge(part(series, at, at + 1))

    async def trade(self, n: int) -> BarStep:
        await self.bar_closes(n)
        step = await self.trader.tick()
        assert isinstance(step, BarStep), step
        return step

    async def orders(self) -> Sequence[StoredOrder]:
        async with self.transactions() as stores:
            wanted = OrderFilter(strategy_id=self.strategy_id)
            return await stores.orders.page(wanted, before_id=None, limit=1_000)
