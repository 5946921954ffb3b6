"""Score and rebalance over HTTP on a real database (contract 1.4, row by row)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from marketsentry.api.app import create_app
from marketsentry.bootstrap import System
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.ports.decisions import Decision, DecisionSource
from marketsentry.ports.signals import SignalRecord
from small_market import HOUR, N_BARS, START_NS, FixedClock, random_series

BASE = "http://127.0.0.1:8000"
PATH = "/api/v2/portfolio/rebalance"
NOW = ns_to_datetime(START_NS + N_BARS * HOUR.ns) + timedelta(minutes=5)
EXAMPLE = {
    "signals": [
        {"target": "btc", "track": "liquid", "action": "buy", "score": 0.08, "confidence": 0.8},
        {"target": "ETH", "track": "liquid", "action": "sell", "score": -0.03, "confidence": 0.7},
    ],
    "current_positions": [{"target": "BTC", "weight": 0.05, "track": "liquid"}],
    "risk_budget": 0.6,
}
FIELDS = {"decision_id", "target_positions", "expected_turnover", "orders", "risk_ok", "risk_violations"}
ORDER_FIELDS = {"target", "track", "side", "quantity", "est_price", "est_cost_bps", "status", "metadata"}
ORDER_FIELDS |= {"notional", "base_quantity", "price_ts", "order_id", "signal_id", "reduce_only"}


def line(target="BTC", action="buy", score=0.08, confidence=0.8, track="liquid", **more):
    return {
        "target": target,
        "track": track,
        "action": action,
        "score": score,
        "confidence": confidence,
        **more,
    }


@pytest.fixture
async def desk(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a system whose clock stands at the end of the small market, which is not stored yet."""
    app = create_app(replace(system, clock=FixedClock(NOW)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as opened:
        yield opened


async def store_market(system, *symbols):
    async with system.transactions() as stores:
        for seed, symbol in enumerate(symbols):
            await stores.bars.merge(random_series(symbol, seed=seed))


async def rows(system, query):
    async with system.database.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def counts(system):
    tables = ("decisions", "positions_snapshots", "orders_sim", "risk_events", "outbox")
    return {name: (await rows(system, f"SELECT count(*) FROM {name}"))[0][0] for name in tables}


async def post(client, body, status=200, **headers):
    answer = await client.post(PATH, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_the_worked_example(desk, system):
    told = await post(desk, EXAMPLE)
    assert told.keys() >= FIELDS
    assert [(one["target"], one["weight"], one["track"]) for one in told["target_positions"]] == [
        ("BTC", 0.180706, "liquid"),
        ("ETH", -0.059294, "liquid"),
    ]
    assert {(one["sector"], one["style_bucket"]) for one in told["target_positions"]} == {
        ("crypto", "crypto_beta")
    }
    assert told["expected_turnover"] == 0.19
    assert (told["risk_ok"], told["risk_violations"]) == (False, ["bucket_exposure_exceeded:event"])
    assert [one["cure"] for one in told["violation_details"]] == ["clipped"]
    assert all(one.keys() == ORDER_FIELDS for one in told["orders"])
    assert [(one["side"], one["quantity"], one["metadata"]["weight_delta"]) for one in told["orders"]] == [
        ("buy", 0.13070588, 0.130706),
        ("sell", 0.05929412, -0.059294),
    ]
    assert {(one["status"], one["est_price"], one["base_quantity"]) for one in told["orders"]} == {
        ("simulated", None, None)
    }
    assert len(told["decision_id"]) == 32
    assert await rows(system, "SELECT decision_id, severity, code FROM risk_events") == [
        (told["decision_id"], "warning", "bucket_exposure_exceeded:event")
    ]
    assert await rows(system, "SELECT decision_id, target, reason FROM positions_snapshots ORDER BY id") == [
        (told["decision_id"], "BTC", "rebalance_v2"),
        (told["decision_id"], "ETH", "rebalance_v2"),
    ]
    (decision,) = (await desk.get("/api/v2/decisions")).json()["items"]
    assert (decision["decision_id"], decision["is_approved"], decision["capital"]) == (
        told["decision_id"],
        True,
        1.0,
    )
    assert decision["violations"] == told["violation_details"]
    assert decision["metadata"]["tracks"] == ["liquid"]


async def test_priced_orders_state_money_and_base_units_apart(desk, system):
    """K-26, K-30."""
    await store_market(system, "BTC", "ETH")
    small = await post(desk, {**EXAMPLE, "capital": 1_000})
    large = await post(desk, {**EXAMPLE, "capital": 10_000_000})
    for told, capital in ((small, 1_000), (large, 10_000_000)):
        for order in told["orders"]:
            assert order["notional"] == order["quantity"]
            weight = abs(order["metadata"]["weight_delta"])
            assert order["notional"] == pytest.approx(weight * capital, rel=1e-4)
            assert order["base_quantity"] == pytest.approx(order["notional"] / order["est_price"], rel=1e-5)
            assert order["price_ts"] == (NOW - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
            assert order["est_cost_bps"] > 8.0
    assert [one["est_cost_bps"] for one in large["orders"]] > [one["est_cost_bps"] for one in small["orders"]]
    assert len({one["est_cost_bps"] for one in small["orders"]}) == 2


async def test_cost_profiles_are_honoured_or_refused(desk, system):
    """K-10."""
    costs = []
    for profile in ("low", "standard", "high"):
        told = await post(desk, {**EXAMPLE, "cost_profile": profile})
        costs.append(told["orders"][0]["est_cost_bps"])
    assert costs == [3.0, 8.0, 28.0]
    told = await post(desk, {**EXAMPLE, "cost_profile": "own"}, 422)
    assert "cost_profile must be one of low, standard, high, was 'own'" in told["detail"][0]["msg"]


async def test_nothing_said_and_nothing_to_do(desk, system):
    assert await post(desk, {"signals": []}, 400) == {"detail": "signals cannot be empty"}
    for signals in (
        [line(action="hold"), line("ETH", "hold")],
        [line(), line(action="sell")],
        [line(score=0.0)],
    ):
        assert await post(desk, {"signals": signals}, 400) == {"detail": "no actionable signals"}
    assert set((await counts(system)).values()) == {0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"capital": 0},
        {"capital": -1},
        {"risk_budget": 0},
        {"signals": [line(confidence=1.1)]},
        {"signals": [line(confidence=-0.1)]},
        {"signals": [line(action="short")]},
        {"signals": [line(track="fx")]},
        {"signals": [line(horizon="2d")]},
        {"signals": [line(signal_id=0)]},
        {"signals": [{"target": "BTC"}]},
        {"strategy_id": ""},
        {"strategy_id": "x" * 65},
        {"strategy_id": "global"},
        {"current_positions": [{"target": "BTC", "track": "liquid"}]},
    ],
)
async def test_what_is_out_of_range_is_refused(desk, wrong):
    assert isinstance((await post(desk, {**EXAMPLE, **wrong}, 422))["detail"], list)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["score", "confidence", "weight", "capital", "risk_budget"])
async def test_numbers_that_are_none_are_refused(desk, system, number, place):
    """K-05."""
    body = (
        '{"signals": [{"target": "BTC", "track": "liquid", "action": "buy", "score": 0.1, "confidence": 0.5}], '
        '"current_positions": [{"target": "BTC", "weight": 0.2, "track": "liquid"}], '
        '"capital": 5, "risk_budget": 0.7}'
    )
    known = {"score": 0.1, "confidence": 0.5, "weight": 0.2, "capital": 5, "risk_budget": 0.7}
    text = body.replace(f'"{place}": {known[place]}', f'"{place}": {number}')
    assert text != body
    answer = await desk.post(PATH, content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert set((await counts(system)).values()) == {0}


async def test_a_failure_in_the_last_statement_leaves_nothing(desk, system):
    """K-31: decision, book, orders and events are one transaction."""
    with_rule = """
    CREATE FUNCTION refuse_events() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no more events' USING ERRCODE = 'check_violation'; END $$;
    CREATE TRIGGER no_events BEFORE INSERT ON risk_events FOR EACH ROW EXECUTE FUNCTION refuse_events();
    """
    async with system.database.connection() as connection:
        await connection.execute(with_rule)
    await post(desk, EXAMPLE, 409)
    assert set((await counts(system)).values()) == {0}
    async with system.database.connection() as connection:
        await connection.execute("DROP TRIGGER no_events ON risk_events")
    await post(desk, EXAMPLE)
    assert (await counts(system)) | {"outbox": 0} == {
        "decisions": 1,
        "positions_snapshots": 2,
        "orders_sim": 2,
        "risk_events": 1,
        "outbox": 0,
    }


async def test_a_key_makes_a_retry_safe(desk, system):
    """K-18."""
    first = await post(desk, EXAMPLE, **{"Idempotency-Key": "one"})
    assert await post(desk, EXAMPLE, **{"Idempotency-Key": "one"}) == first
    other = await post(desk, EXAMPLE, **{"Idempotency-Key": "two"})
    assert other["decision_id"] != first["decision_id"]
    told = await post(desk, {**EXAMPLE, "capital": 2}, 409, **{"Idempotency-Key": "one"})
    assert isinstance(told["detail"], str)
    assert (await counts(system))["decisions"] == 2
    for key in ("", " ", "x" * 256):
        answer = await desk.post(PATH, json=EXAMPLE, headers={"Idempotency-Key": key})
        assert answer.status_code == 422


async def test_retries_at_the_same_time_are_one_decision(desk, system):
    told = await asyncio.gather(*(post(desk, EXAMPLE, **{"Idempotency-Key": "k"}) for _ in range(4)))
    assert len({one["decision_id"] for one in told}) == 1
    assert (await counts(system))["orders_sim"] == 2


@pytest.mark.parametrize("blocked", ["liquid", "vc"])
async def test_the_switch_of_any_track_that_is_present_blocks(desk, system, blocked):
    """K-45."""
    mixed = {"signals": [line(), line("OpenAI", track="vc")]}
    await desk.post("/api/v2/risk/kill-switch/trigger", json={"track": blocked})
    assert await post(desk, mixed, 423) == {"detail": f"kill_switch_triggered:{blocked}:global"}
    held = {**EXAMPLE, "current_positions": [{"target": "X", "track": "vc", "weight": 0.1}]}
    await post(desk, held, 423)
    await post(desk, {"signals": []}, 400)
    assert (await counts(system))["decisions"] == 0


async def test_the_switch_of_the_strategy_blocks_it_alone(desk):
    await desk.post("/api/v2/risk/kill-switch/trigger", json={"track": "liquid", "strategy_id": "own"})
    told = await post(desk, {**EXAMPLE, "strategy_id": "own"}, 423)
    assert told == {"detail": "kill_switch_triggered:liquid:own"}
    await post(desk, EXAMPLE)


async def test_mixed_tracks_are_stored_and_a_company_is_unpriced(desk, system):
    await store_market(system, "BTC")
    told = await post(desk, {"signals": [line(), line("OpenAI", track="vc")], "capital": 1_000})
    found = {one["track"]: one for one in told["orders"]}
    assert found["liquid"]["base_quantity"] > 0
    assert (found["vc"]["target"], found["vc"]["est_price"], found["vc"]["base_quantity"]) == (
        "OpenAI",
        None,
        None,
    )
    assert {one["sector"] for one in told["target_positions"]} == {"crypto", "private"}
    (decision,) = (await desk.get("/api/v2/decisions?track=liquid")).json()["items"]
    assert decision["metadata"]["tracks"] == ["liquid", "vc"]


async def test_a_long_book_turns_over_in_parts(desk):
    """K-42."""
    signals = [line(target, score=0.05) for target in ("BTC", "ETH", "SOL", "ADA", "DOT")]
    told = await post(desk, {"signals": signals})
    assert "turnover_exceeded" in told["risk_violations"]
    assert told["expected_turnover"] == 0.35
    assert sum(abs(one["weight"]) for one in told["target_positions"]) == pytest.approx(0.35, abs=1e-5)
    assert {one["status"] for one in told["orders"]} == {"simulated"}


async def stored_signal(system, **changes):
    number = changes.pop("number", 1)
    plain = {
        "track": "liquid",
        "target": "BTC",
        "horizon": "1d",
        "score": 0.05,
        "confidence": 0.6,
        "action": "buy",
        "policy": "baseline-v2",
        "strategy_bucket": "trend",
        "strategy_id": "default-liquid-v1",
        "decision_id": f"{number:032x}",
        "prediction_id": None,
        "expires_at": NOW + timedelta(hours=1),
    }
    async with system.transactions() as stores:
        await stores.decisions.add(
            Decision(f"{number:032x}", "liquid", "default-liquid-v1", DecisionSource.SIGNAL, NOW, True)
        )
        return (await stores.signals.add(SignalRecord(**{**plain, **changes}))).id


async def test_a_signal_gives_its_bucket_and_its_id_to_the_order(desk, system):
    """Contract 3.7: the chain goes on from the order to the signal."""
    signal_id = await stored_signal(system)
    told = await post(desk, {"signals": [line(signal_id=signal_id)], "risk_budget": 0.3})
    assert told["risk_violations"] == ["bucket_exposure_exceeded:trend"]
    assert [one["signal_id"] for one in told["orders"]] == [signal_id]
    assert await rows(system, "SELECT signal_id FROM orders_sim") == [(signal_id,)]


async def test_a_line_agrees_with_the_signal_that_it_names(desk, system):
    signal_id = await stored_signal(system)
    old = await stored_signal(system, number=2, expires_at=NOW)
    told = await post(desk, {"signals": [line(action="sell", signal_id=signal_id)]}, 422)
    assert f"signal {signal_id} is liquid BTC buy, was named for liquid BTC sell" in told["detail"][0]["msg"]
    await post(desk, {"signals": [line("ETH", signal_id=signal_id)]}, 422)
    assert (
        f"signal {old} expired"
        in (await post(desk, {"signals": [line(signal_id=old)]}, 422))["detail"][0]["msg"]
    )
    assert await post(desk, {"signals": [line(signal_id=99)]}, 404) == {"detail": "signal 99 not found"}


async def test_the_score_of_a_book(desk):
    body = {
        "positions": [
            {"target": "BTC", "track": "liquid", "score": 0.02, "risk": 0.1},
            {"target": "ETH", "track": "liquid", "score": -0.03, "risk": 0.0},
        ],
        "risk_budget": 0.5,
    }
    answer = await desk.post("/api/v2/portfolio/score", json=body)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "alpha_score": -1.4,
            "expected_return": -1.12,
            "expected_volatility": 0.1,
            "recommendations": [
                {"target": "BTC", "action": "increase", "track": "liquid"},
                {"target": "ETH", "action": "reduce", "track": "liquid"},
            ],
        },
    )
    empty = await desk.post("/api/v2/portfolio/score", json={"positions": []})
    assert (empty.status_code, empty.json()) == (400, {"detail": "positions cannot be empty"})
    for wrong in ({"risk_budget": 0}, {"positions": [{**body["positions"][0], "risk": -1}]}):
        assert (await desk.post("/api/v2/portfolio/score", json={**body, **wrong})).status_code == 422
    for number in ("NaN", "Infinity"):
        for known in ('"score": 0.02', '"risk": 0.1', '"risk_budget": 0.5'):
            text = json.dumps(body).replace(known, f"{known.partition(':')[0]}: {number}")
            headers = {"content-type": "application/json"}
            assert (
                await desk.post("/api/v2/portfolio/score", content=text, headers=headers)
            ).status_code == 422


async def test_pages_of_decisions_go_on(desk):
    made = [(await post(desk, EXAMPLE))["decision_id"] for _ in range(3)]
    first = (await desk.get("/api/v2/decisions?limit=2")).json()
    second = (await desk.get(f"/api/v2/decisions?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["decision_id"] for one in (*first["items"], *second["items"])] == made[::-1]
    assert second["next_cursor"] is None
    assert (await desk.get("/api/v2/decisions?cursor=none")).status_code == 404
    assert (await desk.get("/api/v2/decisions?track=fx")).status_code == 422
    assert (await desk.get("/api/v2/decisions?strategy_id=other")).json() == {
        "items": [],
        "next_cursor": None,
    }
