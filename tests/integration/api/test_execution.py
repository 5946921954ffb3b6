"""Orders and their execution over HTTP (contract 1.6; K-15, K-18, K-19, K-28)."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from marketsentry.bootstrap import System
from order_calls import ORDERS, RUN, enter, order
from recorded_prices import add_prices

ORDER = {
    *("order_id", "decision_id", "target", "side", "quantity", "status", "track", "venue", "adapter"),
    *("created_at", "metadata"),
}
EXECUTION = {
    *("status", "filled_qty", "remaining_qty", "avg_fill_price", "fees_paid", "reject_reason"),
    *("venue_order_id", "lifecycle"),
}


@pytest.fixture
async def priced(system: System) -> System:
    """A system that knows prices of BTC and ETH."""
    now = datetime.now(UTC)
    await add_prices(system.database, "BTC", 100.0, until=now)
    await add_prices(system.database, "ETH", 10.0, until=now)
    return system


async def test_an_order_is_stored_and_read_back(api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(metadata={"why": "test"}), max_slippage_bps=0)
    assert (entered["adapter"], entered["venue"], entered["accepted_orders"]) == ("paper", "coinbase", 1)
    assert len(str(entered["decision_id"])) == 32
    stored = (await api.get(f"{ORDERS}/{entered['order_ids'][0]}")).json()
    assert stored["decision_id"] == entered["decision_id"]
    assert (stored["target"], stored["side"], stored["quantity"], stored["status"]) == (
        "BTC",
        "buy",
        10,
        "submitted",
    )
    assert (stored["track"], stored["time_in_force"], stored["max_slippage_bps"]) == ("liquid", "IOC", 0)
    assert stored["metadata"] == {"why": "test"}
    assert (stored["est_cost_bps"], stored["expected_cost"]["basis"]) == (8.0, "prior")
    assert stored["created_at"].endswith("Z")


async def test_a_decision_is_executed_at_the_market_and_told_as_it_happened(
    priced: System, api: httpx.AsyncClient
) -> None:
    entered = await enter(api, order())
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"], "fee_bps": 5})
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert (run["total"], run["filled"], run["rejected"]) == (1, 1, 0)
    execution = run["orders"][0]["execution"]
    assert (execution["status"], execution["filled_qty"], execution["remaining_qty"]) == ("filled", 10.0, 0.0)
    assert execution["avg_fill_price"] == pytest.approx(100.03)
    assert execution["fees_paid"] == pytest.approx(10 * 100.03 * 5e-4)
    assert execution["reject_reason"] is None
    assert execution["venue_order_id"]
    assert run.keys() == {"decision_id", "adapter", "total", "filled", "rejected", "orders"}
    assert execution.keys() == EXECUTION
    (entry,) = execution["lifecycle"]
    assert entry.keys() == {"event", "status", "time", "metrics", "reason", "venue_order_id"}
    assert (entry["event"], entry["status"]) == ("limit_submit", "filled")
    assert entry["metrics"]["filled_qty"] == 10.0
    stored = (await api.get(f"{ORDERS}/{run['orders'][0]['order_id']}")).json()
    assert stored.keys() >= ORDER
    assert stored["status"] == "filled"
    assert stored["metadata"]["execution"] == execution
    assert stored["metadata"]["rollout_stage_pct"] == 100
    metrics = (await api.get("/metrics")).text
    assert 'ms_execution_orders_total{adapter="paper",status="filled"} 1.0' in metrics
    assert 'ms_execution_latency_seconds_count{adapter="paper"} 1.0' in metrics


async def test_a_decision_runs_once_however_often_it_is_asked(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(), order(target="ETH", quantity=50, est_price=10))
    body = {"decision_id": entered["decision_id"]}
    answers = await asyncio.gather(*(api.post(RUN, json=body) for _ in range(20)))
    assert {one.status_code for one in answers} == {200}
    first = answers[0].json()
    assert all(one.json() == first for one in answers)
    assert (await api.post(RUN, json=body)).json() == first
    async with priced.transactions() as stores:
        fills = await stores.orders.fills(decision_id=str(entered["decision_id"]))
        assert sorted((one.target, one.qty) for one in fills) == [("BTC", 10), ("ETH", 50)]
    metrics = (await api.get("/metrics")).text
    assert 'ms_execution_orders_total{adapter="paper",status="filled"} 2.0' in metrics


async def test_an_idempotency_key_stores_once(api: httpx.AsyncClient) -> None:
    body = {"orders": [order()]}
    headers = {"Idempotency-Key": "k1"}
    first, *again = await asyncio.gather(*(api.post(ORDERS, json=body, headers=headers) for _ in range(6)))
    again.append(await api.post(ORDERS, json=body, headers=headers))
    assert {one.status_code for one in (first, *again)} == {200}
    assert all(one.json() == first.json() for one in again)
    other = await api.post(ORDERS, json={"orders": [order(quantity=11)]}, headers=headers)
    assert other.status_code == 409
    assert isinstance(other.json()["detail"], str)
    assert len((await api.get(ORDERS)).json()["items"]) == 1


async def test_orders_join_the_decision_that_they_name(api: httpx.AsyncClient) -> None:
    first = await enter(api, order())
    headers = {"Idempotency-Key": "k2"}
    body = {"orders": [order(decision_id=first["decision_id"])]}
    second = (await api.post(ORDERS, json=body, headers=headers)).json()
    assert second["decision_id"] == first["decision_id"]
    assert (await api.post(ORDERS, json=body, headers=headers)).json() == second
    page = (await api.get(ORDERS, params={"decision_id": str(first["decision_id"])})).json()
    assert [one["order_id"] for one in page["items"]] == [*second["order_ids"], *first["order_ids"]]
    other = {"orders": [order(decision_id=first["decision_id"], quantity=3)]}
    assert (await api.post(ORDERS, json=other, headers=headers)).status_code == 409


async def test_a_decision_id_of_the_client_is_kept(api: httpx.AsyncClient) -> None:
    assert (await enter(api, order(decision_id="mine-1")))["decision_id"] == "mine-1"


async def test_without_prices_nothing_opens(api: httpx.AsyncClient) -> None:
    entered = await enter(api, order())
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert answer.status_code == 423
    assert answer.json() == {"detail": "risk_blocked:insufficient_market_data:BTC"}
    stored = (await api.get(f"{ORDERS}/{entered['order_ids'][0]}")).json()
    assert stored["status"] == "submitted"


async def test_a_switch_blocks_entry_and_run(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order())
    await api.post("/api/v2/risk/kill-switch/trigger", json={"track": "liquid"})
    code = {"detail": "kill_switch_triggered:liquid:global"}
    for path, body in ((ORDERS, {"orders": [order()]}), (RUN, {"decision_id": entered["decision_id"]})):
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()) == (423, code)
    assert len((await api.get(ORDERS)).json()["items"]) == 1


async def test_an_exit_passes_the_switch(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order())
    await api.post(RUN, json={"decision_id": entered["decision_id"]})
    await api.post("/api/v2/risk/kill-switch/trigger", json={"track": "liquid"})
    sell = await enter(api, order(side="sell"))
    run = (await api.post(RUN, json={"decision_id": sell["decision_id"]})).json()
    assert run["orders"][0]["status"] == "filled"
    assert run["orders"][0]["reduce_only"] is True
    flat = await api.post(ORDERS, json={"orders": [order(side="sell")]})
    assert flat.status_code == 423  # it would open a short position


async def test_limits_of_exposure_refuse_a_run(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(quantity=300))  # 30 000 of 100 000: the cap is a fifth
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert (answer.status_code, answer.json()) == (423, {"detail": "risk_blocked:single_weight_exceeded:BTC"})
    events = (await api.get("/api/v2/risk/events")).json()["items"]
    assert [one["code"] for one in events] == ["single_weight_exceeded:BTC"]


async def test_what_is_held_counts(priced: System, api: httpx.AsyncClient) -> None:
    """K-29."""
    for _ in range(2):
        entered = await enter(api, order(quantity=90))
        answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
        assert answer.status_code == 200, answer.text
    entered = await enter(api, order(quantity=90))
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert answer.json() == {"detail": "risk_blocked:single_weight_exceeded:BTC"}


async def test_zeros_are_zeros(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(), max_slippage_bps=0)
    body = {"decision_id": entered["decision_id"], "max_slippage_bps": 0, "max_retries": 0, "fee_bps": 0}
    run = (await api.post(RUN, json=body)).json()
    execution = run["orders"][0]["execution"]
    assert (execution["status"], execution["reject_reason"]) == ("rejected", "slippage_limit")
    assert (execution["filled_qty"], execution["fees_paid"], execution["avg_fill_price"]) == (0.0, 0.0, None)
    free = await enter(api, order())
    run = (
        await api.post(RUN, json={**body, "decision_id": free["decision_id"], "max_slippage_bps": 20})
    ).json()
    execution = run["orders"][0]["execution"]
    assert (execution["status"], execution["fees_paid"]) == ("filled", 0.0)


async def test_a_run_that_says_nothing_keeps_to_what_the_order_said(
    priced: System, api: httpx.AsyncClient
) -> None:
    """K-10, K-17."""
    entered = await enter(api, order(), max_slippage_bps=1, time_in_force="GTC")
    short = {"decision_id": entered["decision_id"], "limit_timeout_sec": 0.1}
    (strict,) = (await api.post(RUN, json=short)).json()["orders"]
    assert (strict["max_slippage_bps"], strict["time_in_force"]) == (1, "GTC")
    assert (strict["status"], strict["reject_reason"]) == ("rejected", "slippage_limit")
    assert strict["execution"]["lifecycle"][0]["event"] == "limit_submit"
    entered = await enter(api, order(), max_slippage_bps=1, time_in_force="GTC")
    said = {"decision_id": entered["decision_id"], "max_slippage_bps": 20, "time_in_force": "IOC"}
    (wide,) = (await api.post(RUN, json=said)).json()["orders"]
    assert (wide["max_slippage_bps"], wide["time_in_force"], wide["status"]) == (20, "IOC", "filled")


async def test_the_oldest_orders_run_first(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, *[order(quantity=n) for n in (1, 2, 3)])
    body = {"decision_id": entered["decision_id"]}
    first = (await api.post(RUN, json={**body, "max_orders": 2})).json()
    assert (first["total"], [one["quantity"] for one in first["orders"]]) == (2, [1, 2])
    left = (await api.get(f"{ORDERS}/{entered['order_ids'][2]}")).json()
    assert (left["status"], left["metadata"]) == ("submitted", {})
    both = (await api.post(RUN, json=body)).json()
    assert [one["status"] for one in both["orders"]] == ["filled"] * 3
    assert both["orders"][:2] == first["orders"]


async def test_an_order_without_an_estimate_takes_the_market(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(est_price=None))
    run = (await api.post(RUN, json={"decision_id": entered["decision_id"]})).json()
    execution = run["orders"][0]["execution"]
    assert execution["avg_fill_price"] == pytest.approx(100.03)
    assert [one["event"] for one in execution["lifecycle"]] == ["market_submit"]


async def test_a_live_order_without_keys_is_rejected(priced: System, api: httpx.AsyncClient) -> None:
    """K-27: what the stage of a rollout leaves of an order is stored."""
    for venue, reason in (
        ("coinbase", "coinbase_credentials_not_configured"),
        ("kraken", "unsupported_venue:kraken"),
    ):
        entered = await enter(api, order(quantity=1))
        body = {"decision_id": entered["decision_id"], "adapter": "coinbase_live", "venue": venue}
        answer = await api.post(RUN, json=body)
        assert answer.status_code == 200, answer.text
        stored = answer.json()["orders"][0]
        assert (stored["status"], stored["execution"]["reject_reason"]) == ("rejected", reason)
        assert (stored["base_quantity"], stored["metadata"]["rollout_stage_pct"]) == (0.1, 10)
    metrics = (await api.get("/metrics")).text
    assert 'ms_execution_orders_total{adapter="coinbase_live",status="rejected"} 2.0' in metrics
    assert 'ms_execution_reject_rate{track="liquid"} 1.0' in metrics
    assert 'ms_execution_reject_rate{track="vc"} 0.0' in metrics


async def test_what_strategies_are_worth_is_a_metric(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order(quantity=1))
    assert (await api.post(RUN, json={"decision_id": entered["decision_id"]})).status_code == 200
    families = text_string_to_metric_families((await api.get("/metrics")).text)
    told = {
        one.name: [(one.labels, one.value) for one in family.samples]
        for family in families
        for one in family.samples
    }
    labels = {"adapter": "paper", "venue": "coinbase", "track": "liquid", "strategy": "default-liquid-v1"}
    ((said, equity),) = told["ms_equity"]
    ((of, lost),) = told["ms_daily_loss_ratio"]
    assert said == of == labels
    capital = float(priced.settings.paper_capital)
    assert 0.99 * capital < equity < capital, "it paid a fee"
    assert lost == pytest.approx(1 - equity / capital)
    assert told["ms_db_pool_in_use"][0][1] >= 0


async def test_the_audit_tells_the_decision(priced: System, api: httpx.AsyncClient) -> None:
    entered = await enter(api, order())
    await api.post(RUN, json={"decision_id": entered["decision_id"]})
    audit = (await api.get(f"/api/v2/execution/audit/{entered['decision_id']}")).json()
    assert audit["decision_id"] == entered["decision_id"]
    assert [one["status"] for one in audit["orders"]] == ["filled"]
    assert [one["qty"] for one in audit["fills"]] == [10.0]
    assert (audit["signals"], audit["positions"], audit["models"]) == ([], [], [])
    totals = audit["pnl"]["totals"]
    assert totals["execution_pnl"] == pytest.approx(-0.3)
    assert totals["cost_pnl"] == pytest.approx(-0.50015)
    assert totals["net_pnl"] == pytest.approx(-0.80015)
    assert audit["generated_at"].endswith("Z")
    missing = await api.get("/api/v2/execution/audit/nothing")
    assert (missing.status_code, missing.json()) == (404, {"detail": "decision not found"})


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        (ORDERS, {"orders": []}, 400, "orders cannot be empty"),
        (RUN, {"decision_id": "nothing"}, 404, "no orders for decision"),
    ],
)
async def test_what_is_missing_is_named(
    api: httpx.AsyncClient, path: str, body: dict[str, object], status: int, detail: str
) -> None:
    answer = await api.post(path, json=body)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert (await api.get(f"{ORDERS}/1")).json() == {"detail": "order not found"}


WRONG: list[tuple[str, dict[str, object]]] = [
    (ORDERS, {"orders": [order(quantity=0)]}),
    (ORDERS, {"orders": [order(est_price=0)]}),
    (ORDERS, {"orders": [order(side="hold")]}),
    (ORDERS, {"orders": [order(side=None)]}),
    (ORDERS, {"orders": [order(quantity=-1)]}),
    (ORDERS, {"orders": [order(track="stocks")]}),
    (ORDERS, {"orders": [order(target="")]}),
    (ORDERS, {"orders": [order(strategy_id="")]}),
    (ORDERS, {"orders": [order(strategy_id="x" * 65)]}),
    (ORDERS, {"orders": [order(strategy_id="global")]}),
    (ORDERS, {"orders": [order()], "adapter": "moon"}),
    (ORDERS, {"orders": [order()], "venue": ""}),
    (ORDERS, {"orders": [order()], "venue": "x" * 65}),
    (ORDERS, {"orders": [order()], "time_in_force": "DAY"}),
    (ORDERS, {"orders": [order()], "max_slippage_bps": 2001}),
    (ORDERS, {"orders": [order()], "max_slippage_bps": -1}),
    (RUN, {}),
    (RUN, {"decision_id": "x", "adapter": "moon"}),
    (RUN, {"decision_id": "x", "venue": ""}),
    (RUN, {"decision_id": "x", "max_orders": 1001}),
    (RUN, {"decision_id": "x", "limit_timeout_sec": 31}),
    (RUN, {"decision_id": "x", "max_retries": -1}),
    (RUN, {"decision_id": "x", "fee_bps": 1001}),
    (RUN, {"decision_id": "x", "max_slippage_bps": 2001}),
    (RUN, {"decision_id": "x", "max_orders": 0}),
    (RUN, {"decision_id": "x", "limit_timeout_sec": 0}),
    (RUN, {"decision_id": "x", "max_retries": 11}),
    (RUN, {"decision_id": "x", "fee_bps": -1}),
    (RUN, {"decision_id": "x", "time_in_force": "DAY"}),
]


async def test_values_outside_their_ranges_are_refused(api: httpx.AsyncClient) -> None:
    for path, body in WRONG:
        answer = await api.post(path, json=body)
        assert answer.status_code == 422, body
        assert answer.json()["detail"][0].keys() == {"type", "loc", "msg", "input"}
    assert (await api.get(ORDERS)).json()["items"] == []


async def test_numbers_that_are_none_are_refused(api: httpx.AsyncClient) -> None:
    """K-05."""
    of_order = ("quantity", "est_price")
    of_run = ("max_slippage_bps", "limit_timeout_sec", "fee_bps")
    for path, name in [
        *((ORDERS, one) for one in (*of_order, "max_slippage_bps")),
        *((RUN, one) for one in of_run),
    ]:
        one = {"target": "BTC", "side": "buy", "quantity": 1, **({name: "?"} if name in of_order else {})}
        rest = {} if name in of_order else {name: "?"}
        plain = json.dumps({"orders": [one], "decision_id": "x", **rest})
        for number in ("NaN", "Infinity", "-Infinity", "1e999"):
            body = plain.replace('"?"', number)
            answer = await api.post(path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 422, body
            assert answer.json()["detail"][0]["loc"][-1] == name
    assert (await api.get(ORDERS)).json()["items"] == []


async def test_pages_of_orders_are_filtered(api: httpx.AsyncClient) -> None:
    await enter(api, *[order(target="BTC" if n % 2 else "ETH") for n in range(5)])
    first = (await api.get(ORDERS, params={"limit": 2})).json()
    rest = (await api.get(ORDERS, params={"limit": 9, "cursor": first["next_cursor"]})).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 3, None)
    only = (await api.get(ORDERS, params={"target": "BTC", "status": ["submitted", "filled"]})).json()
    assert len(only["items"]) == 2
    assert (await api.get(ORDERS, params={"status": "lost"})).status_code == 422
