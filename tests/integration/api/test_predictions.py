"""Contract section 1.3 over HTTP, row by row: a real database, a synthetic market, a really trained model."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.services.predict import LiquidRequest, predict_liquid
from marketsentry.settings import Settings
from prediction_desk import (
    API,
    BASE,
    END,
    HOUR,
    LIQUID,
    MARKET,
    MODEL,
    NOW,
    STORED,
    SYMBOLS,
    UNTRAINED,
    VC,
    VERSION,
    Desk,
    event,
    event_ids,
    train_served,
)
from small_market import FixedClock


@pytest.fixture(scope="module")
def trained(engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        home=tmp_path_factory.mktemp("desk"),
        database_url=module_database_url,
        redis_url=engines.redis_url,
        liquid_symbols=",".join(SYMBOLS),
        served_models=f"7d={MODEL}:v9,1d={MODEL}:{VERSION}",
    )
    asyncio.run(train_served(settings))
    return settings


@pytest.fixture
async def desk(trained: Settings) -> AsyncIterator[Desk]:
    clock = FixedClock(NOW)
    async with open_system(trained) as opened:
        system = replace(opened, clock=clock)
        transport = httpx.ASGITransport(create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Desk(system, clock, client)


async def test_the_registered_model_answers_and_is_stored(desk: Desk) -> None:
    """K-61, and the audit chain of contract 3.7."""
    told = await desk.liquid()
    outputs = told["outputs"]
    assert outputs.keys() >= LIQUID
    assert (told["track"], told["target"], told["source"], told["abstained"]) == (
        "liquid",
        "BTC",
        "model",
        False,
    )
    assert told["reason"] is None
    assert (outputs["horizon"], outputs["as_of"]) == ("1d", NOW.isoformat().replace("+00:00", "Z"))
    expected = outputs["expected_return"]
    assert math.isfinite(expected)
    assert outputs["vol_forecast"] == pytest.approx(max(0.01, 0.02 + 4 * abs(expected)), abs=1e-6)
    vol = outputs["vol_forecast"]
    assert outputs["signal_confidence"] == pytest.approx(min(max(0.75 - 4 * vol, 0.35), 0.95), abs=1e-5)
    assert outputs["stack"] == {"nn": None, "tabular": expected, "alpha": 0.0}
    stored = await desk.get(f"predictions/{told['prediction_id']}/explanation")
    assert stored.keys() >= STORED
    assert {name: stored[name] for name in ("outputs", "explanation", "target", "track")} == {
        name: told[name] for name in ("outputs", "explanation", "target", "track")
    }
    assert (stored["score"], stored["horizon"], stored["feature_set_id"]) == (
        expected,
        "1d",
        "feature-store-v2.0",
    )
    assert (
        stored["decision_id"]
        == stored["lineage_id"]
        == outputs["lineage_id"]
        == f"infer-{NOW:%Y%m%d%H%M%S}-btc"
    )
    assert stored["created_at"].endswith("Z")
    async with desk.system.transactions() as stores:
        registered = await stores.models.get(MODEL, VERSION)
    assert stored["model_id"] == registered.id
    assert stored["explanation"]["model_version"] == f"{MODEL}-{VERSION}"
    assert told["tradeable"] == (registered.model.verdict["outcome"] == "pass")


async def test_attributions_are_the_models_own_and_add_up(desk: Desk) -> None:
    """K-67."""
    told = await desk.liquid("eth")
    why = told["explanation"]
    parts = [one["contribution"] for one in why["top_feature_contributors"]]
    total = math.fsum([why["attribution"]["base_value"], why["attribution"]["rest"], *parts])
    assert total == pytest.approx(told["outputs"]["expected_return"], abs=1e-8)
    assert len(parts) > 0
    assert [abs(part) for part in parts] == sorted((abs(part) for part in parts), reverse=True)
    assert why["attribution"]["scale"] == "return"


async def test_the_price_is_the_newest_that_is_known(desk: Desk) -> None:
    told = await desk.liquid()
    async with desk.system.transactions() as stores:
        last = await stores.bars.last_bars("BTC", HOUR, 1)
    outputs = told["outputs"]
    assert outputs["current_price"] == pytest.approx(last.values[-1, 3], abs=1e-8)
    assert (outputs["price_source"], outputs["price_at"]) == (
        "synthetic 1h",
        END.isoformat().replace("+00:00", "Z"),
    )
    shown = (await desk.client.get("/metrics")).text
    assert 'ms_data_freshness_seconds{target="BTC"} 1200.0' in shown
    async with desk.system.database.connection() as connection:
        await connection.execute(
            "INSERT INTO prices (symbol, price, timestamp, source, known_at) VALUES "
            "('BTC', 123.456789012, %(at)s, 'spot', %(at)s), ('BTC', 9, %(later)s, 'spot', %(later)s)",
            {"at": END + timedelta(minutes=5), "later": NOW + timedelta(minutes=1)},
        )
    outputs = (await desk.liquid())["outputs"]
    assert (outputs["current_price"], outputs["price_source"]) == (123.45678901, "spot")


async def test_a_symbol_without_a_price_is_not_found(desk: Desk) -> None:
    for symbol in ("DOGE", "no/such", "🙂"):
        answer = await desk.client.post(f"{API}/predict/liquid", json={"symbol": symbol})
        assert (answer.status_code, type(answer.json()["detail"])) == (404, str)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"symbol": UNTRAINED}, "not_in_universe"),
        ({"symbol": "BTC", "horizon": "1h"}, "horizon_not_served"),
        ({"symbol": "BTC", "horizon": "7d"}, "model_not_registered"),
    ],
)
async def test_cold_start_is_labelled_and_never_tradeable(
    desk: Desk, asked: dict[str, Any], reason: str
) -> None:
    """K-62."""
    told = await desk.post("predict/liquid", **asked)
    assert (told["source"], told["tradeable"], told["abstained"], told["reason"]) == (
        "heuristic",
        False,
        False,
        reason,
    )
    assert told["outputs"].keys() >= LIQUID
    assert told["outputs"]["reason_detail"]
    assert told["explanation"]["model_version"] == "liquid-tsfm-adapter-baseline-v2"
    stored = await desk.get(f"predictions/{told['prediction_id']}/explanation")
    assert (stored["model_id"], stored["feature_snapshot_id"]) == (None, None)


async def test_cold_start_counts_what_is_known_by_now(desk: Desk) -> None:
    at = NOW - timedelta(hours=2)
    before = await event_ids(desk, UNTRAINED)
    ids = await desk.ingest(
        *(event("market", "Solana", at - timedelta(minutes=n), symbol="SOL") for n in range(9))
    )
    told = await desk.liquid(UNTRAINED)
    outputs, why = told["outputs"], told["explanation"]
    assert outputs["expected_return"] == pytest.approx(0.016)
    assert outputs["vol_forecast"] == pytest.approx(0.04)
    assert outputs["signal_confidence"] == pytest.approx(0.79)
    assert await event_ids(desk, UNTRAINED) == ids[:5] != before
    assert why["top_event_contributors"][0]["weight"] == pytest.approx(math.exp(-2 / 12))
    assert len(why["evidence_links"]) == 5
    assert why["top_feature_contributors"] == [
        {"feature": "market_events", "value": 8.0, "contribution": pytest.approx(0.016)}
    ]
    desk.clock.at = NOW - timedelta(minutes=1)  # before they were received
    assert await event_ids(desk, UNTRAINED) == before


async def test_stale_inputs_make_it_abstain(desk: Desk) -> None:
    """K-64: nobody answers, and no number is made up."""
    desk.clock.at = END + 2 * timedelta(hours=1)
    assert not (await desk.liquid())["abstained"]
    desk.clock.at += timedelta(seconds=1)
    told = await desk.liquid()
    outputs = told["outputs"]
    assert (told["abstained"], told["reason"], told["tradeable"]) == (True, "stale_inputs", False)
    assert "must be at most 7200 s" in outputs["reason_detail"]
    assert outputs.keys() >= LIQUID
    assert {outputs[name] for name in ("expected_return", "vol_forecast", "signal_confidence")} == {None}
    assert told["explanation"]["top_feature_contributors"] == []
    assert told["explanation"]["attribution"] is None
    stored = await desk.get(f"predictions/{told['prediction_id']}/explanation")
    assert (stored["score"], stored["confidence"], stored["abstained"]) == (None, None, True)


async def test_it_waits_for_the_bar_of_every_symbol(desk: Desk) -> None:
    """A rank among symbols is not computed while one of them is late."""
    last_ns = MARKET.stop_ns - HOUR.ns
    async with desk.system.transactions() as stores:
        bar = (await stores.bars.last_bars("BTC", HOUR, 1)).values
        times = np.array([last_ns + HOUR.ns])
        await stores.bars.merge(BarSeries("BTC", HOUR, "synthetic", times, bar))
    desk.clock.at = END + timedelta(hours=1, minutes=1)
    told = await desk.liquid()
    assert (told["reason"], told["abstained"]) == ("universe_late", True)
    assert "ETH" in told["outputs"]["reason_detail"]
    async with desk.system.database.connection() as connection:
        await connection.execute("DELETE FROM market_bars WHERE symbol = 'BTC' AND ts = %(ts)s", {"ts": END})
        await connection.execute(
            "UPDATE market_series SET last_ts = %(ts)s, n_bars = n_bars - 1 WHERE symbol = 'BTC'",
            {"ts": END - timedelta(hours=1)},
        )


async def test_what_is_configured_is_what_serves(desk: Desk) -> None:
    """K-65: another version is other bytes, and no version that was not chosen steps in."""
    async with desk.system.transactions() as stores:
        known = (await stores.models.get(MODEL, VERSION)).model
    files = dict(desk.system.artifacts.get(known.artifact_path, known.artifact_sha256))
    first_fold = {"model.txt": files["fold-0.model.txt"]}  # the first fold's model in place of the served one
    other = desk.system.artifacts.put("models", {**files, **first_fold})
    broken = desk.system.artifacts.put("models", {**files, "model.txt": b"no trees"})
    async with desk.system.transactions() as stores:
        for version, artifact in (("other", other), ("broken", broken), ("gone", broken)):
            await stores.models.register(
                replace(
                    known,
                    version=version,
                    artifact_path="/nowhere" if version == "gone" else str(artifact.path),
                    artifact_sha256=artifact.sha256,
                )
            )
        await stores.models.register(replace(known, version="refused", state="refused"))
    answers: dict[str, dict[str, Any]] = {}
    for version in (VERSION, "other", VERSION, "broken", "gone", "refused"):
        settings = desk.system.settings.model_copy(update={"served_models": (("1d", MODEL, version),)})
        again = replace(desk.system, settings=settings)  # the memory of loaded models is shared
        transport = httpx.ASGITransport(create_app(again))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            told = await Desk(again, desk.clock, client).liquid("ETH")
        assert answers.setdefault(version, told)["outputs"] == told["outputs"]
    assert {name: told["reason"] for name, told in answers.items()} == {
        VERSION: None,
        "other": None,
        "broken": "model_load_failed",
        "gone": "model_artifact_missing",
        "refused": "model_refused",
    }
    scores = {name: answers[name]["outputs"]["expected_return"] for name in (VERSION, "other")}
    assert scores[VERSION] != scores["other"]
    assert answers["other"]["explanation"]["model_version"] == f"{MODEL}-other"
    assert {told["source"] for told in answers.values() if told["reason"]} == {"heuristic"}
    assert not any(told["tradeable"] for told in answers.values() if told["reason"])


@pytest.mark.parametrize("outcome", ["pass", "fail", "insufficient_observation"])
async def test_only_a_version_that_passed_may_trade_and_only_now(desk: Desk, outcome: str) -> None:
    async with desk.system.transactions() as stores:
        known = (await stores.models.get(MODEL, VERSION)).model
        verdict = {**known.verdict, "outcome": outcome}
        await stores.models.register(replace(known, version=outcome, verdict=verdict))
    settings = desk.system.settings.model_copy(update={"served_models": (("1d", MODEL, outcome),)})
    parts = replace(desk.system, settings=settings).serving
    now = await predict_liquid(LiquidRequest("BTC", "1d"), parts)
    assert (now.stored.source, now.stored.tradeable) == ("model", outcome == "pass")
    past = await predict_liquid(LiquidRequest("BTC", "1d"), parts, as_of=END)
    assert (past.stored.score, past.stored.tradeable) == (now.stored.score, False)
    with pytest.raises(InputError, match="horizon must be one of 1h, 1d, 7d, was 4h"):
        await predict_liquid(LiquidRequest("BTC", "4h"), parts)


async def test_two_calls_of_one_second_share_their_lineage(desk: Desk) -> None:
    desk.clock.at = NOW + timedelta(seconds=30)
    first, second = await asyncio.gather(desk.liquid(), desk.liquid())
    assert first["prediction_id"] != second["prediction_id"]
    assert first["outputs"] == second["outputs"]


async def test_vc_follows_the_contract(desk: Desk) -> None:
    """K-68: experimental, a heuristic, never tradeable."""
    told = await desk.vc("Nobody Knows Inc", horizon_months=12)
    outputs = told["outputs"]
    assert outputs.keys() >= VC
    assert (told["source"], told["tradeable"], told["reason"]) == ("heuristic", False, "experimental_track")
    assert outputs["experimental"] is True
    assert outputs["p_next_round"] == {"6m": 0.55, "12m": 0.5, "24m": 0.42}
    assert outputs["p_exit_24m"] == 0.401312
    assert outputs["expected_moic_distribution"] == {"p10": 1.0, "p50": 1.8, "p90": 3.752625}
    assert told["target"] == "Nobody Knows Inc"
    stored = await desk.get(f"predictions/{told['prediction_id']}/explanation")
    assert (stored["score"], stored["confidence"], stored["horizon"]) == (0.5, 0.55, "12m")
    assert stored["explanation"]["model_version"] == "vc-survival-baseline-v2"


async def test_country_and_sector_are_honoured(desk: Desk) -> None:
    """K-10."""
    at = NOW - timedelta(days=3)
    await desk.ingest(event("funding", "Globex", at, country="US", sector="Energy"))
    known = (await desk.vc("globex"))["outputs"]
    assert known["n_events"] == 1
    assert known["p_next_round"]["12m"] == pytest.approx(1 / (1 + math.exp(-0.63)), abs=1e-6)
    for fits in ({"country": "us"}, {"sector": "energy"}, {"country": "US", "sector": "Energy"}):
        assert (await desk.vc("Globex", **fits))["outputs"]["n_events"] == 1
    for other in ({"country": "DE"}, {"sector": "Food"}, {"country": "US", "sector": "Food"}):
        outputs = (await desk.vc("Globex", **other))["outputs"]
        assert (outputs["n_events"], outputs["p_next_round"]["12m"]) == (0, 0.5)


async def test_an_unknown_prediction_is_not_found(desk: Desk) -> None:
    for unknown in (0, -1, 10**9, 2**63 - 1):
        answer = await desk.client.get(f"{API}/predictions/{unknown}/explanation")
        assert (answer.status_code, answer.json()) == (404, {"detail": "prediction not found"})
    for bad in ("x", "1.5", 2**63):
        assert (await desk.client.get(f"{API}/predictions/{bad}/explanation")).status_code == 422


async def test_predictions_are_listed_page_by_page(desk: Desk) -> None:
    """K-11."""
    made = [(await desk.vc("Paged Ltd", horizon_months=months))["prediction_id"] for months in (6, 12, 24)]
    first = await desk.get("predictions?track=vc&target=Paged%20Ltd&limit=2")
    assert [one["id"] for one in first["items"]] == [made[2], made[1]]
    added = await desk.vc("Paged Ltd")
    second = await desk.get(f"predictions?track=vc&target=Paged%20Ltd&limit=2&cursor={first['next_cursor']}")
    assert ([one["id"] for one in second["items"]], second["next_cursor"]) == ([made[0]], None)
    newest = await desk.get("predictions?limit=1")
    assert newest["items"][0]["id"] == added["prediction_id"]
    assert (await desk.get("predictions?target=none"))["items"] == []
    for bad in ("track=spot", "limit=0", "limit=501", "cursor=0", "cursor=x", f"target={'x' * 513}"):
        assert (await desk.client.get(f"{API}/predictions?{bad}")).status_code == 422


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        *(("liquid", {"symbol": bad}) for bad in (None, "", "  ", "x" * 21, "A\x00B", 7, ["BTC"])),
        *(("liquid", {"symbol": "BTC", "horizon": bad}) for bad in (None, "", "2h", "4h", 1, "1D")),
        ("liquid", {}),
        *(("vc", {"company_name": bad}) for bad in (None, "", " \t", "x" * 513, "A\x00", 7)),
        *(
            ("vc", {"company_name": "A", "horizon_months": bad})
            for bad in (None, 0, 7, "x", 1e400, float("nan"))
        ),
        ("vc", {"company_name": "A", "country": "x" * 9}),
        ("vc", {"company_name": "A", "sector": "x" * 257}),
    ],
    ids=repr,
)
async def test_what_is_out_of_range_is_refused(desk: Desk, path: str, bad: dict[str, Any]) -> None:
    answer = await desk.client.post(
        f"{API}/predict/{path}", content=json.dumps(bad), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert {"type", "loc", "msg", "input"} == answer.json()["detail"][0].keys()


async def test_the_record_refuses_a_tradeable_heuristic(desk: Desk) -> None:
    """K-62 holds also where no code of ours stands in between."""
    for row in (
        "('liquid', 'X', 0.1, 0.5, 'heuristic', true)",
        "('liquid', 'X', 'NaN', 0.5, 'model', false)",
    ):
        with pytest.raises(ConflictError, match="the record forbids it"):
            async with desk.system.database.connection() as connection:
                await connection.execute(
                    "INSERT INTO predictions_v2 (track, target, score, confidence, source, tradeable) VALUES "
                    + row
                )


def test_now_lies_where_the_market_ends() -> None:
    assert datetime.now(UTC) > NOW
