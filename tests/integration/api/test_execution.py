"""Orders and their execution over HTTP (contract 1.6; K-15, K-18, K-19, K-28)."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from marketsentry.bootstrap import System
from recorded_prices import add_prices

ORDERS, RUN = "/api/v2/execution/orders", "/api/v2/execution/run"


@pytest.fixture
async def priced(system: System) -> System:
    """A system that knows prices of BTC and ETH."""
    now = datetime.now(UTC)
    await add_prices(system.database, "BTC", 100.0, until=now)
    await add_prices(system.database, "ETH", 10.0, until=now)
    return system


def _order(**changes: object) -> dict[str, object]:
    return {"target": "btc", "side": "buy", "quantity": 10, "est_price": 100, **changes}


async def _enter(api: httpx.AsyncClient, *orders: dict[str, object], **body: object) -> dict[str, object]:
    answer = await api.post(ORDERS, json={"orders": list(orders), **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_an_order_is_stored_and_read_back(api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order(metadata={"why": "test"}), max_slippage_bps=0)
    assert (entered["adapter"], entered["venue"], entered["accepted_orders"]) == ("paper", "coinbase", 1)
    assert len(str(entered["decision_id"])) == 32
    order = (await api.get(f"{ORDERS}/{entered['order_ids'][0]}")).json()  # type: ignore[index]
    assert order["decision_id"] == entered["decision_id"]
    assert (order["target"], order["side"], order["quantity"], order["status"]) == (
        "BTC",
        "buy",
        10,
        "submitted",
    )
    assert (order["track"], order["time_in_force"], order["max_slippage_bps"]) == ("liquid", "IOC", 0)
    assert order["metadata"] == {"why": "test"}
    assert (order["est_cost_bps"], order["expected_cost"]["basis"]) == (8.0, "prior")
    assert order["created_at"].endswith("Z")


async def test_a_decision_is_executed_at_the_market_and_told_as_it_happened(
    priced: System, api: httpx.AsyncClient
) -> None:
    entered = await _enter(api, _order())
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
    (entry,) = execution["lifecycle"]
    assert (entry["event"], entry["status"]) == ("limit_submit", "filled")
    assert entry["metrics"]["filled_qty"] == 10.0
    order = (await api.get(f"{ORDERS}/{run['orders'][0]['order_id']}")).json()
    assert order["status"] == "filled"
    assert order["metadata"]["execution"] == execution
    assert order["metadata"]["rollout_stage_pct"] == 100
    metrics = (await api.get("/metrics")).text
    assert 'ms_execution_orders_total{adapter="paper",status="filled"} 1.0' in metrics
    assert 'ms_execution_latency_seconds_count{adapter="paper"} 1.0' in metrics


async def test_a_decision_runs_once_however_often_it_is_asked(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order(), _order(target="ETH", quantity=50, est_price=10))
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
    body = {"orders": [_order()]}
    headers = {"Idempotency-Key": "k1"}
    first = await api.post(ORDERS, json=body, headers=headers)
    again = await api.post(ORDERS, json=body, headers=headers)
    assert first.json() == again.json()
    other = await api.post(ORDERS, json={"orders": [_order(quantity=11)]}, headers=headers)
    assert other.status_code == 409
    assert isinstance(other.json()["detail"], str)
    assert len((await api.get(ORDERS)).json()["items"]) == 1


async def test_orders_join_the_decision_that_they_name(api: httpx.AsyncClient) -> None:
    first = await _enter(api, _order())
    headers = {"Idempotency-Key": "k2"}
    body = {"orders": [_order(decision_id=first["decision_id"])]}
    second = (await api.post(ORDERS, json=body, headers=headers)).json()
    assert second["decision_id"] == first["decision_id"]
    assert (await api.post(ORDERS, json=body, headers=headers)).json() == second
    page = (await api.get(ORDERS, params={"decision_id": str(first["decision_id"])})).json()
    assert [one["order_id"] for one in page["items"]] == [*second["order_ids"], *first["order_ids"]]  # type: ignore[misc]
    other = {"orders": [_order(decision_id=first["decision_id"], quantity=3)]}
    assert (await api.post(ORDERS, json=other, headers=headers)).status_code == 409


async def test_a_decision_id_of_the_client_is_kept(api: httpx.AsyncClient) -> None:
    assert (await _enter(api, _order(decision_id="mine-1")))["decision_id"] == "mine-1"


async def test_without_prices_nothing_opens(api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order())
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert answer.status_code == 423
    assert answer.json() == {"detail": "risk_blocked:insufficient_market_data:BTC"}
    order = (await api.get(f"{ORDERS}/{entered['order_ids'][0]}")).json()  # type: ignore[index]
    assert order["status"] == "submitted"


async def test_a_switch_blocks_entry_and_run(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order())
    await api.post("/api/v2/risk/kill-switch/trigger", json={"track": "liquid"})
    code = {"detail": "kill_switch_triggered:liquid:global"}
    for path, body in ((ORDERS, {"orders": [_order()]}), (RUN, {"decision_id": entered["decision_id"]})):
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()) == (423, code)
    assert len((await api.get(ORDERS)).json()["items"]) == 1


async def test_an_exit_passes_the_switch(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order())
    await api.post(RUN, json={"decision_id": entered["decision_id"]})
    await api.post("/api/v2/risk/kill-switch/trigger", json={"track": "liquid"})
    sell = await _enter(api, _order(side="sell"))
    run = (await api.post(RUN, json={"decision_id": sell["decision_id"]})).json()
    assert run["orders"][0]["status"] == "filled"
    assert run["orders"][0]["reduce_only"] is True
    flat = await api.post(ORDERS, json={"orders": [_order(side="sell")]})
    assert flat.status_code == 423  # it would open a short position


async def test_limits_of_exposure_refuse_a_run(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order(quantity=300))  # 30 000 of 100 000: the cap is a fifth
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert (answer.status_code, answer.json()) == (423, {"detail": "risk_blocked:single_weight_exceeded:BTC"})
    events = (await api.get("/api/v2/risk/events")).json()["items"]
    assert [one["code"] for one in events] == ["single_weight_exceeded:BTC"]


async def test_what_is_held_counts(priced: System, api: httpx.AsyncClient) -> None:
    for _ in range(2):
        entered = await _enter(api, _order(quantity=90))
        answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
        assert answer.status_code == 200, answer.text
    entered = await _enter(api, _order(quantity=90))
    answer = await api.post(RUN, json={"decision_id": entered["decision_id"]})
    assert answer.json() == {"detail": "risk_blocked:single_weight_exceeded:BTC"}


async def test_zeros_are_zeros(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order(), max_slippage_bps=0)
    body = {"decision_id": entered["decision_id"], "max_slippage_bps": 0, "max_retries": 0, "fee_bps": 0}
    run = (await api.post(RUN, json=body)).json()
    execution = run["orders"][0]["execution"]
    assert (execution["status"], execution["reject_reason"]) == ("rejected", "slippage_limit")
    assert (execution["filled_qty"], execution["fees_paid"], execution["avg_fill_price"]) == (0.0, 0.0, None)
    free = await _enter(api, _order())
    run = (
        await api.post(RUN, json={**body, "decision_id": free["decision_id"], "max_slippage_bps": 20})
    ).json()
    execution = run["orders"][0]["execution"]
    assert (execution["status"], execution["fees_paid"]) == ("filled", 0.0)


async def test_an_order_without_an_estimate_takes_the_market(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order(est_price=None))
    run = (await api.post(RUN, json={"decision_id": entered["decision_id"]})).json()
    execution = run["orders"][0]["execution"]
    assert execution["avg_fill_price"] == pytest.approx(100.03)
    assert [one["event"] for one in execution["lifecycle"]] == ["market_submit"]


async def test_a_live_order_without_keys_is_rejected(priced: System, api: httpx.AsyncClient) -> None:
    for venue, reason in (
        ("coinbase", "coinbase_credentials_not_configured"),
        ("kraken", "unsupported_venue:kraken"),
    ):
        entered = await _enter(api, _order(quantity=1))
        body = {"decision_id": entered["decision_id"], "adapter": "coinbase_live", "venue": venue}
        answer = await api.post(RUN, json=body)
        assert answer.status_code == 200, answer.text
        order = answer.json()["orders"][0]
        assert (order["status"], order["execution"]["reject_reason"]) == ("rejected", reason)
        assert (order["base_quantity"], order["metadata"]["rollout_stage_pct"]) == (0.1, 10)


async def test_the_audit_tells_the_decision(priced: System, api: httpx.AsyncClient) -> None:
    entered = await _enter(api, _order())
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


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ORDERS, {"orders": [_order(quantity=0)]}),
        (ORDERS, {"orders": [_order(est_price=0)]}),
        (ORDERS, {"orders": [_order(side="hold")]}),
        (ORDERS, {"orders": [_order(strategy_id="")]}),
        (ORDERS, {"orders": [_order()], "adapter": "moon"}),
        (ORDERS, {"orders": [_order()], "max_slippage_bps": 2001}),
        (RUN, {"decision_id": "x", "max_orders": 0}),
        (RUN, {"decision_id": "x", "limit_timeout_sec": 0}),
        (RUN, {"decision_id": "x", "max_retries": 11}),
        (RUN, {"decision_id": "x", "fee_bps": -1}),
        (RUN, {"decision_id": "x", "time_in_force": "DAY"}),
    ],
)
async def test_values_outside_their_ranges_are_refused(
    api: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    answer = await api.post(path, json=body)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)


async def test_numbers_that_are_none_are_refused(api: httpx.AsyncClient) -> None:
    body = '{"orders": [{"target": "BTC", "side": "buy", "quantity": NaN}]}'
    answer = await api.post(ORDERS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


async def test_pages_of_orders_are_filtered(api: httpx.AsyncClient) -> None:
    await _enter(api, *[_order(target="BTC" if n % 2 else "ETH") for n in range(5)])
    first = (await api.get(ORDERS, params={"limit": 2})).json()
    rest = (await api.get(ORDERS, params={"limit": 9, "cursor": first["next_cursor"]})).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 3, None)
    only = (await api.get(ORDERS, params={"target": "BTC", "status": ["submitted", "filled"]})).json()
    assert len(only["items"]) == 2
    assert (await api.get(ORDERS, params={"status": "lost"})).status_code == 422
