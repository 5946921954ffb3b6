"""`ms orders`: what was ordered, and why."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from execution_world import BY
from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import Side
from marketsentry.services.execution import EnteredOrder, EnterRequest, enter_orders, run_decision
from marketsentry.services.execution_request import RunRequest
from recorded_prices import add_prices
from verbs import ms, on_engines


async def test_orders_are_listed_and_explained(
    system: System, engines: Engines, database_url: str, tmp_path: Path
) -> None:
    environment = on_engines(engines, database_url, tmp_path)
    assert ms(environment, "orders", "list").stdout == "no orders\n"
    await add_prices(system.database, "BTC", 100.0, until=datetime.now(UTC))
    order = EnteredOrder("BTC", Side.BUY, Decimal(10), est_price=Decimal(100))
    entered = await enter_orders(EnterRequest((order,)), system.execution)
    await run_decision(RunRequest(entered.decision_id), system.execution, by=BY)
    order_id = entered.orders[0].id

    listed = json.loads(ms(environment, "orders", "list", "--status", "filled", "--json").stdout)
    assert [(one["id"], one["status"], one["filled_qty"]) for one in listed["orders"]] == [
        (order_id, "filled", 10.0)
    ]
    table = ms(environment, "orders", "list").stdout
    assert str(order_id) in table
    assert "…" not in table
    assert f"{listed['orders'][0]['execution']['avg_fill_price']}" in table

    found = json.loads(ms(environment, "orders", "why", str(order_id), "--json").stdout)
    assert list(found) == [
        *(
            "fills",
            "order",
            "cost",
            "events",
            "risk",
            "signal",
            "prediction",
            "feature_snapshot",
            "model",
            "data",
        )
    ]
    cost, (fill,) = found["cost"], found["fills"]
    assert cost["expected"]["basis"] == "prior"
    assert cost["expected_bps"] == pytest.approx(
        sum(cost["expected"][name] or 0.0 for name in ("fee_bps", "half_spread_bps", "impact_bps"))
    )
    assert cost["fee_bps"] == pytest.approx(
        1e4 * float(fill["fee_quote"]) / (float(fill["qty"]) * float(fill["price"]))
    )
    assert cost["came_to_bps"] == pytest.approx(
        cost["fee_bps"] + 1e4 * (float(fill["price"]) / float(fill["reference_price"] or 100.0) - 1)
    )
    assert [one["kind"] for one in found["events"]] == [
        *("admitted", "leg_sending", "leg_working", "leg_filled", "leg_closed", "finished")
    ]
    assert (found["risk"]["is_approved"], found["signal"]) == (True, None)
    screen = ms(environment, "orders", "why", str(order_id)).stdout
    assert f"order      {order_id} buy BTC: filled" in screen
    assert "signal     -" in screen
    assert f"cost       expected {cost['expected_bps']:.2f} bps (prior: fee " in screen
    assert f", came to {cost['came_to_bps']:.2f} bps (slippage " in screen

    assert ms(environment, "orders", "why", "1").returncode == 3

    assert json.loads(ms(environment, "orders", "costs", "--json").stdout)["fits"] == []
    fitted = json.loads(ms(environment, "orders", "costs", "--fit", "--json").stdout)
    assert [(one["adapter"], one["symbol"], one["n_orders"]) for one in fitted["fits"]] == [
        ("paper", "BTC", 1)
    ]
    assert (fitted["fitted_now"], fitted["prior"]["name"]) == (1, "standard")
    shown = ms(environment, "orders", "costs").stdout.splitlines()
    assert [line.split()[:2] for line in shown[1:3]] == [["prior", "standard"], ["paper", "BTC"]]
    assert ms(environment, "orders", "list", "--status", "lost").returncode == 2
