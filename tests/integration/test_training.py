"""A candidate from dataset to registry: real child process, real PostgreSQL, real files."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.trainer_process import ProcessTrainer
from marketsentry.core.dataset import BlockedSymbol, Dataset
from marketsentry.core.evidence.pack import read_pack
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.training.artifact import fold_files, read_manifest, read_predictions, served_files
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import ignore_progress
from marketsentry.ports import Transactions
from marketsentry.ports.training import FitJob, ModelSpec, Trainer
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.evidence import load_evidence
from marketsentry.services.evidence_export import export_evidence
from marketsentry.services.registry import list_versions, show_version
from marketsentry.services.training import train_candidate
from marketsentry.services.training_plan import make_plan
from training_inputs import HORIZON, PEEKING, SOUND, SYMBOLS, InProcessTrainer, make_dataset

REQUEST = CandidateRequest(
    "panel",
    "v1",
    HORIZON,
    model=ModelSpec("lightgbm_panel", {"n_trees": 30}),
    n_threads=1,
    kfold_splits=3,
    combinatorial=(4, 2),
)
EXAMPLE = Path(__file__).parents[2] / "examples" / "model_example.py"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset(n_bars=10_000)


class Desk:
    """Where the tests train: one database, one artifact folder."""

    def __init__(self, transactions: Transactions, folder: Path) -> None:
        self.transactions = transactions
        self.artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
        self.process = ProcessTrainer(folder / "scratch")

    async def train(
        self,
        dataset: Dataset,
        request: CandidateRequest = REQUEST,
        *,
        feature_set: FeatureSet = SOUND,
        trainer: Trainer | None = None,
    ) -> TrainingResult:
        return await train_candidate(
            dataset,
            request,
            feature_set=feature_set,
            trainer=trainer or self.process,
            transactions=self.transactions,
            artifacts=self.artifacts,
            clock=SystemClock(),
        )

    async def count_trials(self) -> int:
        async with self.transactions() as stores:
            return await stores.models.count_trials(track="liquid")


@pytest.fixture
def desk(transactions: Transactions, tmp_path: Path) -> Desk:
    return Desk(transactions, tmp_path)


@dataclass(frozen=True)
class Trained:
    """One candidate trained in a child process, for the tests that only look at it."""

    url: str
    folder: Path
    result: TrainingResult


@pytest.fixture(scope="module")
def trained(module_database_url: str, tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Trained:
    folder = tmp_path_factory.mktemp("desk")

    async def run() -> TrainingResult:
        async with Database(module_database_url) as database:
            return await Desk(database.transactions, folder).train(dataset)

    return Trained(module_database_url, folder, asyncio.run(run()))


@pytest.fixture
async def shared_desk(trained: Trained) -> AsyncIterator[Desk]:
    """The desk at which that candidate was trained."""
    async with Database(trained.url) as database:
        yield Desk(database.transactions, trained.folder)


async def test_a_sound_candidate_is_judged_and_registered(shared_desk: Desk, trained: Trained) -> None:
    result = trained.result
    assert result.status == "ok"
    assert result.state == "candidate"
    assert result.verdict is not None
    checks = {check.name: check for check in result.verdict.checks}
    assert checks["leaks"].passed
    assert checks["canary_caught"].passed
    assert checks["ic"].passed, "the market was made with a strong signal"
    assert result.verdict.outcome is Outcome.PASS

    verified = await show_version(
        "panel", None, track="liquid", transactions=shared_desk.transactions, artifacts=shared_desk.artifacts
    )
    model = verified.registered.model
    assert (model.version, model.state, model.artifact_sha256) == ("v1", "candidate", result.artifact_sha256)
    assert model.verdict == result.verdict.document()
    assert model.train_lineage_id.startswith("train-2")
    assert await shared_desk.count_trials() == 1
    assert [one.model.name for one in await list_versions(shared_desk.transactions)] == ["panel"]


async def test_the_bytes_that_were_judged_are_the_bytes_that_serve(
    shared_desk: Desk, trained: Trained, dataset: Dataset
) -> None:
    result = trained.result
    files = shared_desk.artifacts.get(str(result.artifact_path), str(result.artifact_sha256))
    stored = read_predictions(files)
    served = LightGBMPanel.parse(served_files(files))
    for rows, model in (
        (stored.rows_of_final(), served),
        (np.flatnonzero(stored.fold == 2), LightGBMPanel.parse(fold_files(files, 2))),
    ):
        features = dataset.features.values[rows].reshape(-1, 2)
        np.testing.assert_array_equal(stored.values[rows].reshape(-1), model.predict(features))
    assert np.isnan(stored.values[stored.fold == -1]).all()
    assert stored.rows_of_folds().stop < stored.rows_of_final().start, "the purge lies between"


async def test_the_evidence_is_stored_once_with_its_hash_and_can_be_exported(
    shared_desk: Desk, trained: Trained, tmp_path: Path
) -> None:
    where = {"transactions": shared_desk.transactions, "artifacts": shared_desk.artifacts}
    found = await load_evidence("panel", None, track="liquid", **where)
    assert trained.result.manifest["evidence"]["sha256"] == found.sha256
    out = export_evidence(found, tmp_path / "packs" / "panel.json")
    assert read_pack(out.read_bytes()) == found.pack
    assert found.pack.recipe_hash == trained.result.manifest["recipe_hash"]
    assert found.pack.trials.n_trials == 1
    slow, fast = sorted(found.pack.importance, key=lambda row: row.feature, reverse=True)
    for row in (slow, fast):
        assert row.gain_frac is not None
        assert row.permutation_ic is not None
        assert row.permutation_ic > 0.0, "the market was made of both"
    assert slow.gain_frac + fast.gain_frac == pytest.approx(1.0)
    with pytest.raises(NotFoundError, match="ghost"):
        await load_evidence("ghost", None, track="liquid", **where)


async def test_cross_validation_stands_in_the_pack_and_in_the_manifest(
    shared_desk: Desk, trained: Trained, dataset: Dataset
) -> None:
    where = {"transactions": shared_desk.transactions, "artifacts": shared_desk.artifacts}
    pack = (await load_evidence("panel", None, track="liquid", **where)).pack
    assert [row.name for row in pack.kfold] == ["0", "1", "2"]
    kfold = trained.result.manifest["purged_kfold"]["folds"]
    for row, fold in zip(pack.kfold, kfold, strict=True):
        assert row.ic == pytest.approx(fold["ic"], rel=0.05), "the last labels of the history reach behind it"
    paths = pack.paths
    assert paths is not None
    assert (paths.n_combinations, len(paths.rows)) == (6, 3)
    assert paths.losing_frac == 0.0, "the market was made with a strong signal"
    assert len({row.sharpe for row in paths.rows}) == 3
    told = trained.result.manifest["combinatorial"]
    assert told["n_paths"] == 3
    assert told["sharpe_median"] == paths.sharpe_median
    assert trained.result.manifest["recipe"]["combinatorial"] == [4, 2]
    near = pack.overfitting
    assert near is not None
    assert near.all_above_zero_frac == 1.0
    assert near.choice is not None
    assert near.choice.probability_of_loss < 0.1


async def test_the_paths_are_those_of_models_that_did_not_see_their_test_groups(
    shared_desk: Desk, trained: Trained, dataset: Dataset
) -> None:
    """One combination fitted again by hand, row by row, gives the first path's first group."""
    request = replace(REQUEST, name="by hand")
    plan = make_plan(dataset, request).combinations
    assert plan is not None
    one = plan.combinations[plan.paths[0][0]]
    label, present = dataset.labels[HORIZON], np.isfinite(dataset.panel.close)
    gap = plan.purge_bars
    assert gap == 48 + request.embargo_bars
    tested = np.zeros(label.shape[0], dtype=bool)
    for span in one.test:
        tested[span] = True
    near = np.convolve(tested, np.ones(2 * gap + 1), mode="same") > 0
    keep = ~near & (np.arange(tested.size) < plan.groups[-1].stop)
    bar, symbol = np.nonzero(keep[:, None] & np.isfinite(label) & present)
    model = LightGBMPanel(n_trees=30)
    model.fit(
        dataset.features.values[bar, symbol],
        label[bar, symbol],
        seed=request.seed,
        n_threads=1,
        on_progress=ignore_progress,
    )
    spans = make_plan(dataset, request).spans()
    fit = await shared_desk.process.fit_spans(
        FitJob(
            request.model,
            dataset.features.values,
            label,
            present,
            (spans[-6 + one.index],),
            request.seed,
            1,
            request.memory_limit_bytes,
        ),
        on_progress=lambda _: None,
    )
    group = plan.groups[0]
    first = one.hull.start
    expected = model.predict(dataset.features.values[group].reshape(-1, 2)).reshape(-1, len(SYMBOLS))
    np.testing.assert_array_equal(
        fit.spans[0].predictions[group.start - first : group.stop - first], expected
    )


async def test_every_training_lowers_what_the_next_may_claim(desk: Desk) -> None:
    dataset = make_dataset()
    first = await desk.train(dataset, trainer=InProcessTrainer())
    peeking = make_dataset(PEEKING)
    await desk.train(peeking, replace(REQUEST, name="peek"), feature_set=PEEKING, trainer=InProcessTrainer())
    await desk.train(dataset, replace(REQUEST, name="third", seed=7), trainer=InProcessTrainer())
    where = {"transactions": desk.transactions, "artifacts": desk.artifacts}
    packs = [
        (await load_evidence(name, None, track="liquid", **where)).pack.trials
        for name in ("panel", "peek", "third")
    ]
    assert [one.n_trials for one in packs] == [1, 2, 3]
    assert [one.n_measured for one in packs] == [1, 1, 2], (
        "a ratio made with the future is no part of the spread"
    )
    assert [(row.model_name, row.is_sound) for row in packs[2].newest] == [("peek", False), ("panel", True)]
    assert packs[2].newest[1].sharpe == first.metrics["sharpe"]


async def test_the_result_has_the_keys_of_the_contract(shared_desk: Desk, trained: Trained) -> None:
    result = trained.result
    document = json.loads(
        json.dumps(
            result.document(),
            default=lambda value: value.__dict__ if hasattr(value, "__dict__") else str(value),
        )
    )
    assert [row["symbol"] for row in document["results"]] == list(SYMBOLS)
    for key in (
        "status", "train_lineage_id", "samples", "train_mse", "nn_mse", "val_directional_hit_rate", "teacher",
        "distilled_artifact", "walk_forward_ready", "walk_forward", "purged_kfold", "ensemble_alpha",
        "ensemble_metrics", "labels", "train_manifest_path", "data_quality",
    ):  # fmt: skip
        assert key in document["results"][0], key
    manifest = read_manifest(
        shared_desk.artifacts.get(str(result.artifact_path), str(result.artifact_sha256))
    )
    for key in (
        "seed", "epochs", "batch_size", "grad_acc_steps", "grad_clip", "val_ratio", "early_stop_patience",
        "wf_train_window", "wf_test_window", "wf_purge_window", "wf_min_folds", "wf_ready", "wf_metrics",
        "purged_kfold", "feature_dim", "samples", "code_version", "dataset_hash", "params_hash",
        "feature_schema_hash", "libraries",
    ):  # fmt: skip
        assert key in manifest, key
    assert manifest["wf_purge_window"] == 48 + 12
    assert len(manifest["wf_metrics"]["folds"]) == 5
    assert len(manifest["purged_kfold"]["folds"]) == 3
    assert "created_at" in result.manifest
    assert result.usage is not None
    assert result.usage.fit_seconds < result.usage.seconds
    assert result.usage.peak_memory_bytes > result.usage.child_peak_bytes > 0


async def test_training_again_from_the_same_inputs_reads_back(
    shared_desk: Desk, trained: Trained, dataset: Dataset
) -> None:
    result = trained.result
    watched = InProcessTrainer()
    again = await shared_desk.train(dataset, trainer=watched)
    assert again.is_reused
    assert not watched.jobs, "nothing was fitted"
    assert (again.model_id, again.artifact_sha256) == (result.model_id, result.artifact_sha256)
    assert again.verdict is not None
    assert result.verdict is not None
    assert again.verdict.document() == result.verdict.document()
    assert again.results == tuple(json.loads(json.dumps(result.results)))
    assert await shared_desk.count_trials() == 1


@pytest.mark.parametrize(
    ("changed", "part"),
    [({"seed": 1}, "seed"), ({"horizon": "1h"}, "final"), ({"embargo_bars": 13}, "final")],
)
async def test_a_registered_version_never_changes(
    shared_desk: Desk, trained: Trained, dataset: Dataset, changed: dict[str, object], part: str
) -> None:
    with pytest.raises(
        ConflictError, match=f"panel:v1 is registered .* differs from it in {part}: give it a new"
    ):
        await shared_desk.train(dataset, replace(REQUEST, **changed), trainer=InProcessTrainer())


async def test_the_same_inputs_give_the_same_hash_in_another_database(
    desk: Desk, dataset: Dataset, trained: Trained
) -> None:
    again = await desk.train(dataset)
    assert not again.is_reused
    assert again.artifact_sha256 == trained.result.artifact_sha256


async def test_a_peeking_candidate_is_trained_and_refused_with_the_reason(desk: Desk) -> None:
    dataset = make_dataset(PEEKING)
    result = await desk.train(dataset, feature_set=PEEKING, trainer=InProcessTrainer())
    assert result.state == "refused"
    assert result.verdict is not None
    assert result.verdict.outcome is Outcome.FAIL
    failed = {check.name for check in result.verdict.checks if not check.passed}
    assert {"leaks", "ic_plausible"} <= failed
    assert any("feature soon of" in reason and "without" in reason for reason in result.verdict.reasons)
    assert result.metrics["leaks"][0]["feature"] == "soon"
    (stored,) = await list_versions(desk.transactions)
    assert stored.model.state == "refused"


async def test_a_symbol_blocked_by_data_quality_blocks_the_candidate(desk: Desk, dataset: Dataset) -> None:
    blocked = BlockedSymbol("SOL", "missing_rate_exceeded", {"missing_rate": 0.3, "quality_passed": 0})
    trainer = InProcessTrainer()
    result = await desk.train(replace(dataset, blocked=(blocked,)), trainer=trainer)
    assert result.status == "blocked_by_data_quality"
    assert result.document()["results"] == [
        {
            "symbol": "SOL",
            "status": "blocked_by_data_quality",
            "reason": "missing_rate_exceeded",
            "data_quality": {"missing_rate": 0.3, "quality_passed": 0},
        }
    ]
    assert not trainer.jobs, "nothing was trained"
    assert await list_versions(desk.transactions) == [], "nothing was registered"
    assert await desk.count_trials() == 0


async def test_too_short_a_history_is_insufficient_not_a_pass(desk: Desk) -> None:
    result = await desk.train(make_dataset(n_bars=1_500), trainer=InProcessTrainer())
    assert result.verdict is not None
    assert result.verdict.outcome is Outcome.INSUFFICIENT_OBSERVATION
    assert result.state == "candidate"


async def test_a_failed_training_registers_nothing(desk: Desk, dataset: Dataset) -> None:
    request = replace(REQUEST, memory_limit_bytes=1 << 20)
    with pytest.raises(InputError, match="memory limit must exceed"):
        await desk.train(dataset, request)
    assert await list_versions(desk.transactions) == []
    assert await desk.count_trials() == 0


async def test_a_users_model_goes_the_whole_way(desk: Desk, dataset: Dataset) -> None:
    result = await desk.train(dataset, replace(REQUEST, name="ridge", model=ModelSpec(str(EXAMPLE))))
    assert result.state == "candidate"
    model = result.manifest["recipe"]["model"]
    assert (model["reference"], len(model["code_sha256"])) == ("model_example.py", 64)
    files = desk.artifacts.get(str(result.artifact_path), str(result.artifact_sha256))
    assert set(served_files(files)) == {"ridge.json"}


async def test_an_unknown_horizon_is_refused_by_name(desk: Desk, dataset: Dataset) -> None:
    with pytest.raises(InputError, match="horizon must be one of 1h, 4h, 1d, 7d, was 2h"):
        await desk.train(dataset, replace(REQUEST, horizon="2h"))


async def test_changed_files_are_noticed_when_a_version_is_shown(desk: Desk, dataset: Dataset) -> None:
    result = await desk.train(dataset, trainer=InProcessTrainer())
    served = Path(str(result.artifact_path)) / "model.txt"
    served.chmod(0o644)
    served.write_bytes(served.read_bytes() + b" ")
    with pytest.raises(ConflictError):
        await show_version(
            "panel", "v1", track="liquid", transactions=desk.transactions, artifacts=desk.artifacts
        )
