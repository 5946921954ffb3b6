"""Joins settings, adapters and services; nothing else knows all of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr
from redis.asyncio import Redis

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.code_version import code_version
from marketsentry.adapters.embedded import EmbeddedEngines, Engines, kept_alive, read_owner
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.trainer_process import ProcessTrainer
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_book import RecordedBooks
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.risk.limits import BreakerLimits, HourRule, RiskLimits
from marketsentry.core.risk.profiles import BucketCaps
from marketsentry.logs import set_up_logs
from marketsentry.ports import Artifacts, Clock, Entropy, Transactions
from marketsentry.ports.execution import Venues
from marketsentry.ports.order_feed import OrderFeed
from marketsentry.ports.training import Trainer
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.executor import Executor
from marketsentry.services.risk import LimitRecord, RiskParts
from marketsentry.services.serving import ServingCache
from marketsentry.setting_values import is_loopback
from marketsentry.settings import Settings, load_settings

if TYPE_CHECKING:  # a property imports what it hands out: much of it brings the core and numba
    from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
    from marketsentry.core.gates.data_quality import QualityLimits
    from marketsentry.ports.dataset_files import DatasetFiles
    from marketsentry.services.execution import ExecutionParts
    from marketsentry.services.flatten import FlattenParts
    from marketsentry.services.order_stream import OrderWatch
    from marketsentry.services.portfolio import PortfolioParts
    from marketsentry.services.predict import ServingParts
    from marketsentry.services.signals import SignalParts

_REDIS_LIMIT_S = 5.0


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
        from marketsentry.adapters.dataset_files import ParquetDatasets

        return ParquetDatasets(self.datasets_dir)

    @property
    def serving(self) -> "ServingParts":
        """What predictions need."""
        from marketsentry.services.predict import ServingParts
        from marketsentry.services.predict_told import ServingRules

        rules = ServingRules(
            models=self.settings.models_by_horizon(),
            feature_version=self.settings.feature_version,
            data_version=self.settings.data_version,
            stale_after_bars=self.settings.stale_after_bars,
        )
        return ServingParts(self.transactions, self.artifacts, self.clock, self.serving_cache, rules)

    @property
    def signals(self) -> "SignalParts":
        """What signals need."""
        from marketsentry.services.signals import SignalParts

        return SignalParts(self.serving, self.entropy)

    @property
    def portfolio(self) -> "PortfolioParts":
        """What a rebalance needs."""
        from marketsentry.services.portfolio import PortfolioParts

        return PortfolioParts(self.transactions, self.clock, self.entropy, self.risk_limits)

    @property
    def risk(self) -> RiskParts:
        """What the risk plane needs."""
        from marketsentry.services.account_figures import LedgerFigures

        figures = LedgerFigures(self.clock, timedelta(seconds=self.settings.risk_max_price_age_s))
        return RiskParts(
            self.transactions, self.risk_limits, self.clock, account=figures, record=self.limit_record
        )

    @property
    def execution(self) -> "ExecutionParts":
        """What execution needs."""
        from marketsentry.services.execution import ExecutionParts
        from marketsentry.services.execution_request import AdmitParts

        admit = AdmitParts(
            *(self.transactions, self.clock, self.risk, self.venues),
            paper_capital=self.settings.paper_capital,
            holder=self.executor.holder,
        )
        return ExecutionParts(admit, self.executor, self.entropy)

    @property
    def order_watch(self) -> "OrderWatch":
        """What listens to the live venues and lets orders be looked at."""
        from marketsentry.services.order_stream import OrderWatch

        return OrderWatch(self.order_feeds(), self.executor)

    @property
    def flatten(self) -> "FlattenParts":
        """What closing everything needs."""
        from marketsentry.services.flatten import FlattenParts

        return FlattenParts(self.execution.admit, self.executor, self.entropy)

    @property
    def code_version(self) -> str:
        """Hash of the sources that decide what is in a dataset, a model or a run."""
        return code_version()

    @property
    def quality_limits(self) -> "QualityLimits":
        """Limits of the data-quality gate that are in force."""
        from marketsentry.core.gates.data_quality import QualityLimits

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
        database = await stack.enter_async_context(open_database(settings, engines))
        redis = Redis.from_url(
            engines.redis_url, socket_timeout=_REDIS_LIMIT_S, socket_connect_timeout=_REDIS_LIMIT_S
        )
        stack.push_async_callback(redis.aclose)
        await stack.enter_async_context(kept_alive(owned))
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


@contextmanager
def running_engines(settings: Settings) -> Iterator[EmbeddedEngines]:
    """Start the engines alone, for the verbs that look after the database itself."""
    with _engines(settings) as engines:
        yield engines


def _venues(settings: Settings, transactions: Transactions, clock: Clock) -> VenueRegistry:
    return VenueRegistry(
        paper_parts(settings, transactions, clock),
        open_live=lambda venue: live_venue(settings, venue),
        coinbase_currency=settings.coinbase_quote_currency,
    )


def paper_parts(settings: Settings, transactions: Transactions, clock: Clock) -> PaperParts:
    """Choose what fills paper orders: recorded bars, or recorded books before them."""
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


def open_database(settings: Settings, engines: Engines, *, is_durable: bool = True) -> Database:
    """Make the pool on the record, not opened yet; see `Database` for `is_durable`."""
    return Database(
        engines.database_url,
        min_connections=settings.db_pool_min_conn,
        max_connections=settings.db_pool_max_conn,
        statement_timeout_s=settings.statement_timeout_s,
        is_durable=is_durable,
    )
