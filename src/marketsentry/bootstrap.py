"""Joins settings, adapters and services; nothing else knows all of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr
from redis.asyncio import Redis

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.clock import ReplayClock, SystemClock
from marketsentry.adapters.code_version import code_version
from marketsentry.adapters.embedded import EmbeddedEngines, Engines, read_owner
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.trainer_process import ProcessTrainer
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_book import RecordedBooks
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.adapters.venues.replay_market import ReplayMarket
from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.risk.limits import BreakerLimits, HourRule, RiskLimits
from marketsentry.core.risk.profiles import BucketCaps
from marketsentry.exceptions import MarketSentryError
from marketsentry.logs import set_up_logs
from marketsentry.ports import Artifacts, Clock, Entropy, Stores, Transactions
from marketsentry.ports.accounts import DRILL
from marketsentry.ports.execution import Venues
from marketsentry.ports.order_feed import OrderFeed
from marketsentry.ports.training import Trainer
from marketsentry.services.account_figures import LedgerFigures
from marketsentry.services.execution import ExecutionParts
from marketsentry.services.execution_drive import DriveParts, DriveRules
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.executor import Executor
from marketsentry.services.flatten import FlattenParts
from marketsentry.services.order_stream import OrderWatch
from marketsentry.services.portfolio import PortfolioParts
from marketsentry.services.predict import ServingParts, ServingRules
from marketsentry.services.risk import LimitRecord, RiskParts
from marketsentry.services.serving import ServingCache
from marketsentry.services.signals import SignalParts
from marketsentry.settings import Settings, is_loopback, load_settings

if TYPE_CHECKING:
    from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
    from marketsentry.ports.dataset_files import DatasetFiles  # imports the features, and numba with them
    from marketsentry.services.drill import DrillParts
    from marketsentry.services.parity import ParityParts
    from marketsentry.services.trader_replay import ReplayParts

_REVIVE_EVERY_S = 0.5
_REDIS_LIMIT_S = 5.0
_LIFTED = 1e9  # a limit that nothing reaches
_DRILL_RULES = DriveRules(
    lease_s=10.0, call_s=6.0, grace_s=17.0
)  # an order that never arrived is missed soon
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class System:
    """The running parts that services are called with; open between `open_system` and its end."""

    settings: Settings
    database: Database
    redis: "Redis"
    artifacts: Artifacts
    clock: Clock
    trainer: Trainer
    datasets_dir: Path
    reports_dir: Path
    engines: Engines
    owned_engines: EmbeddedEngines
    risk_limits: RiskLimits
    venues: Venues
    executor: Executor
    order_feeds: Callable[[], Sequence[OrderFeed]] = tuple
    serving_cache: ServingCache = field(default_factory=ServingCache)
    entropy: Entropy = secrets.token_bytes
    limit_record: LimitRecord = field(default_factory=LimitRecord)

    @property
    def transactions(self) -> Transactions:
        """Opens transactions on the record."""
        return self.database.transactions

    @property
    def dataset_files(self) -> "DatasetFiles":
        """Keeps datasets as Parquet files."""
        from marketsentry.adapters.dataset_files import ParquetDatasets  # brings DuckDB and the kernels

        return ParquetDatasets(self.datasets_dir)

    @property
    def serving(self) -> ServingParts:
        """What predictions need."""
        rules = ServingRules(
            models=self.settings.models_by_horizon(),
            feature_version=self.settings.feature_version,
            data_version=self.settings.data_version,
            stale_after_bars=self.settings.stale_after_bars,
        )
        return ServingParts(self.transactions, self.artifacts, self.clock, self.serving_cache, rules)

    @property
    def signals(self) -> SignalParts:
        """What signals need."""
        return SignalParts(self.serving, self.entropy)

    @property
    def portfolio(self) -> PortfolioParts:
        """What a rebalance needs."""
        return PortfolioParts(self.transactions, self.clock, self.entropy, self.risk_limits)

    @property
    def risk(self) -> RiskParts:
        """What the risk plane needs."""
        figures = LedgerFigures(self.clock, timedelta(seconds=self.settings.risk_max_price_age_s))
        return RiskParts(
            self.transactions, self.risk_limits, self.clock, account=figures, record=self.limit_record
        )

    @property
    def execution(self) -> ExecutionParts:
        """What execution needs."""
        admit = AdmitParts(
            self.transactions, self.clock, self.risk, self.venues, paper_capital=self.settings.paper_capital
        )
        return ExecutionParts(admit, self.executor, self.entropy)

    @property
    def order_watch(self) -> OrderWatch:
        """What listens to the live venues and lets orders be looked at."""
        return OrderWatch(self.order_feeds(), self.executor)

    @property
    def flatten(self) -> FlattenParts:
        """What closing everything needs."""
        return FlattenParts(self.execution.admit, self.executor, self.entropy)

    @property
    def code_version(self) -> str:
        """Hash of the sources that decide what is in a dataset, a model or a run."""
        return code_version()

    @property
    def quality_limits(self) -> QualityLimits:
        """Limits of the data-quality gate that are in force."""
        return QualityLimits(
            max_missing_rate=self.settings.dq_max_missing_rate,
            max_invalid_price_rate=self.settings.dq_max_invalid_price_rate,
            max_duplicate_rate=self.settings.dq_max_duplicate_rate,
            max_stale_ratio=self.settings.dq_max_stale_ratio,
            min_rows=self.settings.dq_min_rows,
        )

    def engine_env(self) -> Mapping[str, str]:
        """Return the variables that let a child process share these engines."""
        return {"DATABASE_URL": self.engines.database_url, "REDIS_URL": self.engines.redis_url}


@asynccontextmanager
async def open_system(settings: Settings | None = None) -> AsyncIterator[System]:
    """Start the engines that are not configured elsewhere, migrate to the newest schema, connect.

    Parameters
    ----------
    settings
        Read from the environment when absent; then the logs are set up by them too.

    Yields
    ------
    System
        Everything closed and stopped again when the block ends.

    Raises
    ------
    InputError
        If a setting is malformed, or the database was built by a newer program.
    ConflictError
        If another program runs the engines of the data directory.
    DependencyError
        If an engine does not start or answer, or a migration fails.
    """
    if settings is None:
        settings = load_settings()
        set_up_logs(settings)
    owned = _engines(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, owned.stop)
        await asyncio.to_thread(owned.start)
        engines = owned.urls
        await asyncio.to_thread(migrate.upgrade, engines.database_url)
        database = await stack.enter_async_context(_database(settings, engines))
        redis = Redis.from_url(
            engines.redis_url, socket_timeout=_REDIS_LIMIT_S, socket_connect_timeout=_REDIS_LIMIT_S
        )
        stack.push_async_callback(redis.aclose)
        await stack.enter_async_context(_kept_alive(owned))
        clock = SystemClock()
        venues = _venues(settings, database.transactions, clock)
        stack.push_async_callback(venues.close)
        executor = Executor(DriveParts(database.transactions, venues, clock))
        stack.push_async_callback(executor.close)
        yield System(
            settings=settings,
            database=database,
            redis=redis,
            artifacts=FileArtifacts(settings.home / "artifacts", model_dir=settings.model_dir),
            clock=clock,
            trainer=ProcessTrainer(settings.home / "scratch"),
            datasets_dir=settings.home / "datasets",
            reports_dir=settings.home / "reports",
            engines=engines,
            owned_engines=owned,
            risk_limits=risk_limits(settings),
            venues=venues,
            executor=executor,
            order_feeds=venues.feeds,
        )


@asynccontextmanager
async def join_system() -> AsyncIterator[System]:
    """Open the system beside the program that runs the engines of the data directory, else as `open_system` does.

    For what must work while everything runs, and takes seconds: those engines end with their program.

    Yields
    ------
    System
        Settings come from the environment.

    Raises
    ------
    InputError
        If a setting is malformed, or the database was built by a newer program.
    ConflictError
        If the other program is just starting or stopping its engines.
    DependencyError
        If an engine does not answer.
    """
    settings = load_settings()
    set_up_logs(settings)
    async with open_system(sharing_engines(settings)) as system:
        yield system


def sharing_engines(settings: Settings) -> Settings:
    """Point to the engines of the program that runs them; what is configured elsewhere stays."""
    owner = read_owner(settings.home)
    if owner is None:
        return settings
    running = {"database_url": owner.database_url, "redis_url": owner.redis_url}
    return settings.model_copy(
        update={name: SecretStr(url) for name, url in running.items() if url and not getattr(settings, name)}
    )


def live_venue(
    settings: Settings, venue: str, *, base_url: str | None = None, is_public: bool = False
) -> "CcxtVenue":
    """Make the adapter of a live venue; nothing is sent yet.

    Parameters
    ----------
    settings
        Keys, addresses and locks.
    venue
        `coinbase` or `bitget`.
    base_url
        Address in place of the configured one, for a server that speaks the venue's protocol.
    is_public
        Whether it will be asked only for what needs no key.

    Returns
    -------
    CcxtVenue
        It may be read, and its orders cancelled. With a closed lock it refuses orders as `live_trading_disabled`;
        a simulated exchange on this machine has no lock where its address is given here.

    Raises
    ------
    VenueRefusedError
        `unsupported_venue:{venue}`, or `{venue}_credentials_not_configured`.
    """
    from marketsentry.adapters.venues.live import LiveSettings, open_live

    def told(secret: SecretStr | None) -> str:
        return "" if secret is None else secret.get_secret_value()

    is_coinbase = venue == "coinbase"
    address = base_url or (settings.coinbase_advanced_trade_api if is_coinbase else settings.bitget_api)
    is_simulated = is_loopback(urlsplit(address).hostname or "")
    is_unlocked = settings.live_trading_enabled and venue in settings.live_venues
    return open_live(
        LiveSettings(
            venue=venue,
            base_url=address,
            api_key=told(settings.coinbase_api_key if is_coinbase else settings.bitget_api_key),
            api_secret=told(settings.coinbase_api_secret if is_coinbase else settings.bitget_api_secret),
            passphrase="" if is_coinbase else told(settings.bitget_api_passphrase),
            timeout_s=settings.coinbase_exec_timeout_sec if is_coinbase else settings.bitget_exec_timeout_sec,
            quote_currency=settings.coinbase_quote_currency,
            symbols=settings.liquid_symbols,
            max_skew_s=settings.venue_max_clock_skew_s,
            is_unlocked=is_simulated and (is_unlocked or base_url is not None),
            market=settings.bitget_market,
            margin_mode=settings.bitget_margin_mode,
            leverage=settings.bitget_leverage,
        ),
        is_public=is_public,
    )


def risk_limits(settings: Settings) -> RiskLimits:
    """Take the risk limits out of the settings; they stay as they are while the process runs (K-43)."""
    return RiskLimits(
        max_single_weight=settings.risk_max_single_weight,
        max_gross_exposure=settings.risk_max_gross_exposure,
        max_turnover=settings.risk_max_turnover,
        max_drawdown=settings.risk_max_drawdown,
        max_sector_exposure=settings.risk_max_sector_exposure,
        max_style_exposure=settings.risk_max_style_exposure,
        max_daily_loss=settings.risk_max_daily_loss,
        max_consecutive_losses=settings.risk_max_consecutive_losses,
        hard_block_minutes=settings.risk_hard_block_minutes,
        bucket_caps=BucketCaps(
            {
                "trend": settings.risk_bucket_trend,
                "event": settings.risk_bucket_event,
                "mean_reversion": settings.risk_bucket_mean_reversion,
            }
        ),
        breaker=BreakerLimits(
            max_abs_return=settings.risk_max_abs_return,
            by_symbol=settings.risk_max_abs_return_symbols,
            by_hour=tuple(HourRule(*rule) for rule in settings.risk_max_abs_return_tod_multiplier),
            max_price_age_s=settings.risk_max_price_age_s,
        ),
    )


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
    async with _database(system.settings, system.engines, is_durable=False) as database:
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
    async with _database(system.settings, system.engines, is_durable=False) as database:
        paper = _paper(system.settings, database.transactions, clock)
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
            yield ReplayParts(clock, LiveParts(admit, executor, serving, system.entropy), stop)
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


@contextmanager
def running_engines(settings: Settings) -> Iterator[EmbeddedEngines]:
    """Start the engines alone, for the verbs that look after the database itself."""
    with _engines(settings) as engines:
        yield engines


def _venues(settings: Settings, transactions: Transactions, clock: Clock) -> VenueRegistry:
    return VenueRegistry(
        _paper(settings, transactions, clock),
        open_live=lambda venue: live_venue(settings, venue),
        coinbase_currency=settings.coinbase_quote_currency,
    )


def _paper(settings: Settings, transactions: Transactions, clock: Clock) -> PaperParts:
    market = RecordedMarket(transactions, max_age=timedelta(seconds=settings.risk_max_price_age_s))
    rules = PaperRules(capital=settings.paper_capital, seed=settings.paper_seed)
    books = None
    if settings.paper_model == "book":
        books = RecordedBooks(transactions, max_age=timedelta(seconds=settings.paper_max_book_age_s))
    return PaperParts(transactions, market, clock, rules, books=books)


def _engines(settings: Settings) -> EmbeddedEngines:
    return EmbeddedEngines(
        settings.home,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
    )


def _database(settings: Settings, engines: Engines, *, is_durable: bool = True) -> Database:
    return Database(
        engines.database_url,
        min_connections=settings.db_pool_min_conn,
        max_connections=settings.db_pool_max_conn,
        statement_timeout_s=settings.statement_timeout_s,
        is_durable=is_durable,
    )


@asynccontextmanager
async def _kept_alive(engines: EmbeddedEngines) -> AsyncIterator[None]:
    """Start an engine of ours again when it dies while the block runs."""
    if not engines.pids:
        yield
        return
    watch = asyncio.create_task(_revive(engines))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _revive(engines: EmbeddedEngines) -> None:
    while True:
        await asyncio.sleep(_REVIVE_EVERY_S)
        if None not in engines.pids.values():
            continue
        try:
            revived = await asyncio.to_thread(engines.revive)
        except MarketSentryError as error:
            log.error("engine_stays_down", reason=str(error))
        else:
            log.warning("engine_revived", engines=revived)
