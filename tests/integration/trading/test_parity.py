"""A stored backtest traded again on paper through the whole stack: equal in weights, fills and equity (design D1)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System, open_system, replayed_trading
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.synthetic import make_market
from marketsentry.ports.account_lists import Wanted
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.parity import ParityReport, load_run, trade_again
from marketsentry.services.training import train_candidate
from marketsentry.settings import Settings
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer

SYMBOLS = ("BTC", "ETH", "SOL")
N_DAYS = 60
WINDOW = {"lookback_days": 40, "train_days": 15, "test_days": 5}
DEFAULTS = BacktestDefaults(
    {"liquid": SYMBOLS},
    {"liquid": ("panel", "v1")},
    replay={"cost_multiple": 0.05, "rebalance_band_frac": 0.005},
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trading")


@pytest.fixture(scope="module")
def settings(engines: Engines, module_database_url: str, home: Path) -> Settings:
    return Settings.model_validate(
        {"home": home, "database_url": module_database_url, "redis_url": engines.redis_url}
    )


@pytest.fixture(scope="module")
def run_id(settings: Settings) -> int:
    """A run of a trained model that really trades."""

    async def fill() -> int:
        async with open_system(settings) as system:
            market = make_market(
                seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=N_DAYS * 24, signal_strength=2.0
            )
            async with system.transactions() as stores:
                for series in market.series:
                    await stores.bars.merge(series)
            clock = FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
            dataset = await build_dataset(
                DatasetRequest(SYMBOLS, HOUR),
                feature_set=BUILTIN,
                code_version="code-1",
                transactions=system.transactions,
                files=ParquetDatasets(settings.home / "datasets"),
                clock=clock,
            )
            await train_candidate(
                dataset,
                CandidateRequest(
                    "panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 20}), n_folds=3
                ),
                feature_set=BUILTIN,
                trainer=InProcessTrainer(),
                transactions=system.transactions,
                artifacts=system.artifacts,
                clock=clock,
            )
            stored = await run_backtest(
                BacktestRequest(track="liquid", **WINDOW),
                transactions=system.transactions,
                artifacts=system.artifacts,
                clock=clock,
                defaults=DEFAULTS,
                code_version="code-1",
            )
            assert stored.run.status == "completed", stored.run.metrics["reason"]
            return stored.id

    return asyncio.run(fill())


@pytest.fixture
async def system(settings: Settings, run_id: int) -> AsyncIterator[System]:
    async with open_system(settings) as opened:
        yield opened


async def trade(system: System, run_id: int) -> ParityReport:
    context = RunContext(system.transactions, system.artifacts, system.clock, "code-1")
    run = await load_run(run_id, context=context, defaults=DEFAULTS)
    return await trade_again(run, replayed_trading(system, run.panel.symbols, run.params))


async def test_a_paper_run_equals_its_backtest(system: System, run_id: int) -> None:
    report = await trade(system, run_id)
    assert report.parity.n_fills > 50
    assert report.parity.n_only_in_run == report.parity.n_only_in_backtest == 0
    assert report.parity.max_abs_diff <= 1e-9, report.parity
    assert report.blocked == 0
    async with system.transactions() as stores:
        wanted = Wanted(strategy_id=report.strategy_id)
        fills = await stores.account_lists.fills(
            wanted, decision_id=None, order_id=None, before_id=None, limit=5
        )
        order = await stores.orders.get(fills[0].order_id)
        signal = await stores.signals.get(order.signal_id or 0)
        assert signal.prediction_id is not None
        prediction = await stores.predictions.get(signal.prediction_id)
    assert prediction.model_id is not None
    assert prediction.feature_snapshot_id is not None
    assert prediction.decision_id == signal.decision_id == order.decision_id
    assert order.filled_qty == order.quantity > Decimal(0)
    assert np.isfinite(report.parity.equity)
