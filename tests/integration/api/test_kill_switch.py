"""The kill switch of contract section 1.5 over HTTP, on a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from risk_calls import API, ask, check, line, metric, moment, post, switch


async def test_a_switch_that_was_never_set(api: httpx.AsyncClient) -> None:
    found = await switch(api, "anyone")
    assert found == {
        "track": "liquid",
        "strategy_id": "anyone",
        "state": "armed",
        "reason": "not_set",
        "triggered": False,
        "updated_at": None,
        "expires_at": None,
        "remaining_seconds": 0,
        "metadata": {},
        "mode": None,
        "blocks": [],
    }


async def test_a_trigger_without_duration_holds_until_a_reset(api: httpx.AsyncClient) -> None:
    found = await post(api, "risk/kill-switch/trigger", track="liquid")
    assert (found["state"], found["triggered"], found["reason"]) == ("triggered", True, "manual_trigger")
    assert found["metadata"] == {"source": "manual", "duration_minutes": None}
    assert (found["expires_at"], found["remaining_seconds"]) == (None, 0)
    assert found == await switch(api)
    blocked = await switch(api, "mine")
    assert (blocked["triggered"], blocked["reason"]) == (True, "manual_trigger")
    opening = await ask(api, "risk/opening-status", track="liquid", strategy_id="mine")
    assert opening["block_reason"] == "kill_switch_triggered:liquid:global"
    done = await post(api, "risk/kill-switch/reset", track="liquid")
    assert (done["state"], done["triggered"], done["reason"]) == ("armed", False, "manual_reset")
    assert done["metadata"] == {"source": "manual_reset"}
    assert not (await switch(api, "mine"))["triggered"]


async def test_a_timed_trigger_says_when_it_ends(api: httpx.AsyncClient) -> None:
    found = await post(
        api, "risk/kill-switch/trigger", track="liquid", strategy_id="mine", duration_minutes=5, reason="x"
    )
    assert 290 <= found["remaining_seconds"] <= 300
    assert moment(found["expires_at"]) > datetime.now(UTC) + timedelta(minutes=4)
    assert found["metadata"] == {"source": "manual", "duration_minutes": 5}
    assert (await switch(api))["state"] == "armed"


async def test_a_reset_of_a_strategy_leaves_the_block_of_the_track(api: httpx.AsyncClient) -> None:
    await post(api, "risk/kill-switch/trigger", track="liquid")
    await post(api, "risk/kill-switch/trigger", track="liquid", strategy_id="mine")
    opening = await ask(api, "risk/opening-status", track="liquid", strategy_id="mine")
    assert opening["block_reason"] == "kill_switch_triggered:liquid:mine"
    done = await post(api, "risk/kill-switch/reset", track="liquid", strategy_id="mine")
    assert (done["state"], done["triggered"]) == ("armed", False)
    found = await switch(api, "mine")
    assert [block["scope"] for block in found["blocks"]] == ["global"]


async def test_a_hard_rule_does_not_shorten_a_manual_block(api: httpx.AsyncClient) -> None:
    """K-34."""
    await post(api, "risk/kill-switch/trigger", track="liquid", reason="stop everything")
    await check(api, line("BTC", 0.1), realized_drawdown=0.9)
    found = await switch(api)
    assert (found["reason"], found["expires_at"], found["triggered"]) == ("stop everything", None, True)
    weaker = await post(api, "risk/kill-switch/trigger", track="liquid", duration_minutes=1)
    assert (weaker["reason"], weaker["expires_at"]) == ("stop everything", None)


async def test_an_expired_row_reads_armed(api: httpx.AsyncClient, database_url: str) -> None:
    """K-36, K-37: the clock of the database decides."""
    await post(api, "risk/kill-switch/trigger", track="liquid", duration_minutes=5)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE risk_control_state SET expires_at = clock_timestamp() - interval '1 s'")
    found = await switch(api)
    assert (found["state"], found["triggered"], found["remaining_seconds"]) == ("armed", False, 0)
    assert (await switch(api, "mine"))["reason"] == "not_set"
    assert await metric(api, 'ms_kill_switch_active{strategy="global",track="liquid"}') == 0.0


async def test_a_mode_is_carried(api: httpx.AsyncClient) -> None:
    await post(api, "risk/kill-switch/trigger", track="liquid", mode="flatten")
    found = await switch(api, "mine")
    assert (found["mode"], found["metadata"]["mode"]) == ("flatten", "flatten")


async def test_every_transition_is_kept_with_who_asked(api: httpx.AsyncClient, database_url: str) -> None:
    """K-01, K-37."""
    headers = {"X-Request-ID": "req-1"}
    await api.post(f"{API}/risk/kill-switch/trigger", json={"track": "liquid"}, headers=headers)
    await post(api, "risk/kill-switch/reset", track="liquid", reason="all clear")
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT action, actor, request_id, reason, before IS NULL FROM kill_switch_events ORDER BY id"
        ).fetchall()
    assert rows[0] == ("triggered", "local", "req-1", "manual_trigger", True)
    assert rows[1][:2] == ("reset", "local")
    assert rows[1][3:] == ("all clear", False)


BAD_SWITCHES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "kill-switch", {}),
    ("GET", "kill-switch", {"track": "stocks"}),
    ("GET", "kill-switch", {"track": "liquid", "strategy_id": "x" * 65}),
    ("GET", "opening-status", {}),
    ("GET", "opening-status", {"track": "liquid", "strategy_id": ""}),
    ("GET", "events", {"severity": "bad"}),
    ("GET", "events", {"cursor": 0}),
    ("GET", "events", {"limit": 501}),
    ("POST", "kill-switch/trigger", {}),
    ("POST", "kill-switch/trigger", {"track": "stocks"}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "duration_minutes": 0}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "duration_minutes": 10_081}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "reason": ""}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "reason": "x" * 257}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "strategy_id": "x\u0000"}),
    ("POST", "kill-switch/trigger", {"track": "liquid", "mode": "panic"}),
    ("POST", "kill-switch/reset", {"strategy_id": "mine"}),
    ("POST", "kill-switch/reset", {"track": "liquid", "reason": "x" * 257}),
]


@pytest.mark.parametrize(("method", "path", "given"), BAD_SWITCHES)
async def test_a_bad_field_of_a_switch_is_422(
    api: httpx.AsyncClient, method: str, path: str, given: dict[str, Any]
) -> None:
    where = {"params": given} if method == "GET" else {"json": given}
    answer = await api.request(method, f"{API}/risk/{path}", **where)
    assert answer.status_code == 422
    assert answer.json()["detail"][0].keys() == {"type", "loc", "msg", "input"}
