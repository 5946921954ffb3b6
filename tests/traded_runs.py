"""A small model trained on a record, and a backtest of it that really trades."""

from collections.abc import Iterable
from datetime import UTC, datetime

from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.bootstrap import System
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.bars import BarSeries
from marketsentry.ports.training import ModelSpec
from marketsentry.rehearsal import replayed_trading
from marketsentry.services.backtest import BacktestDefaults, RunContext, run_backtest
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.parity import ParityReport, load_run, trade_again
from marketsentry.services.training import train_candidate
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer

SYMBOLS = ("BTC", "ETH", "SOL")
CLOCK = FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
EAGER = BacktestDefaults(
    {"liquid": SYMBOLS},
    {"liquid": ("panel", "v1")},
    replay={"cost_multiple": 0.05, "rebalance_band_frac": 0.005},
)


async def train_small(
    system: System, series: Iterable[BarSeries], *, at: datetime | None = None, **params: float
) -> None:
    """Bring bars into the record and train `panel:v1` on them; `params` are those of the model."""
    async with system.transactions() as stores:
        for one in series:
            await stores.bars.merge(one)
    clock = CLOCK if at is None else FixedClock(at)
    dataset = await build_dataset(
        DatasetRequest(SYMBOLS, HOUR),
        feature_set=BUILTIN,
        code_version="code-1",
        transactions=system.transactions,
        files=ParquetDatasets(system.settings.home / "datasets"),
        clock=clock,
    )
    await train_candidate(
        dataset,
        CandidateRequest(
            "panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 20, **params}), n_folds=3
        ),
        feature_set=BUILTIN,
        trainer=InProcessTrainer(),
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=clock,
    )


async def run_eagerly(system: System, **window: int) -> int:
    """Backtest `panel:v1` with settings that trade a lot; gives the id of the run."""
    stored = await run_backtest(
        BacktestRequest(track="liquid", **window),
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=CLOCK,
        defaults=EAGER,
        code_version="code-1",
    )
    assert stored.run.status == "completed", stored.run.metrics["reason"]
    return stored.id


async def trade_run_again(system: System, run_id: int) -> ParityReport:
    """Trade a run again on paper, through the whole stack."""
    context = RunContext(system.transactions, system.artifacts, system.clock, "code-1")
    run = await load_run(run_id, context=context, defaults=EAGER)
    async with replayed_trading(system, run.panel.symbols, run.params) as parts:
        return await trade_again(run, parts)
