"""A registered model and the calls of a backtest on it: real PostgreSQL, real files, real fold models."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.stored import RunFiles, read_run
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.synthetic import make_market
from marketsentry.ports import Transactions
from marketsentry.ports.runs import StoredRun
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import Dataset, DatasetRequest, build_dataset
from marketsentry.services.replay_check import ReplayReport, check_replay
from marketsentry.services.training import train_candidate
from small_market import HOUR, FixedClock
from training_inputs import SOUND, InProcessTrainer

SYMBOLS = ("BTC", "ETH")
N_DAYS = 120
WINDOW = {"lookback_days": 60, "train_days": 20, "test_days": 10}
DEFAULTS = BacktestDefaults(
    {"liquid": SYMBOLS, "vc": ("OpenAI",)}, {"liquid": ("panel", "v1"), "vc": ("none", "v0")}
)


CONTRACT_KEYS = {
    "status", "reason", "targets", "samples", "ic", "rank_ic", "hit_rate", "turnover", "pnl_after_cost", "max_drawdown",
    "model_name", "model_version", "lineage_coverage", "cost_breakdown", "gate_passed", "sharpe", "sortino",
    "volatility", "periods_per_year", "exposure", "trades", "folds", "per_target", "equity_curve_ref", "content_hash",
}  # fmt: skip


class Desk:
    """One record and one artifact folder, and the calls of a backtest on them."""

    def __init__(self, transactions: Transactions, folder: Path) -> None:
        self.transactions, self.folder = transactions, folder
        self.artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
        self.clock = FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))

    async def run(self, **changes: Any) -> StoredRun:  # fields of a request
        return await run_backtest(
            BacktestRequest(**{"track": "liquid", **WINDOW, **changes}),
            transactions=self.transactions,
            artifacts=self.artifacts,
            clock=self.clock,
            defaults=DEFAULTS,
            code_version="code-1",
        )

    async def again(
        self, run_id: int, *, code_version: str = "code-1", tolerance: float = 1e-6
    ) -> ReplayReport:
        context = RunContext(self.transactions, self.artifacts, self.clock, code_version)
        return await check_replay(run_id, tolerance=tolerance, context=context, defaults=DEFAULTS)

    def files(self, stored: StoredRun) -> RunFiles:
        assert stored.run.artifact_path is not None
        assert stored.run.artifact_sha256 is not None
        return read_run(self.artifacts.get(stored.run.artifact_path, stored.run.artifact_sha256))


@dataclass(frozen=True)
class Trained:
    """The database and folder in which two versions of one model were trained, and the market behind them."""

    url: str
    folder: Path
    series: tuple[BarSeries, ...]


def train_panel(database_url: str, folder: Path) -> Trained:
    async def fill() -> tuple[BarSeries, ...]:
        async with Database(database_url) as database:
            desk = Desk(database.transactions, folder)
            series = await train_version(desk)
            await _build(desk, SOUND, data_version="other")
            return series

    return Trained(database_url, folder, asyncio.run(fill()))


async def train_version(desk: Desk) -> tuple[BarSeries, ...]:
    """Store a market and register a version that was trained on it; returns its series."""
    market = make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=N_DAYS * 24, signal_strength=2.0)
    async with desk.transactions() as stores:
        for series in market.series:
            await stores.bars.merge(series)
    await train_candidate(
        await _build(desk, BUILTIN),
        CandidateRequest("panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 20}), n_folds=3),
        feature_set=BUILTIN,
        trainer=InProcessTrainer(),
        transactions=desk.transactions,
        artifacts=desk.artifacts,
        clock=desk.clock,
    )
    return market.series


async def _build(desk: Desk, features: FeatureSet, *, data_version: str = "v1") -> Dataset:
    return await build_dataset(
        DatasetRequest(SYMBOLS, HOUR, data_version=data_version),
        feature_set=features,
        code_version="code-1",
        transactions=desk.transactions,
        files=ParquetDatasets(desk.folder / "datasets"),
        clock=desk.clock,
    )
