"""Calls that store and execute orders over HTTP (contract section 1.6)."""

from typing import Any

import httpx

ORDERS, RUN = "/api/v2/execution/orders", "/api/v2/execution/run"


def order(**changes: object) -> dict[str, object]:
    return {"target": "btc", "side": "buy", "quantity": 10, "est_price": 100, **changes}


async def enter(api: httpx.AsyncClient, *orders: dict[str, object], **body: object) -> dict[str, Any]:
    """Store orders; give the answer."""
    answer = await api.post(ORDERS, json={"orders": list(orders), **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def execute(
    api: httpx.AsyncClient, decision_id: object, status: int = 200, **body: object
) -> dict[str, Any]:
    """Run a decision; give the answer."""
    answer = await api.post(RUN, json={"decision_id": decision_id, **body})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def trade(api: httpx.AsyncClient, *orders: dict[str, object], **body: object) -> list[dict[str, Any]]:
    """Store orders and run them; give them as they ended."""
    entered = await enter(api, *orders)
    return list((await execute(api, entered["decision_id"], **body))["orders"])
