"""Runs, replays and sweeps of a registered model under a policy of the user's own: real PostgreSQL, real files."""

import asyncio
import functools
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.search import Axis, Method, Search
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports.runs import StoredRun
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, execute, resolve
from marketsentry.services.backtest_policy import SOURCE_FILE, ChosenPolicy, choose_policy
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.replay_check import check_replay
from marketsentry.services.sweep import SweepRequest, SweepResult, run_sweep
from marketsentry.services.training import train_candidate
from small_market import HOUR, FixedClock
from training_inputs import InProcessTrainer
from verbs import ms, on_engines

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "policy_example.py"
SYMBOLS = ("BTC", "ETH")
DEFAULTS = BacktestDefaults(
    {"liquid": SYMBOLS, "vc": ("OpenAI",)}, {"liquid": ("panel", "v1"), "vc": ("none", "v0")}
)
WINDOW = BacktestRequest(
    "liquid", lookback_days=60, train_days=20, test_days=10, fee_bps=0.5, slippage_bps=0.5
)

compiled = functools.cache(choose_policy)  # a second or more each


class Desk:
    """One record and one artifact folder, and what a user does with policies on them."""

    def __init__(self, context: RunContext, folder: Path) -> None:
        self.context, self.folder = context, folder

    async def run(self, policy: ChosenPolicy | None) -> StoredRun:
        context = replace(self.context, policy=policy)
        stored = await execute(resolve(WINDOW, DEFAULTS), DEFAULTS, context)
        assert stored.run.status == "completed", stored.run.metrics["detail"]
        return stored

    async def sweep(self, policy: ChosenPolicy | None, *axes: Axis) -> SweepResult:
        return await run_sweep(
            SweepRequest(WINDOW, Search(Method.GRID, axes)),
            context=replace(self.context, policy=policy),
            defaults=DEFAULTS,
            n_threads=2,
        )

    async def again(self, stored: StoredRun, policy_file: Path | None = None):
        return await check_replay(
            stored.id,
            tolerance=0.0,
            context=self.context,
            defaults=DEFAULTS,
            policy_file=None if policy_file is None else str(policy_file),
        )


@pytest.fixture(scope="module")
def trained(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    market = make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=120 * 24, signal_strength=2.0)
    clock = FixedClock(datetime(2026, 3, 4, tzinfo=UTC))

    async def fill() -> None:
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

    asyncio.run(fill())
    return module_database_url, folder


@pytest.fixture
async def desk(trained: tuple[str, Path]) -> AsyncIterator[Desk]:
    url, folder = trained
    artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
    async with Database(url) as database:
        clock = FixedClock(datetime(2026, 3, 4, tzinfo=UTC))
        yield Desk(RunContext(database.transactions, artifacts, clock, "code-1"), folder)


async def test_a_run_is_named_by_its_policy_and_stored_with_its_source(desk: Desk) -> None:
    usual = await desk.run(None)
    own = await desk.run(compiled(str(EXAMPLE)))
    other = await desk.run(choose_policy(str(EXAMPLE), ["policy.max_held_bars=2"]))

    assert len({one.run.content_hash for one in (usual, own, other)}) == 3
    assert own.run.metrics["trades"] > 0
    assert other.run.metrics["trades"] != own.run.metrics["trades"]
    assert other.run.config["replay"]["policy"]["max_held_bars"] == 2.0
    assert own.run.config["policy"]["name"] == "policy_example"
    assert "policy" not in usual.run.config
    files = desk.context.artifacts.get(own.run.artifact_path, own.run.artifact_sha256)
    assert files[SOURCE_FILE].decode() == EXAMPLE.read_text()
    assert json.loads(files["run.json"])["parts"]["policy"] == own.run.config["policy"]["code_sha256"]


async def test_the_built_in_rule_as_a_policy_gives_the_bits_of_the_built_in_rule(desk: Desk) -> None:
    usual, asked = await desk.run(None), await desk.run(compiled("builtin"))
    parts = [
        json.loads(desk.context.artifacts.get(one.run.artifact_path, one.run.artifact_sha256)["run.json"])[
            "parts"
        ]
        for one in (usual, asked)
    ]
    for name in ("predictions", "equity", "weights", "fills", "trades", "metrics"):
        assert parts[0][name] == parts[1][name], name
    assert usual.run.metrics["trades"] > 0


async def test_a_run_with_a_policy_replays_to_the_same_hash(desk: Desk) -> None:
    stored = await desk.run(choose_policy(str(EXAMPLE), ["policy.stop_frac=0.02"]))
    found = await desk.again(stored)
    assert found.passed
    assert found.same_content_hash
    assert found.first_difference is None
    assert (await desk.again(await desk.run(compiled("builtin")))).same_content_hash


async def test_a_changed_moved_or_lost_policy_is_refused_by_name(desk: Desk, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    shutil.copy(EXAMPLE, mine)
    stored = await desk.run(choose_policy(str(mine)))
    mine.write_text("raise SystemExit('this must not run')\n" + EXAMPLE.read_text())
    with pytest.raises(ConflictError, match=r"mine.py is not the policy that was run: SHA-256"):
        await desk.again(stored)
    mine.unlink()
    with pytest.raises(
        ConflictError, match=r"made with policy mine: no such file: .*; give its file with --policy"
    ):
        await desk.again(stored)
    assert (await desk.again(stored, EXAMPLE)).same_content_hash  # the same text, wherever it lies
    with pytest.raises(InputError, match="the run had no policy"):
        await desk.again(await desk.run(None), EXAMPLE)


async def test_parameters_of_a_policy_are_axes_of_a_sweep(desk: Desk) -> None:
    policy = choose_policy(str(EXAMPLE), ["policy.full_sigmas=0.3"])
    result = await desk.sweep(
        policy, Axis("policy.max_held_bars", (2.0, 48.0)), Axis("max_single_weight", (0.1, 0.2))
    )
    alone = await desk.run(choose_policy(str(EXAMPLE), ["policy.full_sigmas=0.3", "policy.max_held_bars=2"]))

    document = result.document
    assert document["policy"]["name"] == "policy_example"
    assert document["base"]["policy"]["full_sigmas"] == 0.3
    row = dict(zip(document["columns"], document["rows"][1], strict=True))
    assert (row["policy.max_held_bars"], row["max_single_weight"]) == (2.0, 0.2)
    assert row["trades"] == alone.run.metrics["trades"] > 0
    assert row["pnl_after_cost"] == pytest.approx(alone.run.metrics["pnl_after_cost"], rel=1e-9)
    files = desk.context.artifacts.get(result.artifact.path, result.artifact.sha256)
    assert files[SOURCE_FILE].decode() == EXAMPLE.read_text()
    again = await desk.sweep(
        policy, Axis("policy.max_held_bars", (2.0, 48.0)), Axis("max_single_weight", (0.1, 0.2))
    )
    assert (again.n_resumed, again.content_hash) == (4, result.content_hash)


@pytest.mark.parametrize(
    ("reference", "axis", "message"),
    [
        (None, Axis("policy.stop_frac", (0.1,)), "policy.stop_frac needs a policy"),
        (str(EXAMPLE), Axis("policy.mood", (0.1,)), "has no parameter 'mood'"),
        (str(EXAMPLE), Axis("policy.stop_frac", (7.0,)), "stop_frac must be in 0.001..1, was 7"),
        (str(EXAMPLE), Axis("entry_edge_bps", (1.0, 2.0)), "entry_edge_bps belongs to the built-in rule"),
    ],
)
async def test_an_axis_that_would_change_nothing_is_refused(
    desk: Desk, reference: str | None, axis: Axis, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        await desk.sweep(compiled(reference), axis)


@pytest.mark.parametrize(
    ("reference", "change", "message"),
    [
        (None, "policy.stop_frac=0.1", "policy.stop_frac needs a policy"),
        (str(EXAMPLE), "stop_frac=0.1", "must be given as policy.NAME=NUMBER"),
        (str(EXAMPLE), "policy.stop_frac=much", "must be given as policy.NAME=NUMBER"),
        (str(EXAMPLE), "policy.stop_frac=nan", "must be in 0.001..1, was nan"),
    ],
)
def test_a_value_that_is_none_is_refused(reference: str | None, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_policy(reference, [change])


def test_the_command_line_runs_replays_and_sweeps(
    trained: tuple[str, Path], engines: Engines, tmp_path: Path
) -> None:
    environment = on_engines(engines, trained[0], tmp_path / "home", MODEL_DIR=str(trained[1] / "models"))
    shutil.copy(EXAMPLE, tmp_path / "mine.py")

    def typed(*words: str) -> CompletedProcess[str]:
        return ms(environment, *words, cwd=tmp_path)

    window = ("--model", "panel:v1", "--symbols", "btc,eth", "--lookback-days", "60", "--train-days", "20")
    made = typed(
        "backtest", "run", *window, "--policy", "mine.py", "--set", "policy.stop_frac=0.02", "--json"
    )
    assert made.returncode == 0, made.stderr
    run = json.loads(made.stdout)
    assert run["config"]["policy"]["reference"] == "mine.py"
    again = typed("replay", str(run["run_id"]), "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["same_content_hash"] is True
    (tmp_path / "mine.py").write_text("# changed\n" + EXAMPLE.read_text())
    changed = typed("replay", str(run["run_id"]), "--json")
    assert changed.returncode == 3
    assert "mine.py is not the policy that was run" in changed.stderr
    swept = typed("backtest", "sweep", *window, "--policy", "mine.py", "--grid", "policy.stop_frac=0.01,0.1",
                  "--json")  # fmt: skip
    assert swept.returncode == 0, swept.stderr
    assert json.loads(swept.stdout)["best"][0]["policy.stop_frac"] in (0.01, 0.1)
    assert typed("backtest", "run", *window, "--set", "policy.stop_frac=0.02").returncode == 2
