"""Backtests over HTTP and from the command line."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backtest_desk import CONTRACT_KEYS, SYMBOLS, WINDOW, Trained
from marketsentry.adapters.embedded import Engines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import open_system
from marketsentry.settings import Settings
from verbs import ms, on_engines


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
