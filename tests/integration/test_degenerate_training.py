"""Histories and requests no honest candidate comes from: a verdict or a named refusal each, nothing half-written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.clock import SystemClock
from marketsentry.core.dataset import Dataset, make_labels
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.market.bars import BarPanel, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import InputError
from marketsentry.ports import Transactions
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.registry import list_versions
from marketsentry.services.training import train_candidate
from training_inputs import HORIZON, SOUND, SYMBOLS, InProcessTrainer

REQUEST = CandidateRequest(
    "odd", "v1", HORIZON, model=ModelSpec("lightgbm_panel", {"n_trees": 10}), n_threads=1
)


def market(n_bars: int = 6_000, symbols: tuple[str, ...] = SYMBOLS) -> BarPanel:
    made = make_market(
        seed=5, symbols=symbols, interval=parse_interval("5m"), n_bars=n_bars, signal_strength=3.0
    )
    return align_panel(made.series)


def constant(panel: BarPanel) -> BarPanel:
    """The same bars at one price."""
    values = panel.values.copy()
    values[:, :, :4] = 100.0
    return replace(panel, values=values)


def dataset_of(panel: BarPanel, *, missing: tuple[int, ...] = ()) -> Dataset:
    """A dataset of a panel; `missing` are features that never have a value."""
    features = compute_features(SOUND, panel, ContextInputs())
    features.values[:, :, list(missing)] = np.nan
    parts = {"code": "c0de", "bars": "b", "feature_schema": SOUND.schema.hash}
    return Dataset(panel, features, make_labels(panel), ContextInputs(), parts, "d" * 64, "v1")


class Desk:
    """Trains, and tells what was kept."""

    def __init__(self, transactions: Transactions, folder: Path) -> None:
        self.transactions = transactions
        self.folder = folder

    async def train(self, dataset: Dataset, request: CandidateRequest = REQUEST) -> TrainingResult:
        return await train_candidate(
            dataset,
            request,
            feature_set=SOUND,
            trainer=InProcessTrainer(),
            transactions=self.transactions,
            artifacts=FileArtifacts(self.folder / "artifacts", model_dir=self.folder / "models"),
            clock=SystemClock(),
        )

    async def is_empty(self) -> bool:
        async with self.transactions() as stores:
            n_trials = await stores.models.count_trials(track="liquid")
        no_files = not [path for path in self.folder.rglob("*") if path.is_file()]
        return not n_trials and not await list_versions(self.transactions) and no_files


@pytest.fixture
def desk(transactions: Transactions, tmp_path: Path) -> Desk:
    return Desk(transactions, tmp_path)


async def test_one_symbol_is_judged_without_leaving_it_out(desk: Desk) -> None:
    result = await desk.train(dataset_of(market(symbols=("BTC",))))
    assert result.verdict is not None
    assert result.verdict.outcome is not Outcome.PASS
    assert [row["symbol"] for row in result.results] == ["BTC"]


async def test_constant_prices_cannot_pass(desk: Desk) -> None:
    result = await desk.train(dataset_of(constant(market())))
    assert result.verdict is not None
    assert result.verdict.outcome is not Outcome.PASS
    assert result.metrics["ic"] is None, "nothing moved, so nothing correlates"
    assert result.metrics["pnl_after_cost"] == 0.0
    assert result.metrics["sharpe"] is None


async def test_a_feature_without_values_is_named(desk: Desk) -> None:
    result = await desk.train(dataset_of(market(), missing=(1,)))
    assert result.manifest["absent_features"] == ["slow"]
    assert result.verdict is not None
    (note,) = [one for one in result.verdict.notes if one.startswith("absent_features")]
    assert "slow" in note


async def test_features_without_any_value_train_nothing(desk: Desk) -> None:
    with pytest.raises(InputError, match="at least one of 2 features must have a value, none has"):
        await desk.train(dataset_of(market(), missing=(0, 1)))
    assert await desk.is_empty()


@pytest.mark.parametrize(
    ("n_bars", "changes", "message"),
    [
        (10, {}, "n_bars must hold 5 folds, a purge of 60 and a final block of 1 bars, was 10"),
        (1_500, {"horizon": "7d"}, "n_bars must hold 5 folds, a purge of 2028 .* was 1500"),
        (6_000, {"n_folds": 0}, "n_folds must be >= 1, was 0"),
    ],
)
async def test_what_cannot_be_cut_into_folds_is_refused(
    desk: Desk, n_bars: int, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        await desk.train(dataset_of(market(n_bars)), replace(REQUEST, **changes))  # type: ignore[arg-type]
    assert await desk.is_empty()
