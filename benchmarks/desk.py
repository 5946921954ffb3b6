"""A record with a trained model, and a desk that trades its newest bars on paper at times that the benchmark sets."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.bootstrap import System
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import DEFAULT_START_NS, make_market
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.risk.limits import BreakerLimits, RiskLimits
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.trader_live import LiveParts, LiveRules, LiveTrader
from marketsentry.services.training import train_candidate

SYMBOLS = ("BTC", "ETH", "SOL")
FIVE_MINUTES = parse_interval("5m")
PER_DAY = 288
HORIZON, MODEL = "1h", ("bench", "v1")
SEED = 11
_FAR = 1e9
LIMITS = RiskLimits(  # every rule is judged and none of them ends the measurement
    max_single_weight=_FAR,
    max_gross_exposure=_FAR,
    max_turnover=_FAR,
    max_drawdown=_FAR,
    max_sector_exposure=_FAR,
    max_style_exposure=_FAR,
    max_daily_loss=_FAR,
    max_consecutive_losses=int(_FAR),
    breaker=BreakerLimits(max_abs_return=0.0),
)
EAGER = {"cost_multiple": 0.0, "rebalance_band_frac": 0.0005}


class SetClock:
    """Tells the time that it was set to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the time of the benchmark."""
        return self.at


class TimedExecutor(Executor):
    """An executor that notes when it was handed orders: the decision and their admission are committed then."""

    handed_at = 0.0
    statements: list[str] | None = None
    handed_after = 0

    async def settle(
        self, orders: Sequence[StoredOrder | int], *, within_s: float, skips_unknown: bool = False
    ) -> None:
        """Note the time and the statements so far, and settle."""
        self.handed_at = time.perf_counter()
        if self.statements is not None:
            self.handed_after = len(self.statements)
        await super().settle(orders, within_s=within_s, skips_unknown=skips_unknown)


def make_bars(n_bars: int, *, start_ns: int = DEFAULT_START_NS) -> tuple[BarSeries, ...]:
    """Bars of 5 minutes of three coins with a strong signal; the same for every run."""
    return make_market(
        seed=SEED,
        symbols=SYMBOLS,
        interval=FIVE_MINUTES,
        n_bars=n_bars,
        start_ns=start_ns,
        signal_strength=2.0,
    ).series


def part(series: BarSeries, start: int, stop: int) -> BarSeries:
    """Bars `start` to `stop` of a series."""
    return replace(series, ts_ns=series.ts_ns[start:stop], values=series.values[start:stop])


async def train_on(system: System, bars: Sequence[BarSeries]) -> None:
    """Store bars, train the default model on all built-in features of them, and let it trade whatever its verdict."""
    async with system.transactions() as stores:
        for series in bars:
            await stores.bars.merge(series)
    clock = SetClock(ns_to_datetime(int(bars[0].ts_ns[-1]) + FIVE_MINUTES.ns))
    dataset = await build_dataset(
        DatasetRequest(SYMBOLS, FIVE_MINUTES),
        feature_set=BUILTIN,
        code_version=system.code_version,
        transactions=system.transactions,
        files=ParquetDatasets(system.datasets_dir),
        clock=clock,
    )
    name = MODEL[0]
    await train_candidate(
        dataset,
        CandidateRequest(name, "trained", HORIZON, model=ModelSpec("lightgbm_panel"), n_folds=2),
        feature_set=BUILTIN,
        trainer=system.trainer,
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=clock,
    )
    async with system.transactions() as stores:
        trained = (await stores.models.get(name, "trained")).model
        passed = {**trained.verdict, "outcome": "pass"}
        await stores.models.register(replace(trained, version=MODEL[1], verdict=passed))


class Desk:
    """The live trader of one strategy over bars that close when the benchmark says so.

    Parameters
    ----------
    system
        Its record holds the bars before `first`, and a model.
    bars
        All bars.
    first
        Row of the first live bar.
    """

    def __init__(self, system: System, bars: Sequence[BarSeries], first: int) -> None:
        self._system, self._bars, self._next = system, bars, first
        self.clock = SetClock(ns_to_datetime(int(bars[0].ts_ns[first])) + timedelta(seconds=1))
        market = RecordedMarket(system.transactions, max_age=timedelta(hours=2))
        paper = PaperParts(system.transactions, market, self.clock, PaperRules(latency_s=0.0))
        self.venues = VenueRegistry(paper)
        self.executor = TimedExecutor(DriveParts(system.transactions, self.venues, self.clock))
        self.admit = AdmitParts(
            system.transactions,
            self.clock,
            replace(system.risk, clock=self.clock, limits=LIMITS, account=None),
            self.venues,
            paper_capital=Decimal(100_000),
            holder=self.executor.holder,
        )
        serving = replace(
            system.serving,
            clock=self.clock,
            rules=replace(system.serving.rules, models={HORIZON: MODEL}),
        )
        self.trader = LiveTrader(
            LiveRules(HORIZON, "bench", SYMBOLS, venue="bench", replay=EAGER),
            LiveParts(self.admit, self.executor, serving, system.entropy),
        )

    async def bar_closes(self) -> None:
        """Bring the next bars into the record and let a second pass."""
        at = self._next
        self._next += 1
        self.clock.at = ns_to_datetime(int(self._bars[0].ts_ns[at]) + FIVE_MINUTES.ns) + timedelta(seconds=1)
        async with self._system.transactions() as stores:
            for series in self._bars:
                await stores.bars.merge(part(series, at, at + 1))
