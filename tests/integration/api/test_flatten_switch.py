"""A switch pulled in mode flatten over HTTP is acted on, and a hard block ends with its breach (K-41)."""

from datetime import UTC, datetime

import httpx

from marketsentry.bootstrap import System
from marketsentry.core.risk.codes import Rule
from marketsentry.core.risk.hard_rules import HardTrigger
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.risk_switch import pull_hard, read_switch
from marketsentry.services.risk_watch import RiskWatch
from recorded_prices import add_prices

V2 = "/api/v2"


async def test_a_flatten_asked_for_over_http_is_done_and_told(system: System, api: httpx.AsyncClient) -> None:
    await add_prices(system.database, "BTC", 100.0, until=datetime.now(UTC))
    order = {"target": "BTC", "side": "buy", "quantity": 10, "est_price": 100}
    entered = (await api.post(f"{V2}/execution/orders", json={"orders": [order]})).json()
    ran = await api.post(f"{V2}/execution/run", json={"decision_id": entered["decision_id"]})
    assert ran.json()["filled"] == 1, ran.text
    watch = RiskWatch(system.flatten)
    assert await watch.once() == []
    pulled = await api.post(f"{V2}/risk/kill-switch/trigger", json={"track": "liquid", "mode": "flatten"})
    assert pulled.json()["mode"] == "flatten"
    (report,) = await watch.once()
    assert report.proof.is_flat
    events = (await api.get(f"{V2}/risk/events", params={"code": "flattened:liquid:global"})).json()["items"]
    assert [(one["severity"], one["payload"]["flat"]) for one in events] == [("info", True)]
    assert events[0]["payload"]["seconds"] == round(report.seconds, 3)
    sold = (await api.get(f"{V2}/execution/orders", params={"limit": 1})).json()["items"][0]
    assert (sold["side"], sold["reduce_only"], sold["status"]) == ("sell", True, "filled")
    decided = (await api.get(f"{V2}/decisions")).json()["items"]
    assert [(one["decision_id"], one["source"]) for one in decided] == [
        (sold["decision_id"], "flatten"),
        (entered["decision_id"], "orders"),
    ]
    assert await watch.once() == []


async def test_a_hard_block_is_released_when_its_breach_has_ended(system: System) -> None:
    hard = HardTrigger("liquid", "global", (Rule.DRAWDOWN,))
    async with system.transactions() as stores:
        await pull_hard(stores, [hard], limits=system.risk_limits, by=ChangedBy("test"), metadata={})
    before = await read_switch("liquid", "global", transactions=system.transactions)
    assert before.blocks[0].until_cleared == {Rule.DRAWDOWN}
    await RiskWatch(system.flatten).once()
    after = await read_switch("liquid", "global", transactions=system.transactions)
    assert after.blocks[0].until_cleared == frozenset()
    async with system.transactions() as stores:
        history = await stores.risk.history("liquid", "global", limit=1)
    assert (history[0].action, history[0].actor) == ("released", "rule:risk_watch")
