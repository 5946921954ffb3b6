"""The trading plane on something else than the market: a replay of bars, or an exchange that is broken on purpose."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import SecretStr

from marketsentry.adapters.clock import ReplayClock
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.adapters.venues.replay_market import ReplayMarket
from marketsentry.bootstrap import System, live_venue, open_database, paper_parts
from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.risk.limits import BreakerLimits, RiskLimits
from marketsentry.ports import Stores
from marketsentry.ports.accounts import DRILL
from marketsentry.services.execution_claim import DriveParts, DriveRules
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.risk import RiskParts
from marketsentry.services.serving import ServingCache

if TYPE_CHECKING:
    from marketsentry.services.drill import DrillParts
    from marketsentry.services.parity import ParityParts
    from marketsentry.services.trader_replay import ReplayParts

_LIFTED = 1e9  # a limit that nothing reaches
_DRILL_RULES = DriveRules(
    lease_s=10.0, call_s=6.0, grace_s=17.0
)  # an order that never arrived is missed soon


@asynccontextmanager
async def replayed_trading(
    system: System, symbols: Sequence[str], params: ReplayParams
) -> AsyncIterator["ParityParts"]:
    """Put the trading plane on a clock and a market that a replay moves.

    Parameters
    ----------
    system
        The open system; its record is traded on, in an account of its own.
    symbols
        What is traded.
    params
        Capital and costs of the backtest.

    Yields
    ------
    ParityParts
        Risk rules that a backtest does not have are lifted; its caps are in every decision. Commits do not wait for
        the disk: what a replay loses in a crash is made again by the next one.
    """
    from marketsentry.services.parity import ParityParts  # brings the kernels

    clock, market = ReplayClock(datetime.fromtimestamp(0, tz=UTC)), ReplayMarket(symbols)
    rules = PaperRules(
        charges_mid=True,
        latency_s=0.0,
        half_spread_bps=params.half_spread_bps,
        impact_coefficient=params.impact_coefficient,
        participation_frac=params.participation_frac,
        lot_size=Decimal(0),
        capital=Decimal(repr(params.capital_quote)),
    )
    async with open_database(system.settings, system.engines, is_durable=False) as database:
        paper = PaperParts(database.transactions, market, clock, rules=rules, sleep=_yield_only)
        admit, drive = _replayed_plane(paper, RiskParts(database.transactions, _lifted_limits(), clock))
        yield ParityParts(clock, market, admit, drive, new_id=lambda: system.entropy(16).hex())


def _replayed_plane(paper: PaperParts, risk: RiskParts) -> tuple[AdmitParts, DriveParts]:
    """Put admission and execution on the record and the clock of a paper venue; there is no other venue."""
    venues = VenueRegistry(paper)
    return (
        AdmitParts(paper.transactions, paper.clock, risk, venues, paper_capital=paper.rules.capital),
        DriveParts(paper.transactions, venues, paper.clock, sleep=_yield_only),
    )


@asynccontextmanager
async def replayed_trader(system: System, *, stop: asyncio.Event) -> AsyncIterator["ReplayParts"]:
    """Put the trader on a clock that a replay moves; market, risk and paper venue are those of the settings.

    Parameters
    ----------
    system
        The open system; its record is traded on, in an account of its own.
    stop
        Set it to end the replay after the bar under way.

    Yields
    ------
    ReplayParts
        There are no live venues. Rules that pull a switch (daily loss, drawdown, streak, breaker) are lifted, for the
        switches are those of real trading. Commits do not wait for the disk.
    """
    from marketsentry.services.trader_live import LiveParts  # brings the kernels
    from marketsentry.services.trader_replay import ReplayParts

    clock = ReplayClock(datetime.fromtimestamp(0, tz=UTC))
    async with open_database(system.settings, system.engines, is_durable=False) as database:
        paper = paper_parts(system.settings, database.transactions, clock)
        limits = replace(
            system.risk_limits,
            max_drawdown=_LIFTED,
            max_daily_loss=_LIFTED,
            max_consecutive_losses=int(_LIFTED),
            breaker=BreakerLimits(max_abs_return=0.0, max_price_age_s=_LIFTED),
        )
        admit, drive = _replayed_plane(
            replace(paper, rules=replace(paper.rules, latency_s=0.0), sleep=_yield_only),
            RiskParts(database.transactions, limits, clock),
        )
        executor = Executor(drive)
        serving = replace(
            system.serving, transactions=database.transactions, clock=clock, cache=ServingCache()
        )
        try:
            held = replace(admit, holder=executor.holder)
            yield ReplayParts(clock, LiveParts(held, executor, serving, system.entropy), stop)
        finally:
            await executor.close()


@asynccontextmanager
async def jitter_drill(system: System, *, seed: int) -> AsyncIterator["DrillParts"]:
    """Run a simulated exchange, and put a trading plane with lifted limits on the live adapter that speaks to it.

    Parameters
    ----------
    system
        The open system; its record is traded on, under a venue, an account and a strategy of their own.
    seed
        Of the exchange.

    Yields
    ------
    DrillParts
        The exchange and its connections end with the block.

    Raises
    ------
    DependencyError
        If the exchange does not start.
    """
    from marketsentry.adapters.simulated_exchange import running_exchange
    from marketsentry.adapters.venues.one_venue import OneVenue
    from marketsentry.services.drill import DrillParts

    name = f"{DRILL}{system.entropy(6).hex()}"
    async with running_exchange("coinbase", seed=seed) as exchange:
        keys = {
            "coinbase_api_key": SecretStr(exchange.api_key),
            "coinbase_api_secret": SecretStr(exchange.api_secret),
            "coinbase_exec_timeout_sec": _DRILL_RULES.call_s / 4,
            "coinbase_quote_currency": "USD",
        }
        venue = live_venue(system.settings.model_copy(update=keys), "coinbase", base_url=exchange.url)
        try:
            venues = OneVenue(venue, name=name, currency="USD")
            risk = RiskParts(system.transactions, _lifted_limits(), system.clock)
            admit = AdmitParts(
                *(system.transactions, system.clock, risk, venues),
                paper_capital=Decimal(0),
                stage_of=_all_of_it,
            )
            drive = DriveParts(system.transactions, venues, system.clock, rules=_DRILL_RULES)
            yield DrillParts(exchange, admit, drive, system.entropy, name, venue.name)
        finally:
            await venue.close()


def _lifted_limits() -> RiskLimits:
    return RiskLimits(
        max_single_weight=_LIFTED,
        max_gross_exposure=_LIFTED,
        max_turnover=_LIFTED,
        max_drawdown=_LIFTED,
        max_sector_exposure=_LIFTED,
        max_style_exposure=_LIFTED,
        max_daily_loss=_LIFTED,
        max_consecutive_losses=int(_LIFTED),
        breaker=BreakerLimits(max_abs_return=0.0, max_price_age_s=_LIFTED),
    )


async def _all_of_it(stores: Stores, *, track: str, is_live: bool) -> int:
    return 100


async def _yield_only(seconds: float) -> None:
    """Wait for nothing: the clock of a replay does not move by itself."""
    await asyncio.sleep(0)
