"""Calls of risk over HTTP, and the fields of their answers (contract section 1.5)."""

from datetime import datetime
from typing import Any

import httpx

API = "/api/v2"
LIMITS = {
    *("max_single_weight", "max_gross_exposure", "max_turnover_per_rebalance", "max_realized_drawdown"),
    *("max_sector_exposure", "max_style_exposure", "updated_at"),
}
CHECKED = {
    *("approved", "violations", "adjusted_positions", "gross_exposure", "expected_turnover", "hard_block"),
    *("kill_switch_state", "risk_budget_used"),
}
SWITCH = {
    *("track", "strategy_id", "state", "reason", "triggered", "updated_at", "expires_at"),
    *("remaining_seconds", "metadata"),
}
OPENING = {
    *("track", "strategy_id", "can_open_new_positions", "state", "block_reason", "updated_at"),
    *("expires_at", "remaining_seconds"),
}
EVENT = {"id", "decision_id", "severity", "code", "message", "payload", "created_at"}


def line(target: str, weight: float, track: str = "liquid", **labels: str) -> dict[str, Any]:
    return {"target": target, "weight": weight, "track": track, **labels}


async def ask(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"{API}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def post(api: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await api.post(f"{API}/{path}", json=body)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def check(api: httpx.AsyncClient, *proposed: dict[str, Any], **body: Any) -> dict[str, Any]:
    document = await post(api, "risk/check", proposed_positions=list(proposed), **body)
    assert document.keys() >= CHECKED
    assert document["risk_budget_used"] == document["gross_exposure"]
    assert document["approved"] == (document["violations"] == [])
    return document


async def switch(
    api: httpx.AsyncClient, strategy_id: str = "global", track: str = "liquid"
) -> dict[str, Any]:
    document = await ask(api, "risk/kill-switch", track=track, strategy_id=strategy_id)
    assert document.keys() >= SWITCH
    opening = await ask(api, "risk/opening-status", track=track, strategy_id=strategy_id)
    assert opening.keys() == OPENING
    assert opening["can_open_new_positions"] == (not document["triggered"])
    assert (opening["block_reason"] == "none") == (not document["triggered"])
    assert opening["expires_at"] == document["expires_at"]
    assert opening["state"] == document["state"]
    return document


async def metric(api: httpx.AsyncClient, name: str) -> float | None:
    lines = (await api.get("/metrics")).text.splitlines()
    return next((float(one.split()[-1]) for one in lines if one.startswith(name)), None)


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)
