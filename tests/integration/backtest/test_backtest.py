"""A registered model replayed over the record: real PostgreSQL, real files, real fold models."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.database import Database
from marketsentry.api.app import create_app
from marketsentry.bootstrap import open_system
from marketsentry.core.backtest.request import DAY_NS, BacktestRequest
from marketsentry.core.backtest.stored import RunFiles, read_run
from marketsentry.core.backtest.summary import METRIC_KEYS
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.gates.verdict import Outcome, verdict_from_document
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.training.artifact import read_manifest, read_predictions
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Transactions
from marketsentry.ports.runs import StoredRun
from marketsentry.ports.training import ModelSpec
from marketsentry.services.backtest import BacktestDefaults, RunContext, read_stored_run, run_backtest
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.replay_check import ReplayReport, check_replay
from marketsentry.services.report import write_report
from marketsentry.services.training import train_candidate
from marketsentry.settings import Settings
from small_market import HOUR, FixedClock
from training_inputs import SOUND, InProcessTrainer
from verbs import ms, on_engines

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
        self.transactions = transactions
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


@pytest.fixture(scope="module")
def trained(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("desk")
    market = make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=N_DAYS * 24, signal_strength=2.0)

    async def fill() -> None:
        async with Database(module_database_url) as database:
            desk = Desk(database.transactions, folder)
            async with database.transactions() as stores:
                for series in market.series:
                    await stores.bars.merge(series)
            common = {
                "code_version": "code-1",
                "transactions": database.transactions,
                "files": ParquetDatasets(folder / "datasets"),
                "clock": desk.clock,
            }
            dataset = await build_dataset(DatasetRequest(SYMBOLS, HOUR), feature_set=BUILTIN, **common)
            await build_dataset(
                DatasetRequest(SYMBOLS, HOUR, data_version="other"), feature_set=SOUND, **common
            )
            await train_candidate(
                dataset,
                CandidateRequest(
                    "panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 20}), n_folds=3
                ),
                feature_set=BUILTIN,
                trainer=InProcessTrainer(),
                transactions=database.transactions,
                artifacts=desk.artifacts,
                clock=desk.clock,
            )

    asyncio.run(fill())
    return Trained(module_database_url, folder, market.series)


@pytest.fixture
async def desk(trained: Trained) -> AsyncIterator[Desk]:
    async with Database(trained.url) as database:
        yield Desk(database.transactions, trained.folder)


async def test_a_run_has_every_metric_and_is_stored(desk: Desk) -> None:
    stored = await desk.run()
    metrics = stored.run.metrics
    assert stored.run.status == metrics["status"] == "completed"
    assert metrics.keys() >= CONTRACT_KEYS | set(METRIC_KEYS)
    assert stored.run.run_name == "liquid-wf-20260304050607"
    assert stored.run.config["targets"] == list(SYMBOLS)
    assert stored.run.config["horizon"] == "1h"
    assert metrics["periods_per_year"] == 8_760
    assert metrics["lineage_coverage"] == 1.0
    assert len(metrics["folds"]) == 4
    assert metrics["gate"]["outcome"] in ("pass", "fail")
    review = verdict_from_document(metrics["sanity"])
    by_name = {check.name: check for check in review.checks}
    assert by_name["n_trades"].value == sum(desk.files(stored).trades["exit_bar"] >= 0) == 0
    assert by_name["costs_charged"].detail == "not measured: nothing was traded"
    assert review.outcome is Outcome.INSUFFICIENT_OBSERVATION
    assert by_name["ic_plausible"].value is not None
    assert metrics["equity_curve_ref"].endswith("/equity.npy")
    assert await read_stored_run(stored.id, transactions=desk.transactions) == stored
    with pytest.raises(NotFoundError, match="backtest run not found"):
        await read_stored_run(10**9, transactions=desk.transactions)


async def test_the_registered_models_are_what_scores(desk: Desk) -> None:
    """K-46: where training stored out-of-sample predictions, the replay makes the same ones from the fold models."""
    run = desk.files(await desk.run())
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    stored = read_predictions(desk.artifacts.get(model.artifact_path, model.artifact_sha256))
    rows = np.searchsorted(stored.ts_ns, run.ts_ns)
    both = np.isfinite(run.predictions) & (stored.fold[rows] >= 0)[:, None]
    assert both.sum() > 1_000
    np.testing.assert_array_equal(run.predictions[both], stored.values[rows][both])


async def test_nothing_trades_in_the_training_part(desk: Desk) -> None:
    """K-10: train_days and test_days are honoured."""
    stored = await desk.run()
    run = desk.files(stored)
    window = stored.run.config["window"]
    assert window["end_ns"] - run.ts_ns[0] == WINDOW["lookback_days"] * DAY_NS
    n_untraded = WINDOW["train_days"] * 24
    assert np.isnan(run.predictions[:n_untraded]).all()
    assert (run.equity[:n_untraded] == run.equity[0]).all()
    assert np.isfinite(run.predictions[n_untraded:]).any()
    lengths = {fold["end_ns"] - fold["start_ns"] + HOUR.ns for fold in stored.run.metrics["folds"]}
    assert lengths == {WINDOW["test_days"] * DAY_NS}


async def test_models_with_less_history_than_train_days_score_nothing(desk: Desk) -> None:
    stored = await desk.run(lookback_days=90, train_days=28, test_days=10)
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    manifest = read_manifest(desk.artifacts.get(model.artifact_path, model.artifact_sha256))
    spans = [fold["train"] for fold in manifest["recipe"]["folds"]]
    too_short = [stop - start < 28 * 24 for start, stop in spans]
    assert any(too_short), "the first fold trains on less than four weeks"
    first_long = spans[too_short.index(False)][1] + manifest["wf_purge_window"]
    run = desk.files(stored)
    bar_of_row = np.arange(run.ts_ns.size) + N_DAYS * 24 - 90 * 24
    known = np.isfinite(run.predictions).any(axis=1)
    assert bar_of_row[known].min() == max(first_long, (N_DAYS - 90 + 28) * 24)


async def test_the_same_inputs_give_the_same_bits(desk: Desk) -> None:
    first, second = await desk.run(), await desk.run()
    assert first.id != second.id
    assert first.run.metrics == second.run.metrics
    assert first.run.content_hash == second.run.content_hash
    assert first.run.artifact_path == second.run.artifact_path


async def test_the_costs_of_the_request_are_charged(desk: Desk) -> None:
    runs = [await desk.run(fee_bps=fee, slippage_bps=slip) for fee, slip in ((1.0, 0.5), (0.5, 1.0))]
    for stored, fee, slip in zip(runs, (1.0, 0.5), (0.5, 1.0), strict=True):
        fills = desk.files(stored).fills
        notional = fills["qty"] * fills["reference_price"]
        np.testing.assert_allclose(fills["fee_quote"], notional * fee * 1e-4)
        np.testing.assert_allclose(fills["slippage_quote"], notional * slip * 1e-4)
        costs = stored.run.metrics["cost_breakdown"]
        capital = stored.run.config["replay"]["capital_quote"]
        assert costs["fee"] == pytest.approx(fills["fee_quote"].sum() / capital)
        assert costs["impact"] > 0
    assert runs[0].run.content_hash != runs[1].run.content_hash


async def test_an_unregistered_model_fails_with_every_metric(desk: Desk) -> None:
    for changes in (
        {"model_name": "nobody"},
        {"track": "vc"},
        {"model_name": "panel", "model_version": "v9"},
    ):
        stored = await desk.run(**changes)
        metrics = stored.run.metrics
        assert stored.run.status == "failed"
        assert metrics["reason"] == "model_artifact_missing"
        assert metrics.keys() >= CONTRACT_KEYS
        assert metrics["gate_passed"] is False
        assert metrics["sanity"] is None
        assert stored.run.content_hash is None


async def test_another_horizon_than_the_models_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match="horizon must be 1h for model panel:v1, was 1d"):
        await desk.run(horizon="1d")


async def test_a_window_longer_than_the_history_fails(desk: Desk) -> None:
    """K-49: a window is complete or the run fails."""
    stored = await desk.run(lookback_days=200)
    assert stored.run.metrics["reason"] == "insufficient_prices"
    assert set(stored.run.metrics["per_target"]) == set(SYMBOLS)


async def test_features_of_another_schema_are_refused(desk: Desk) -> None:
    stored = await desk.run(data_version="other")
    assert stored.run.metrics["reason"] == "lineage_mismatch"


async def test_a_data_version_without_features_fails(desk: Desk) -> None:
    stored = await desk.run(data_version="v7")
    assert stored.run.metrics["reason"] == "insufficient_features"


async def test_a_failed_target_is_reported_and_never_averaged_in(desk: Desk) -> None:
    """K-48: a target that cannot be replayed is no zero in any mean."""
    alone, with_stranger = await desk.run(targets=("BTC",)), await desk.run(targets=("BTC", "DOGE"))
    metrics = with_stranger.run.metrics
    assert with_stranger.run.status == "completed"
    assert metrics["per_target"]["DOGE"]["status"] == "failed"
    assert metrics["per_target"]["DOGE"]["reason"] == "insufficient_features"
    for name in ("ic", "hit_rate", "pnl_after_cost", "sharpe", "turnover"):
        assert metrics[name] == alone.run.metrics[name]


async def test_a_replay_has_the_same_content_hash(desk: Desk) -> None:
    stored = await desk.run()
    report = await desk.again(stored.id)
    assert report.passed
    assert report.same_content_hash
    assert report.first_difference is None
    assert set(report.diffs) == {
        "ic", "hit_rate", "turnover", "pnl_after_cost", "max_drawdown", "lineage_coverage",
    }  # fmt: skip
    assert set(report.diffs.values()) == {0.0}
    newest = await desk.again(0)
    assert newest.source_run_id == stored.id, "a replay is not what is replayed next"


async def test_other_code_is_named_but_passes_when_the_numbers_agree(desk: Desk) -> None:
    report = await desk.again((await desk.run()).id, code_version="code-2")
    assert report.passed
    assert not report.same_content_hash
    assert report.first_difference is not None
    assert report.first_difference.path == "parts.code"


async def test_a_failed_run_replays_to_the_same_failure(desk: Desk) -> None:
    stored = await desk.run(model_name="nobody")
    report = await desk.again(stored.id)
    assert report.passed
    assert report.reason == "model_artifact_missing"


async def test_replays_refuse_nonsense(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="backtest run not found"):
        await desk.again(10**9)
    with pytest.raises(InputError, match="tolerance"):
        await desk.again(1, tolerance=float("nan"))


async def test_a_changed_bar_is_found_by_the_replay(desk: Desk, trained: Trained) -> None:
    stored = await desk.run(targets=("BTC",))
    btc = trained.series[0]
    last = btc.values[-30:-29].copy()
    last[:, :4] *= 1.01
    changed = replace(btc, ts_ns=btc.ts_ns[-30:-29], values=last)
    async with desk.transactions() as stores:
        await stores.bars.merge(changed)
    try:
        report = await desk.again(stored.id)
    finally:
        async with desk.transactions() as stores:
            await stores.bars.merge(replace(btc, ts_ns=btc.ts_ns[-30:-29], values=btc.values[-30:-29]))
    assert not report.passed
    assert report.first_difference is not None
    assert report.first_difference.path == "parts.bars"
    assert (await desk.again(stored.id)).same_content_hash


async def test_newer_data_does_not_move_a_replay(desk: Desk, trained: Trained) -> None:
    stored = await desk.run(targets=("ETH",))
    eth = trained.series[1]
    newer = replace(eth, ts_ns=eth.ts_ns[-5:] + 5 * HOUR.ns, values=eth.values[-5:])
    async with desk.transactions() as stores:
        await stores.bars.merge(newer)
    assert (await desk.again(stored.id)).same_content_hash


async def test_a_damaged_or_lost_artifact_fails_the_run(desk: Desk, trained: Trained) -> None:
    """K-46: the hash of the artifact is verified before it is run."""
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    folder = Path(model.artifact_path)
    victim = folder / "fold-0.model.txt"
    content = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(content.replace(b"1", b"2", 1))
    try:
        assert (await desk.run()).run.metrics["reason"] == "model_load_failed"
        moved = folder.rename(trained.folder / "elsewhere")
        assert (await desk.run()).run.metrics["reason"] == "model_artifact_missing"
        moved.rename(folder)
    finally:
        victim.write_bytes(content)
    assert (await desk.run()).run.status == "completed"


@pytest.fixture
async def client(trained: Trained, engines: Engines, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        home=tmp_path / "home",
        database_url=trained.url,
        redis_url=engines.redis_url,
        model_dir=trained.folder / "models",
        liquid_symbols=SYMBOLS,
    )
    async with open_system(settings) as system:
        transport = httpx.ASGITransport(create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as opened:
            yield opened


async def test_the_endpoint_runs_and_reads_back(client: httpx.AsyncClient) -> None:
    """Contract 1.7: the response, the stored row, rounding."""
    body = {"track": "liquid", "targets": ["btc"], "horizon": "1h", "model_name": "panel", **WINDOW}
    answer = await client.post("/api/v2/backtest/run", json=body)
    assert answer.status_code == 200
    run = answer.json()
    assert run["status"] == run["metrics"]["status"] == "completed"
    assert run["metrics"].keys() >= CONTRACT_KEYS
    assert run["config"]["targets"] == ["BTC"]
    assert run["run_name"].startswith("liquid-wf-")
    assert run["metrics"]["ic"] == round(run["metrics"]["ic"], 6)
    assert run["metrics"]["cost_breakdown"]["fee"] == round(run["metrics"]["cost_breakdown"]["fee"], 8)
    stored = (await client.get(f"/api/v2/backtest/{run['run_id']}")).json()
    assert stored["id"] == run["run_id"]
    assert stored["metrics"] == run["metrics"]
    assert stored["started_at"].endswith("Z")


async def test_a_run_that_cannot_be_made_is_a_200(client: httpx.AsyncClient) -> None:
    """Contract 0.4: a failed backtest has its reason and every metric."""
    for body in ({"track": "liquid"}, {"track": "vc"}):
        answer = await client.post("/api/v2/backtest/run", json=body)
        assert answer.status_code == 200
        assert answer.json()["status"] == "failed"
        assert answer.json()["metrics"]["reason"] == "model_artifact_missing"
        assert answer.json()["metrics"].keys() >= CONTRACT_KEYS


@pytest.mark.parametrize(
    "change",
    [
        {"track": "equity"},
        {"horizon": "2h"},
        {"lookback_days": 13},
        {"train_days": 366},
        {"test_days": 0},
        {"fee_bps": -1},
        {"slippage_bps": 1001},
        {"lookback_days": 20, "train_days": 20},
        {"horizon": "7d", "model_name": "panel"},
    ],
)
async def test_a_request_that_cannot_be_honoured_is_a_422(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    answer = await client.post("/api/v2/backtest/run", json={"track": "liquid", **WINDOW, **change})
    assert answer.status_code == 422


async def test_an_unknown_run_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v2/backtest/123456789")
    assert (answer.status_code, answer.json()) == (404, {"detail": "backtest run not found"})


async def test_lost_bars_block_their_target(desk: Desk, trained: Trained) -> None:
    async with Database(trained.url) as database, database.connection() as connection:
        await connection.execute(
            "CREATE TABLE kept AS SELECT * FROM market_bars WHERE symbol = 'ETH' AND "
            "ts >= (SELECT max(ts) FROM market_bars) - interval '20 days' AND "
            "ts < (SELECT max(ts) FROM market_bars) - interval '17 days'"
        )
        await connection.execute(
            "DELETE FROM market_bars b USING kept k WHERE b.symbol = 'ETH' AND b.ts = k.ts"
        )
    stored = await desk.run()
    assert stored.run.status == "completed"
    assert stored.run.metrics["per_target"]["ETH"]["reason"] == "data_quality_blocked"
    alone = await desk.run(targets=("ETH",))
    assert alone.run.metrics["reason"] == "data_quality_blocked"


def test_the_command_line_runs_and_replays(trained: Trained, engines: Engines, tmp_path: Path) -> None:
    environment = on_engines(
        engines, trained.url, tmp_path / "home", MODEL_DIR=str(trained.folder / "models")
    )

    def document(*words: str) -> tuple[int, Any]:
        done = ms(environment, *words, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    code, run = document("backtest", "run", "--model", "panel:v1", "--symbols", "btc", "--lookback-days", "60",
                         "--train-days", "20")  # fmt: skip
    assert (code, run["status"]) == (0, "completed")
    assert run["rows"] > 0
    assert run["seconds"] > 0
    assert run["peak_memory_mib"] > 0
    code, found = document("replay", str(run["run_id"]))
    assert (code, found["passed"], found["same_content_hash"]) == (0, True, True)
    code, runs = document("backtest", "list", "--limit", "2")
    assert (code, [one["run_id"] for one in runs]) == (0, [found["replay_run_id"], run["run_id"]])
    assert document("replay", "999999") == (2, {"status": "failed", "reason": "run_not_found"})
    code, failed = document("backtest", "run", "--model", "nobody")
    assert (code, failed["metrics"]["reason"]) == (2, "model_artifact_missing")


async def test_the_report_draws_trades_on_the_bars_that_the_run_saw_and_on_no_others(
    desk: Desk, trained: Trained, tmp_path: Path
) -> None:
    stored = await desk.run(fee_bps=0.0, slippage_bps=0.0)
    assert stored.run.metrics["trades"] > 0
    ports = {"transactions": desk.transactions, "artifacts": desk.artifacts}
    html = (await write_report(stored.id, lang="en", out=tmp_path / "a.html", **ports)).read_text()
    assert html.count("<figure><figcaption>") >= 2
    assert "Universe bought and held" in html
    btc = trained.series[0]
    last = slice(btc.ts_ns.size - 30, btc.ts_ns.size - 29)
    moved = replace(btc, ts_ns=btc.ts_ns[last], values=btc.values[last] * 1.001)
    try:
        async with desk.transactions() as stores:
            await stores.bars.merge(moved)
        html = (await write_report(stored.id, lang="en", out=tmp_path / "b.html", **ports)).read_text()
    finally:
        async with desk.transactions() as stores:
            await stores.bars.merge(btc)
    seen = desk.files(stored).document["parts"]["bars"]
    assert f"The record no longer holds the bars that this run saw (hash {seen[:12]} → " in html
    assert "<figure><figcaption>" not in html
    assert "Universe bought and held" not in html
    assert "Most profitable" in html
