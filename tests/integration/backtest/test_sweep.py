"""A sweep over a registered model: real PostgreSQL, real files; counted, interrupted, taken up again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.search import Axis, Method, Search
from marketsentry.core.dataset import Dataset
from marketsentry.core.evidence.pack import TrialEvidence
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.stats.pbo import BlockSums, backtest_overfitting
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.evidence import load_evidence
from marketsentry.services.sweep import SweepRequest, SweepResult, run_sweep
from marketsentry.services.sweep_report import write_sweep_report
from marketsentry.services.training import train_candidate
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer
from verbs import ms, on_engines

SYMBOLS = ("BTC", "ETH")
DEFAULTS = BacktestDefaults(
    {"liquid": SYMBOLS, "vc": ("OpenAI",)}, {"liquid": ("panel", "v1"), "vc": ("none", "v0")}
)
WINDOW = BacktestRequest(
    "liquid", lookback_days=60, train_days=20, test_days=10, fee_bps=0.0, slippage_bps=0.0
)
GRID = Search(
    Method.GRID, (Axis("entry_edge_bps", (0.0, 2.0, 5.0)), Axis("rebalance_band_frac", (0.0, 0.02, 0.1)))
)


@dataclass(frozen=True)
class Desk:
    context: RunContext
    folder: Path

    async def sweep(self, search: Search = GRID, **options: object) -> SweepResult:
        return await run_sweep(
            SweepRequest(WINDOW, search), context=self.context, defaults=DEFAULTS, n_threads=2, **options
        )

    async def n_trials(self) -> int:
        async with self.context.transactions() as stores:
            return await stores.models.count_trials(track="liquid")


@pytest.fixture(scope="module")
def trained(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Dataset]:
    folder = tmp_path_factory.mktemp("sweep")
    market = make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=120 * 24, signal_strength=2.0)
    clock = FixedClock(datetime(2026, 3, 4, tzinfo=UTC))

    async def fill() -> Dataset:
        async with Database(module_database_url) as database:
            async with database.transactions() as stores:
                for series in market.series:
                    await stores.bars.merge(series)
            dataset = await build_dataset(
                DatasetRequest(SYMBOLS, HOUR),
                feature_set=BUILTIN,
                code_version="code-1",
                transactions=database.transactions,
                files=ParquetDatasets(folder / "datasets"),
                clock=clock,
            )
            await train_candidate(
                dataset,
                CandidateRequest(
                    "panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 20}), n_folds=3
                ),
                feature_set=BUILTIN,
                trainer=InProcessTrainer(),
                transactions=database.transactions,
                artifacts=FileArtifacts(folder / "artifacts", model_dir=folder / "models"),
                clock=clock,
            )
            return dataset

    return module_database_url, folder, asyncio.run(fill())


@pytest.fixture
async def desk(trained: tuple[str, Path, Dataset]) -> AsyncIterator[Desk]:
    url, folder, _ = trained
    artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
    async with Database(url) as database:
        clock = FixedClock(datetime(2026, 3, 4, tzinfo=UTC))
        yield Desk(RunContext(database.transactions, artifacts, clock, "code-1"), folder)


class InterruptedSweepError(Exception):
    """Stands for whatever ends a sweep early."""


async def test_an_interrupted_sweep_goes_on_and_counts_every_setting_once(desk: Desk) -> None:
    before = await desk.n_trials()

    def interrupt(step: str, share: float) -> None:
        if share > 0.3:
            raise InterruptedSweepError

    with pytest.raises(InterruptedSweepError):
        await desk.sweep(on_progress=interrupt, settings_per_chunk=2)
    assert await desk.n_trials() == before + 4

    resumed = await desk.sweep(settings_per_chunk=2)
    again = await desk.sweep()

    assert (resumed.n_settings, resumed.n_resumed, again.n_resumed) == (9, 4, 9)
    assert resumed.n_trials == again.n_trials == before + 9
    assert resumed.content_hash == again.content_hash
    assert resumed.artifact == again.artifact
    assert resumed.overfitting is not None
    assert resumed.overfitting == again.overfitting
    assert (resumed.overfitting.n_settings, resumed.overfitting.n_blocks) == (9, 16)


async def test_the_overfitting_of_a_sweep_is_that_of_the_returns_of_its_replays(desk: Desk) -> None:
    fees = Search(Method.GRID, (Axis("entry_edge_bps", (0.0, 1.0, 3.0, 8.0)),))
    result = await desk.sweep(fees)
    returns = []
    for edge in fees.axes[0].values:
        one = await run_sweep(
            SweepRequest(WINDOW, Search(Method.GRID, (Axis("entry_edge_bps", (edge,)),))),
            context=desk.context,
            defaults=DEFAULTS,
            n_threads=1,
        )
        assert one.overfitting is None, "one setting is no choice"
        async with desk.context.transactions() as stores:
            [row] = await stores.sweeps.settings_of(one.sweep_hash, track="liquid", model_name="panel")
        returns.append(row["blocks"])
    blocks = np.array(returns)
    sums = BlockSums(np.full(16, 60.0), blocks[:, :, 0], blocks[:, :, 1])
    assert backtest_overfitting(sums, periods_per_year=365.0 * 24) == result.overfitting, (
        "40 days of hours are traded, in 16 blocks"
    )


async def test_a_sweep_of_n_settings_raises_what_the_next_training_is_held_against_by_n(
    desk: Desk, trained: tuple[str, Path, Dataset]
) -> None:
    async def train(name: str) -> TrialEvidence:
        free = params_for(HOUR, 1, fee_bps=0.0, half_spread_bps=0.0, cost_multiple=0.0)
        model = ModelSpec("lightgbm_panel", {"n_trees": 10})
        request = CandidateRequest(name, "v1", "1h", model=model, n_folds=3, seed=5, replay=free)
        await train_candidate(
            trained[2],
            request,
            feature_set=BUILTIN,
            trainer=InProcessTrainer(),
            transactions=desk.context.transactions,
            artifacts=desk.context.artifacts,
            clock=desk.context.clock,
        )
        found = await load_evidence(
            name,
            None,
            track="liquid",
            transactions=desk.context.transactions,
            artifacts=desk.context.artifacts,
        )
        return found.pack.trials

    draws = Search(Method.RANDOM, (Axis("full_conviction_sigmas", (0.1, 2.0)),), 50, 3)
    before = await train("before")
    await desk.sweep(draws)
    after = await train("after")
    assert after.n_trials == before.n_trials + 1 + 50, "the same recipe under another name is tried again"
    assert after.expected_maximum > before.expected_maximum
    assert after.sharpe == before.sharpe
    assert before.deflated_sharpe is not None
    assert after.deflated_sharpe is not None
    assert after.deflated_sharpe < before.deflated_sharpe

    await desk.sweep(draws)
    await train("after")
    assert await desk.n_trials() == after.n_trials, "what is answered from the record is not tried again"


async def test_every_setting_has_the_metrics_of_its_own_backtest(desk: Desk) -> None:
    fees = Search(Method.GRID, (Axis("fee_bps", (1.0, 0.0)),))
    result = await desk.sweep(fees)
    alone = await run_backtest(
        WINDOW,
        transactions=desk.context.transactions,
        artifacts=desk.context.artifacts,
        clock=desk.context.clock,
        defaults=DEFAULTS,
        code_version="code-1",
    )

    usual = dict(zip(result.document["columns"], result.document["rows"][1], strict=True))
    assert usual["trades"] == alone.run.metrics["trades"] > 0
    for name in ("pnl_after_cost", "sharpe", "sortino", "max_drawdown", "turnover", "exposure"):
        assert usual[name] == pytest.approx(alone.run.metrics[name], rel=1e-9), name
    assert usual["fee"] == alone.run.metrics["cost_breakdown"]["fee"] == 0.0
    dear = result.document["rows"][0]
    assert dear[result.document["columns"].index("fee")] > 0.0


async def test_the_artifact_and_the_page_hold_the_whole_sweep(desk: Desk) -> None:
    draws = Search(
        Method.SOBOL, (Axis("entry_edge_bps", (0.0, 5.0)), Axis("exit_edge_bps", (-5.0, 4.0))), 16, 1
    )
    result = await desk.sweep(draws)

    files = desk.context.artifacts.get(result.artifact, result.artifact.sha256)
    stored = json.loads(files["sweep.json"])
    assert stored["content_hash"] == result.content_hash
    assert len(stored["rows"]) == result.n_settings == 16 - result.n_impossible
    assert result.n_impossible > 0
    ranked = [one["sharpe"] for one in stored["best"]]
    assert None not in ranked
    assert ranked == sorted(ranked, reverse=True)
    page = await write_sweep_report(result, lang="zh", out=desk.folder / "sweep.html")
    assert "entry_edge_bps" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="lang must be one of"):
        await write_sweep_report(result, lang="xx", out=desk.folder / "no.html")


async def test_a_sweep_that_cannot_be_made_says_why_and_counts_nothing(desk: Desk) -> None:
    before = await desk.n_trials()
    request = SweepRequest(BacktestRequest("liquid", model_name="nobody"), GRID)
    with pytest.raises(ConflictError, match="model_artifact_missing"):
        await run_sweep(request, context=desk.context, defaults=DEFAULTS, n_threads=1)
    with pytest.raises(InputError, match="rank_by must be one of"):
        SweepRequest(WINDOW, GRID, rank_by="luck")
    with pytest.raises(InputError, match="no setting of the sweep is possible"):
        await desk.sweep(Search(Method.GRID, (Axis("fee_bps", (-1.0,)),)))
    assert await desk.n_trials() == before


def test_the_command_line_sweeps(
    trained: tuple[str, Path, Dataset], engines: Engines, tmp_path: Path
) -> None:
    environment = on_engines(engines, trained[0], tmp_path / "home", MODEL_DIR=str(trained[1] / "models"))
    window = ("--symbols", "btc", "--lookback-days", "60", "--train-days", "20")

    def sweep(*words: str) -> CompletedProcess[str]:
        return ms(environment, "backtest", "sweep", *words)

    done = sweep("--model", "panel:v1", "--grid", "cost_multiple=0,0.1", "--grid", "max_turnover=0.1,0.4", *window,
                 "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["rows"], found["n_settings"], len(found["best"])) == (4, 4, 4)
    assert found["seconds"] > 0
    assert found["peak_memory_mib"] > 0
    assert Path(found["report"]).is_file()
    table = sweep("--model", "panel", "--random", "3", "--range", "cost_multiple=0:0.1", *window)
    assert "best of 3 settings" in table.stdout
    unknown = sweep("--grid", "speed=1", *window)
    assert unknown.returncode == 2
    assert "must be one of capital_quote, fee_bps" in unknown.stderr
    for wrong in (("--random", "3"), ("--grid", "fee_bps=1", "--sobol", "4"), ()):
        assert sweep(*wrong, *window).returncode == 2
