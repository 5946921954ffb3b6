"""Contract section 1.7 over HTTP, row by row: a real database, a synthetic market, a really trained model."""

import asyncio
import json
import math
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.cli.train_request import training_parts
from marketsentry.core.market.interval import parse_interval
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import train_stored
from marketsentry.settings import Settings

BASE = "http://127.0.0.1:8000"
RUN = "/api/v2/backtest/run"
HOUR = parse_interval("1h")
SYMBOLS = ("BTC", "ETH")
UNBUILT = "SOL"  # has bars and no features
N_DAYS = 150
MODEL, VERSION = "liquid_ttm_ensemble", "v2.1"  # the default of the contract, section 0.1
HORIZON = "1d"  # the default of the request
METRICS = {
    "status", "reason", "targets", "samples", "ic", "rank_ic", "hit_rate", "turnover", "pnl_after_cost",
    "max_drawdown", "model_name", "model_version", "lineage_coverage", "cost_breakdown", "gate_passed", "sharpe",
    "sortino", "volatility", "periods_per_year", "exposure", "trades", "folds", "per_target", "equity_curve_ref",
    "content_hash",
}  # fmt: skip
RESPONSE = {"run_id", "run_name", "track", "status", "metrics", "config"}
STORED = {"id", "run_name", "track", "started_at", "ended_at", "metrics", "config", "created_at"}
DEFAULTS = {
    "targets": list(SYMBOLS),
    "horizon": HORIZON,
    "model_name": MODEL,
    "model_version": VERSION,
    "data_version": "v1",
    "lookback_days": 90,
    "train_days": 35,
    "test_days": 7,
    "fee_bps": 5.0,
    "slippage_bps": 3.0,
}
LIQUID = {"track": "liquid"}


@dataclass(frozen=True)
class Desk:
    """Where the market lies and the model was trained."""

    settings: Settings


@pytest.fixture(scope="module")
def desk(engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home = tmp_path_factory.mktemp("desk with space")
    settings = Settings(
        home=home,
        database_url=module_database_url,
        redis_url=engines.redis_url,
        liquid_symbols=",".join(SYMBOLS),
    )
    asyncio.run(_prepare(settings))
    return Desk(settings)


async def _prepare(settings: Settings) -> None:
    market = SynthRequest(3, (*SYMBOLS, UNBUILT), HOUR, N_DAYS * 24, signal_strength=2.0)
    model = ModelSpec("lightgbm_panel", {"n_trees": 12})
    async with open_system(settings) as system:
        await synthesise(market, transactions=system.transactions, clock=system.clock)
        trained = await train_stored(
            DatasetRequest(SYMBOLS, HOUR),
            CandidateRequest(MODEL, VERSION, HORIZON, model=model, n_folds=3),
            training_parts(system),
            on_progress=lambda step, share: None,
        )
    assert trained.status == "ok"


@pytest.fixture
async def system(desk: Desk) -> AsyncIterator[System]:
    async with open_system(desk.settings) as opened:
        yield opened


@pytest.fixture
async def client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(system)), base_url=BASE) as opened:
        yield opened


async def post(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post(RUN, json={**LIQUID, **changes})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() == RESPONSE
    assert document["metrics"].keys() >= METRICS
    assert document["status"] == document["metrics"]["status"]
    return document


async def test_a_request_of_defaults_is_answered_with_every_key(client: httpx.AsyncClient) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    run = await post(client)
    metrics = run["metrics"]
    assert (run["status"], metrics["reason"], run["track"]) == ("completed", None, "liquid")
    assert {name: run["config"][name] for name in DEFAULTS} == DEFAULTS
    prefix, _, stamp = run["run_name"].rpartition("-")
    assert prefix == "liquid-wf"
    assert before <= datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert (metrics["model_name"], metrics["model_version"]) == (MODEL, VERSION)
    assert metrics["targets"] == list(SYMBOLS)
    assert metrics["samples"] > 1_000
    assert metrics["cost_breakdown"].keys() == {"fee", "slippage", "impact", "funding"}
    assert metrics["periods_per_year"] == 8_760
    assert len(metrics["content_hash"]) == 64


async def test_the_answer_is_what_is_read_back(client: httpx.AsyncClient) -> None:
    run = await post(client)
    answer = await client.get(f"/api/v2/backtest/{run['run_id']}")
    stored = answer.json()
    assert (answer.status_code, stored.keys()) == (200, STORED)
    assert {name: stored[name] for name in ("run_name", "track", "metrics", "config")} == {
        name: run[name] for name in ("run_name", "track", "metrics", "config")
    }
    assert stored["id"] == run["run_id"]


async def test_times_are_utc_and_end_in_z(client: httpx.AsyncClient) -> None:
    """K-83."""
    run = await post(client)
    stored = (await client.get(f"/api/v2/backtest/{run['run_id']}")).json()
    window = run["config"]["window"]
    times = [stored["started_at"], stored["ended_at"], stored["created_at"]]
    times += [window["start"], window["traded_from"], window["end"]]
    for text in times:
        assert text.endswith("Z"), text
        assert datetime.fromisoformat(text).utcoffset() is not None
    assert stored["started_at"] <= stored["ended_at"] <= stored["created_at"]


async def test_metrics_have_six_decimals_and_costs_eight(client: httpx.AsyncClient) -> None:
    """Contract section 0.1: rounding is presentation."""
    metrics = (await post(client))["metrics"]
    for name in ("ic", "rank_ic", "hit_rate", "pnl_after_cost", "max_drawdown", "sharpe", "volatility"):
        assert metrics[name] == round(metrics[name], 6), name
    for name, cost in metrics["cost_breakdown"].items():
        assert cost == round(cost, 8), name


async def test_the_same_inputs_give_identical_metrics(client: httpx.AsyncClient) -> None:
    first, second = await post(client), await post(client)
    assert first["metrics"] == second["metrics"]
    assert first["config"] == second["config"]
    assert first["run_id"] < second["run_id"]


async def test_targets_are_upper_cased_and_chosen(client: httpx.AsyncClient) -> None:
    run = await post(client, targets=["eth"])
    assert run["config"]["targets"] == run["metrics"]["targets"] == ["ETH"]
    assert run["metrics"]["per_target"].keys() == {"ETH"}


async def test_train_and_test_days_decide_what_is_traded(client: httpx.AsyncClient) -> None:
    """K-10: nothing is accepted and ignored."""
    run = await post(client, lookback_days=84, train_days=42, test_days=14)
    window, folds = run["config"]["window"], run["metrics"]["folds"]
    start, traded, end = (datetime.fromisoformat(window[k]) for k in ("start", "traded_from", "end"))
    assert ((traded - start).days, (end - start).days, len(folds)) == (42, 84, 3)
    assert {round((fold["end_ns"] - fold["start_ns"]) / HOUR.ns) + 1 for fold in folds} == {14 * 24}


async def test_another_horizon_than_the_models_is_refused(client: httpx.AsyncClient) -> None:
    """K-10."""
    answer = await client.post(RUN, json={**LIQUID, "horizon": "7d"})
    assert answer.status_code == 422
    (error,) = answer.json()["detail"]
    assert error["msg"] == f"horizon must be 1d for model {MODEL}:{VERSION}, was 7d"
    assert error.keys() == {"type", "loc", "msg", "input"}


async def test_costs_change_the_result(client: httpx.AsyncClient) -> None:
    free = await post(client, fee_bps=0, slippage_bps=0)
    dear = await post(client, fee_bps=50, slippage_bps=50)
    assert (free["metrics"]["cost_breakdown"]["fee"], free["metrics"]["cost_breakdown"]["slippage"]) == (0, 0)
    assert dear["metrics"]["cost_breakdown"]["fee"] > 0
    assert dear["metrics"]["pnl_after_cost"] < free["metrics"]["pnl_after_cost"]
    assert dear["metrics"]["content_hash"] != free["metrics"]["content_hash"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lookback_days", 13),
        ("lookback_days", 731),
        ("train_days", 6),
        ("train_days", 366),
        ("test_days", 0),
        ("test_days", 91),
        ("fee_bps", -0.1),
        ("fee_bps", 1000.1),
        ("slippage_bps", -1),
        ("slippage_bps", 1001),
        ("data_version", ""),
        ("data_version", "v" * 65),
        ("lookback_days", "ninety"),
        ("train_days", 35.5),
        ("targets", "BTC"),
        ("targets", [""]),
        ("track", "solid"),
        ("horizon", "4h"),
        ("model_name", 5),
    ],
)
async def test_a_value_out_of_range_is_a_422_that_names_the_field(
    client: httpx.AsyncClient, name: str, value: object
) -> None:
    answer = await client.post(RUN, json={**LIQUID, name: value})
    assert answer.status_code == 422
    errors = answer.json()["detail"]
    assert all(error.keys() == {"type", "loc", "msg", "input"} for error in errors)
    assert errors[0]["loc"][:2] == ["body", name]


@pytest.mark.parametrize("name", ["fee_bps", "slippage_bps", "lookback_days"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_numbers_that_are_none_are_refused(client: httpx.AsyncClient, name: str, number: str) -> None:
    """K-05: refused in requests and never produced, not even in the echo."""
    body = f'{{"track": "liquid", "{name}": {number}}}'
    answer = await client.post(RUN, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    json.loads(answer.text, parse_constant=pytest.fail)


async def test_a_window_that_cannot_hold_both_parts_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(RUN, json={**LIQUID, "lookback_days": 30, "train_days": 30})
    assert answer.status_code == 422
    assert "train_days + test_days must be <= lookback_days (30)" in answer.json()["detail"][0]["msg"]


async def test_the_track_is_required(client: httpx.AsyncClient) -> None:
    answer = await client.post(RUN, json={})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "track"])


@pytest.mark.parametrize(
    ("changes", "reason", "target"),
    [
        ({"model_name": "unheard-of"}, "model_artifact_missing", None),
        ({"model_version": "v0"}, "model_artifact_missing", None),
        ({"track": "vc"}, "model_artifact_missing", None),
        ({"data_version": "v9"}, "insufficient_features", "BTC"),
        ({"targets": [UNBUILT]}, "insufficient_features", UNBUILT),
        ({"targets": ["DOGE"]}, "insufficient_features", "DOGE"),
        ({"lookback_days": 365}, "insufficient_prices", "BTC"),
    ],
)
async def test_a_run_that_cannot_be_made_is_a_200_with_every_metric(
    client: httpx.AsyncClient, changes: dict[str, Any], reason: str, target: str | None
) -> None:
    """Section 0.4 (4): the reason, the complete dictionary, and a stored row."""
    run = await post(client, **changes)
    metrics = run["metrics"]
    assert (run["status"], metrics["reason"]) == ("failed", reason)
    assert (metrics["samples"], metrics["gate_passed"], metrics["content_hash"]) == (0, False, None)
    assert all(metrics[name] is None for name in ("ic", "pnl_after_cost", "max_drawdown", "sharpe"))
    if target is not None:
        assert metrics["per_target"][target]["reason"] == reason
    stored = (await client.get(f"/api/v2/backtest/{run['run_id']}")).json()
    assert (stored["metrics"], stored["config"]) == (metrics, run["config"])


async def test_a_failed_target_stands_beside_the_others(client: httpx.AsyncClient) -> None:
    """K-48: one portfolio; a target that failed is not a zero in an average."""
    alone, beside = await post(client, targets=["BTC"]), await post(client, targets=["BTC", UNBUILT])
    assert beside["status"] == "completed"
    assert beside["metrics"]["per_target"][UNBUILT]["reason"] == "insufficient_features"
    for name in ("ic", "pnl_after_cost", "max_drawdown", "sharpe", "samples", "turnover"):
        assert beside["metrics"][name] == alone["metrics"][name]


async def test_lineage_coverage_is_a_share(client: httpx.AsyncClient) -> None:
    """K-50: the covered share of the samples, not a count of ids."""
    metrics = (await post(client))["metrics"]
    assert 0.98 <= metrics["lineage_coverage"] <= 1.0
    assert len((await post(client))["config"]["lineages"]) == len(SYMBOLS)


async def test_a_damaged_artifact_is_not_run(client: httpx.AsyncClient, system: System) -> None:
    """K-46: the named bytes are run or nothing is."""
    async with system.transactions() as stores:
        path = Path((await stores.models.get(MODEL, VERSION)).model.artifact_path)
    whole = path.with_name("whole")
    shutil.copytree(path, whole)
    try:
        served = path / "model.txt"
        served.chmod(0o644)
        served.write_bytes(served.read_bytes().replace(b"leaf_value=", b"leaf_value=9", 1))
        run = await post(client)
        assert (run["status"], run["metrics"]["reason"]) == ("failed", "model_load_failed")
        shutil.rmtree(path)
        run = await post(client)
        assert (run["status"], run["metrics"]["reason"]) == ("failed", "model_artifact_missing")
    finally:
        shutil.rmtree(path, ignore_errors=True)
        whole.rename(path)
    assert (await post(client))["status"] == "completed"


async def test_a_backtest_changes_nothing_but_its_own_row(client: httpx.AsyncClient, system: System) -> None:
    """K-69: whatever its gate says, the registry is as before."""
    registry = "SELECT to_jsonb(m) FROM model_registry m ORDER BY id"
    counts = (
        "SELECT (SELECT count(*) FROM backtest_runs), (SELECT count(*) FROM trials), "
        "(SELECT count(*) FROM feature_snapshots), (SELECT count(*) FROM datasets)"
    )

    async def look() -> tuple[list[Any], tuple[int, ...]]:
        async with system.database.connection() as connection:
            models = await (await connection.execute(registry)).fetchall()
            (row,) = await (await connection.execute(counts)).fetchall()
            return models, row

    models, before = await look()
    await post(client)
    assert await look() == (models, (before[0] + 1, *before[1:]))


@pytest.mark.parametrize("run_id", [10**9, 2**63 - 1])
async def test_an_unknown_run_is_a_404(client: httpx.AsyncClient, run_id: int) -> None:
    answer = await client.get(f"/api/v2/backtest/{run_id}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "backtest run not found"})


@pytest.mark.parametrize("run_id", ["one", "1.5", "0", "-1", str(2**63)])
async def test_an_id_that_is_none_is_a_422(client: httpx.AsyncClient, run_id: str) -> None:
    answer = await client.get(f"/api/v2/backtest/{run_id}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "run_id"]


async def test_numbers_in_answers_are_finite(client: httpx.AsyncClient) -> None:
    run = await post(client)

    def walk(value: object) -> None:
        if isinstance(value, float):
            assert math.isfinite(value)
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(child)

    walk(run)
