"""Signals over HTTP: a real database, a synthetic market, a really trained model (contract 1.4, row by row)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.cli.train_request import training_parts
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.portfolio.fast_score import fast_score, read_live
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import train_stored
from marketsentry.settings import Settings
from small_market import FixedClock

BASE = "http://127.0.0.1:8000"
API = "/api/v2"
HOUR = parse_interval("1h")
SYMBOLS = ("BTC", "ETH")
UNTRAINED = "SOL"  # has bars, and no model was trained on it
MODEL, VERSION = "liquid_ttm_ensemble", "v2.1"
MARKET = SynthRequest(3, (*SYMBOLS, UNTRAINED), HOUR, 150 * 24, signal_strength=2.0)
NOW = ns_to_datetime(MARKET.stop_ns) + timedelta(minutes=20)
RESPONSE = {
    *("signal_id", "track", "target", "horizon", "action", "score", "confidence", "reason", "policy"),
    *("strategy_bucket", "created_at", "decision_id", "prediction_id", "expires_at"),
}


@dataclass
class Desk:
    """A system whose clock stands, and a client of it."""

    system: System
    clock: FixedClock
    client: httpx.AsyncClient

    async def signal(
        self, status: int = 200, headers: dict[str, str] | None = None, **asked: Any
    ) -> dict[str, Any]:
        body = {"track": "liquid", "target": "BTC", **asked}
        answer = await self.client.post(f"{API}/signals/generate", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        assert status != 200 or told.keys() == RESPONSE
        return told

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/{path}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def switch(self, what: str, **asked: Any) -> None:
        answer = await self.client.post(f"{API}/risk/kill-switch/{what}", json={"track": "liquid", **asked})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def trained(engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        home=tmp_path_factory.mktemp("desk"),
        database_url=module_database_url,
        redis_url=engines.redis_url,
        liquid_symbols=",".join(SYMBOLS),
        served_models=f"1d={MODEL}:{VERSION}",
    )
    asyncio.run(_prepare(settings))
    return settings


async def _prepare(settings: Settings) -> None:
    async with open_system(settings) as system:
        await synthesise(MARKET, transactions=system.transactions, clock=system.clock)
        result = await train_stored(
            DatasetRequest(SYMBOLS, HOUR),
            CandidateRequest(
                MODEL, VERSION, "1d", model=ModelSpec("lightgbm_panel", {"n_trees": 12}), n_folds=3
            ),
            training_parts(system),
            on_progress=lambda step, share: None,
        )
        assert result.status == "ok"
        # what is asked here is what an approved version may do, not whether twelve trees earn the approval
        async with system.database.connection() as connection:
            await connection.execute(
                "UPDATE model_registry SET verdict = jsonb_set(verdict, '{outcome}', '\"pass\"')"
            )


@pytest.fixture
async def desk(trained: Settings) -> AsyncIterator[Desk]:
    clock = FixedClock(NOW)
    async with open_system(trained) as opened:
        system = replace(opened, clock=clock)
        transport = httpx.ASGITransport(create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Desk(system, clock, client)


async def test_a_signal_is_stored_with_its_prediction_and_decision(desk: Desk) -> None:
    told = await desk.signal(target="btc", min_confidence=0.0)
    prediction = await desk.get(f"predictions/{told['prediction_id']}/explanation")
    assert (told["track"], told["target"], told["horizon"], told["policy"]) == (
        "liquid",
        "BTC",
        "1d",
        "baseline-v2",
    )
    assert (told["score"], told["confidence"]) == (prediction["score"], prediction["confidence"])
    band = 0.0016
    wanted = "buy" if told["score"] > band else "sell" if told["score"] < -band else "hold"
    assert told["action"] == wanted
    assert told["expires_at"] == (NOW + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert told["created_at"].endswith("Z")
    pairs = dict(pair.split("=", 1) for pair in told["reason"].split(";"))
    assert (pairs["policy"], pairs["model"]) == ("baseline-v2", f"{MODEL}-{VERSION}")
    assert float(pairs["score"]) == pytest.approx(told["score"], abs=1e-6)
    async with desk.system.transactions() as stores:
        stored = await stores.signals.get(told["signal_id"])
        decision = await stores.decisions.get(told["decision_id"])
        features = await stores.predictions.features(told["prediction_id"])
    assert (stored.decision_id, stored.prediction_id) == (told["decision_id"], told["prediction_id"])
    assert stored.metadata.keys() >= {
        *("reason", "min_confidence", "strategy_id", "cost_profile", "risk_profile"),
    }
    assert (decision.source, decision.is_approved, decision.as_of) == ("signal", True, NOW)
    assert {"ret_3", "signed_volume_24", "vol_24", "efficiency_24"} <= features.keys()


async def test_the_dead_band_goes_by_the_profiles(desk: Desk) -> None:
    """K-10."""
    found = [
        await desk.signal(target=symbol, min_confidence=0.0, cost_profile=cost, risk_profile=risk)
        for symbol in SYMBOLS
        for cost, risk in (("low", "aggressive"), ("standard", "balanced"), ("high", "conservative"))
    ]
    for one, band in zip(found, (0.0003, 0.0016, 0.0112) * 2, strict=True):
        assert (one["action"] == "hold") == (abs(one["score"]) <= band)
        assert f"dead_band={band:.6f}" in one["reason"]
    for asked in ({"cost_profile": "own"}, {"risk_profile": "own"}):
        told = await desk.signal(422, **asked)
        assert "must be one of" in told["detail"][0]["msg"]


async def test_the_ensemble_reads_the_row_that_the_prediction_stored(desk: Desk) -> None:
    """K-63."""
    slow = await desk.signal(min_confidence=0.0)
    told = await desk.signal(min_confidence=0.0, policy="ensemble-v1")
    async with desk.system.transactions() as stores:
        fast = fast_score(read_live(await stores.predictions.features(told["prediction_id"])))
    assert fast is not None
    assert told["score"] == pytest.approx(0.7 * slow["score"] + 0.3 * fast, abs=1e-9)
    assert told["confidence"] == pytest.approx(slow["confidence"] + 0.03, abs=1e-6)


async def test_too_little_confidence_holds(desk: Desk) -> None:
    told = await desk.signal(min_confidence=1.0)
    assert told["action"] == "hold"
    assert "hold=low_confidence" in told["reason"]


@pytest.mark.parametrize("policy", ["baseline-v2", "ensemble-v1"])
@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"target": UNTRAINED}, "not_in_universe"),
        ({"horizon": "7d"}, "horizon_not_served"),
        ({"track": "vc", "target": "Acme Robotics"}, "experimental_track"),
    ],
)
async def test_a_cold_start_holds_and_says_why(
    desk: Desk, asked: dict[str, str], why: str, policy: str
) -> None:
    """K-62, K-68."""
    told = await desk.signal(policy=policy, **asked)
    assert (told["action"], told["strategy_bucket"]) == ("hold", "event")
    assert told["reason"].endswith(f"hold=untradeable;why={why}")
    assert told["score"] is not None
    assert told["target"] == asked.get("target", "BTC").upper()


async def test_an_abstention_holds_without_numbers(desk: Desk) -> None:
    """K-64."""
    desk.clock.at = NOW + timedelta(days=2)
    told = await desk.signal()
    assert (told["action"], told["score"], told["confidence"]) == ("hold", None, None)
    assert told["reason"].endswith("hold=abstained;why=stale_inputs")


async def test_a_symbol_without_a_price_is_not_found(desk: Desk) -> None:
    told = await desk.signal(404, target="DOGE")
    assert isinstance(told["detail"], str)


async def test_the_kill_switch_blocks_and_stores_nothing(desk: Desk) -> None:
    before = (await desk.get("signals?limit=1"))["items"]
    n_predictions = (await desk.get("predictions?limit=1"))["items"][0]["id"]
    await desk.switch("trigger")
    try:
        assert await desk.signal(423) == {"detail": "kill_switch_triggered:liquid:global"}
        await desk.signal(track="vc", target="Acme")  # another track
    finally:
        await desk.switch("reset")
    await desk.switch("trigger", track="vc")
    try:
        told = await desk.signal(423, track="vc", target="Acme")
        assert told == {"detail": "kill_switch_triggered:vc:global"}
    finally:
        await desk.switch("reset", track="vc")
    await desk.switch("trigger", strategy_id="own")
    try:
        assert await desk.signal(423, strategy_id="own") == {"detail": "kill_switch_triggered:liquid:own"}
    finally:
        await desk.switch("reset", strategy_id="own")
    liquid = await desk.get("signals?limit=1&track=liquid")
    assert [one["id"] for one in liquid["items"]] <= [one["id"] for one in before]
    assert (await desk.get("predictions?limit=1&track=liquid"))["items"][0]["id"] <= n_predictions


async def test_a_key_makes_a_retry_safe(desk: Desk) -> None:
    key = {"Idempotency-Key": "a-signal"}
    first = await desk.signal(headers=key)
    assert await desk.signal(headers=key) == first
    assert (await desk.signal())["signal_id"] > first["signal_id"]
    assert isinstance((await desk.signal(409, headers=key, horizon="7d"))["detail"], str)


@pytest.mark.parametrize(
    "wrong",
    [
        {"track": "fx"},
        {"target": " "},
        {"target": "X" * 21},
        {"horizon": "2d"},
        {"policy": "own"},
        {"min_confidence": 1.01},
        {"min_confidence": -0.01},
        {"strategy_id": ""},
        {"strategy_id": "x" * 65},
        {"cost_profile": ""},
    ],
)
async def test_what_is_out_of_range_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    assert isinstance((await desk.signal(422, **wrong))["detail"], list)


async def test_pages_of_signals_go_on(desk: Desk) -> None:
    made = [(await desk.signal(strategy_id="pages"))["signal_id"] for _ in range(3)]
    first = await desk.get("signals?strategy_id=pages&limit=2")
    second = await desk.get(f"signals?strategy_id=pages&limit=2&cursor={first['next_cursor']}")
    assert [one["id"] for one in (*first["items"], *second["items"])] == made[::-1]
    assert (first["items"][0]["metadata"]["strategy_id"], second["next_cursor"]) == ("pages", None)
    assert (await desk.get("signals?strategy_id=none"))["items"] == []
    for wrong in ("track=fx", "limit=0", "limit=501", "cursor=0"):
        assert (await desk.client.get(f"{API}/signals?{wrong}")).status_code == 422


async def test_the_latency_of_a_signal_is_measured(desk: Desk) -> None:
    await desk.signal()
    shown = (await desk.client.get("/metrics")).text
    assert 'ms_signal_latency_seconds_count{track="liquid"} 1.0' in shown
    assert 'ms_data_freshness_seconds{target="BTC"}' in shown


async def test_a_signal_becomes_an_order(desk: Desk) -> None:
    """Contract 3.7: order, signal, prediction, snapshot and model hang together by keys."""
    told = await desk.signal(min_confidence=0.0, cost_profile="low", risk_profile="aggressive")
    assert told["action"] != "hold"
    line = {name: told[name] for name in ("target", "track", "action", "score", "confidence", "signal_id")}
    answer = await desk.client.post(
        f"{API}/portfolio/rebalance", json={"signals": [line], "capital": 1_000, "risk_budget": 0.1}
    )
    assert answer.status_code == 200, answer.text
    (order,) = answer.json()["orders"]
    async with desk.system.database.connection() as connection:
        chain = await (
            await connection.execute(
                "SELECT m.model_name, p.id, s.decision_id FROM orders_sim AS o "
                "JOIN signal_candidates AS s ON s.id = o.signal_id "
                "JOIN predictions_v2 AS p ON p.id = s.prediction_id "
                "JOIN feature_snapshots AS f ON f.id = p.feature_snapshot_id "
                "JOIN model_registry AS m ON m.id = p.model_id WHERE o.id = %(id)s",
                {"id": order["order_id"]},
            )
        ).fetchall()
    assert chain == [(MODEL, told["prediction_id"], told["decision_id"])]
    assert order["base_quantity"] == pytest.approx(order["notional"] / order["est_price"], abs=1e-8)
