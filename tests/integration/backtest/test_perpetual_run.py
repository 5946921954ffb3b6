"""A run on perpetuals over the record: funding read, charged, stored, repeated; and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.request import DAY_NS, BacktestRequest
from marketsentry.core.backtest.search import Method, Search, parse_grid
from marketsentry.core.backtest.stored import read_run
from marketsentry.core.dataset import Dataset
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.market.symbols import Market
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import DataQualityError, InputError
from marketsentry.ports.runs import StoredRun
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.replay_check import check_replay
from marketsentry.services.report import write_report
from marketsentry.services.sweep import SweepRequest, run_sweep
from marketsentry.services.training import train_candidate
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer

SYMBOLS = ("BTC-PERP", "ETH-PERP", "SOL-PERP")
N_DAYS = 100
LIMITS = {
    "max_single_weight": 2.0,
    "max_gross_exposure": 3.0,
    "max_sector_exposure": 3.0,
    "max_style_exposure": 3.0,
    "max_turnover": 3.0,
    "position_volatility_frac": 2.0,
}
DEFAULTS = BacktestDefaults({"liquid": ("BTC", "ETH")}, {"liquid": ("panel", "v1")}, replay=LIMITS)
REQUEST = BacktestRequest(
    "liquid", lookback_days=60, train_days=20, test_days=10, market=Market.PERP, leverage=3.0
)


@dataclass(frozen=True)
class Desk:
    context: RunContext

    async def run(self, request: BacktestRequest = REQUEST) -> StoredRun:
        return await run_backtest(
            request,
            transactions=self.context.transactions,
            artifacts=self.context.artifacts,
            clock=self.context.clock,
            defaults=DEFAULTS,
            code_version="code-1",
        )


def _desk(database: Database, folder: Path) -> Desk:
    artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
    clock = FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    return Desk(RunContext(database.transactions, artifacts, clock, "code-1"))


async def _train(context: RunContext, dataset: Dataset, version: str) -> TrainingResult:
    model = ModelSpec("lightgbm_panel", {"n_trees": 20})
    return await train_candidate(
        dataset,
        CandidateRequest("panel", version, "1h", model=model, n_folds=3),
        feature_set=BUILTIN,
        trainer=InProcessTrainer(),
        transactions=context.transactions,
        artifacts=context.artifacts,
        clock=context.clock,
    )


@pytest.fixture(scope="module")
def trained(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Three perpetuals and a model of two; the rates of funding of SOL are missing for two weeks."""
    folder = tmp_path_factory.mktemp("perpetuals")
    market = make_market(seed=12, symbols=SYMBOLS, interval=HOUR, n_bars=N_DAYS * 24, signal_strength=2.0)

    async def fill() -> None:
        async with Database(module_database_url) as database:
            context = _desk(database, folder).context
            async with database.transactions() as stores:
                for series in market.series:
                    await stores.bars.merge(series)
                    closes = series.ts_ns + HOUR.ns
                    times = closes[closes % (8 * HOUR.ns) == 0]
                    if series.symbol == "SOL-PERP":
                        times = times[(times < times[-1] - 20 * DAY_NS) | (times > times[-1] - 6 * DAY_NS)]
                    await stores.events.add_funding(
                        FundingSeries(series.symbol, "synthetic", times, np.full(times.size, 3e-4))
                    )
            common = {
                "code_version": "code-1",
                "transactions": database.transactions,
                "clock": context.clock,
            }
            files = ParquetDatasets(folder / "datasets")
            for request in (
                DatasetRequest(SYMBOLS, HOUR),
                DatasetRequest(SYMBOLS[:2], HOUR, with_snapshots=False),
            ):
                dataset = await build_dataset(request, feature_set=BUILTIN, files=files, **common)
            await _train(context, dataset, "v1")

    asyncio.run(fill())
    return module_database_url, folder


@pytest.fixture
async def desk(trained: tuple[str, Path]) -> AsyncIterator[Desk]:
    url, folder = trained
    async with Database(url) as database:
        yield _desk(database, folder)


async def _dataset(desk: Desk, folder: Path, symbols: tuple[str, ...]) -> Dataset:
    return await build_dataset(
        DatasetRequest(symbols, HOUR, with_snapshots=False),
        feature_set=BUILTIN,
        code_version="code-1",
        transactions=desk.context.transactions,
        files=ParquetDatasets(folder),
        clock=desk.context.clock,
    )


async def test_training_on_perpetuals_is_judged_with_the_recorded_funding(desk: Desk) -> None:
    async with desk.context.transactions() as stores:
        model = (await stores.models.get("panel", "v1", track="liquid")).model
    assert model.manifest["recipe"]["replay"]["market"] == "perp"
    assert model.metrics["cost_breakdown"]["funding"] != 0.0
    assert model.metrics["funding_gaps"] == 0


async def test_training_refuses_unknown_funding(desk: Desk, tmp_path: Path) -> None:
    dataset = await _dataset(desk, tmp_path, ("BTC-PERP", "SOL-PERP"))
    with pytest.raises(DataQualityError, match="funding of SOL-PERP is unknown on 1"):
        await _train(desk.context, dataset, "v2")


async def test_a_run_on_perpetuals_charges_the_recorded_funding(desk: Desk) -> None:
    stored = await desk.run()
    metrics, config = stored.run.metrics, stored.run.config
    assert (stored.run.status, metrics["detail"]) == ("completed", None)
    assert config["targets"] == ["BTC-PERP", "ETH-PERP"]
    assert (config["market"], config["leverage"]) == ("perp", 3.0)
    assert (config["replay"]["market"], config["replay"]["max_leverage"]) == ("perp", 3.0)
    assert stored.run.artifact_path is not None
    assert stored.run.artifact_sha256 is not None
    files = read_run(desk.context.artifacts.get(stored.run.artifact_path, stored.run.artifact_sha256))
    assert files.funding is not None
    due = files.funding != 0
    assert (files.ts_ns[due.any(axis=1)] % (8 * HOUR.ns) == 7 * HOUR.ns).all()
    known = np.where(np.isfinite(files.funding), files.funding, 0.0)
    paid = (files.weights * files.equity[:, None] * known).sum(axis=0)
    for n, symbol in enumerate(("BTC-PERP", "ETH-PERP")):
        assert metrics["per_target"][symbol]["funding_quote"] == pytest.approx(paid[n], rel=1e-9)
    assert metrics["cost_breakdown"]["funding"] == pytest.approx(paid.sum() / 100_000)
    assert np.nanmax(np.abs(files.weights).sum(axis=1)) > 1.0, "leverage is used"


async def test_a_replay_of_it_is_equal_and_its_report_shows_what_holding_cost(
    desk: Desk, tmp_path: Path
) -> None:
    stored = await desk.run()
    report = await check_replay(stored.id, tolerance=0.0, context=desk.context, defaults=DEFAULTS)
    assert report.same_content_hash, report.first_difference
    page = await write_report(
        stored.id,
        lang="en",
        out=tmp_path / "run.html",
        transactions=desk.context.transactions,
        artifacts=desk.context.artifacts,
    )
    text = page.read_text()
    assert "Funding and borrowing" in text
    assert "Perpetuals share one cross margin account" in text


async def test_leverage_changes_what_was_done(desk: Desk) -> None:
    low, high = await desk.run(replace(REQUEST, leverage=1.0)), await desk.run()
    assert 0.0 < low.run.metrics["exposure"] < high.run.metrics["exposure"]
    assert low.run.content_hash != high.run.content_hash


async def test_a_target_whose_funding_is_not_known_is_refused(desk: Desk) -> None:
    stored = await desk.run(replace(REQUEST, targets=("SOL", "BTC")))
    refused = stored.run.metrics["per_target"]["SOL-PERP"]
    assert (stored.run.status, refused["reason"]) == ("completed", "insufficient_funding")
    assert "SOL-PERP is unknown on 2" in refused["detail"]
    alone = await desk.run(replace(REQUEST, targets=("SOL",)))
    assert (alone.run.status, alone.run.metrics["reason"]) == ("failed", "insufficient_funding")


async def test_perpetuals_are_no_spot(desk: Desk) -> None:
    with pytest.raises(InputError, match="targets of a spot market must not be perpetuals, was BTC-PERP"):
        await desk.run(replace(REQUEST, market=Market.SPOT, leverage=1.0, targets=("BTC-PERP",)))


async def test_a_sweep_replays_perpetuals(desk: Desk) -> None:
    request = SweepRequest(REQUEST, Search(Method.GRID, (parse_grid("max_leverage=1,3"),)))
    result = await run_sweep(request, context=desk.context, defaults=DEFAULTS, n_threads=1)
    columns = result.document["columns"]
    low, high = (dict(zip(columns, row, strict=True)) for row in result.document["rows"])
    stored = await desk.run()
    for name in ("pnl_after_cost", "sharpe", "trades", "exposure"):
        assert high[name] == pytest.approx(stored.run.metrics[name], rel=1e-9)
    assert high["funding"] == pytest.approx(stored.run.metrics["cost_breakdown"]["funding"], rel=1e-9)
    assert 0.0 < low["exposure"] < high["exposure"]
