"""Limits, checks and events of contract section 1.5 over HTTP, row by row, on a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from marketsentry.bootstrap import System
from risk_calls import API, EVENT, LIMITS, ask, check, line, metric, moment, post, switch


async def test_limits_have_every_field_their_version_and_their_source(api: httpx.AsyncClient) -> None:
    document = await ask(api, "risk/limits")
    assert document.keys() >= LIMITS
    assert (document["max_single_weight"], document["max_turnover_per_rebalance"]) == (0.2, 0.35)
    assert (document["max_daily_loss"], document["max_consecutive_losses"]) == (0.03, 5)
    assert document["bucket_caps"] == {"trend": 0.5, "event": 0.4, "mean_reversion": 0.35}
    assert document["sources"]["max_single_weight"] == {
        "variable": "RISK_MAX_SINGLE_WEIGHT",
        "set_by": "default",
    }
    assert len(document["version"]) == 64
    assert moment(document["updated_at"]) <= datetime.now(UTC) + timedelta(seconds=5)
    assert (await ask(api, "risk/limits"))["updated_at"] == document["updated_at"]


async def test_the_limits_in_force_are_recorded_once(
    api: httpx.AsyncClient, system: System, database_url: str
) -> None:
    version = (await ask(api, "risk/limits"))["version"]
    await ask(api, "risk/limits")
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT version, limits FROM risk_limit_versions").fetchall()
    assert [row[0] for row in rows] == [version]
    assert rows[0][1]["max_daily_loss"] == system.settings.risk_max_daily_loss


async def test_example_a(api: httpx.AsyncClient) -> None:
    found = await check(api, line("BTC", 0.35), line("ETH", 0.28), current_positions=[line("BTC", 0.10)])
    assert found["violations"] == ["single_weight_exceeded:BTC", "single_weight_exceeded:ETH"]
    assert [one["weight"] for one in found["adjusted_positions"]] == [0.2, 0.2]
    assert [one["sector"] for one in found["adjusted_positions"]] == ["crypto", "crypto"]
    assert (found["gross_exposure"], found["expected_turnover"]) == (0.4, 0.3)
    assert (found["approved"], found["hard_block"], found["kill_switch_state"]) == (False, False, "armed")
    assert {one["cure"] for one in found["violation_details"]} == {"clipped"}


async def test_example_b(api: httpx.AsyncClient) -> None:
    lines = [line(name, 0.2, sector="tech", style_bucket="growth") for name in ("A", "B")]
    found = await check(api, *lines, max_sector_exposure_override=0.30, max_style_exposure_override=0.25)
    assert found["violations"] == ["sector_exposure_exceeded:tech", "style_exposure_exceeded:growth"]
    assert [one["weight"] for one in found["adjusted_positions"]] == pytest.approx([0.125, 0.125])


async def test_example_c_blocks_the_track_in_the_same_answer(api: httpx.AsyncClient) -> None:
    lines = [line(f"A{n}", 0.9, sector=f"s{n}", style_bucket=f"y{n}") for n in range(7)]
    found = await check(api, *lines, realized_drawdown=0.3)
    assert found["violations"] == [
        *(f"single_weight_exceeded:A{n}" for n in range(7)),
        *("gross_exposure_exceeded", "turnover_exceeded", "drawdown_exceeded"),
        "kill_switch_triggered:liquid:global",
    ]
    assert [one["weight"] for one in found["adjusted_positions"]] == pytest.approx([1 / 7] * 7)
    assert (found["hard_block"], found["kill_switch_state"]) == (True, "triggered")
    assert sum(one["weight"] for one in found["turnover_feasible_positions"]) == pytest.approx(0.35)
    assert found["feasible_turnover"] == 0.35
    assert await metric(api, 'ms_risk_hard_blocks_total{track="liquid"}') == 1.0
    block = await switch(api)
    assert (block["reason"], block["triggered"]) == ("drawdown_exceeded", True)
    assert 0 < block["remaining_seconds"] <= 60
    events = await ask(api, "risk/events", decision_id=found["decision_id"])
    assert [one["code"] for one in reversed(events["items"])] == found["violations"]
    assert {one["severity"] for one in events["items"]} == {"warning"}
    assert found["decision_id"].startswith("risk-check-")
    assert len(found["decision_id"]) == len("risk-check-") + 12
    assert events["items"][0]["payload"].keys() >= {"gross_exposure", "turnover"}


async def test_a_streak_blocks_the_strategy_and_a_loss_the_track(api: httpx.AsyncClient) -> None:
    streak = await check(api, line("BTC", 0.1), consecutive_losses=6, strategy_id="mine")
    assert streak["violations"] == [
        "consecutive_loss_exceeded",
        "kill_switch_triggered:liquid:mine",
    ]
    assert not (await switch(api))["triggered"]
    both = await check(api, line("BTC", 0.1), consecutive_losses=6, daily_loss=0.04, strategy_id="other")
    assert both["violations"][-1] == "kill_switch_triggered:liquid:other"
    assert (await switch(api))["reason"] == "daily_loss_exceeded"
    assert (await switch(api, "other"))["reason"] == "consecutive_loss_exceeded"


async def test_a_daily_loss_blocks_until_the_next_utc_day(api: httpx.AsyncClient) -> None:
    """K-41."""
    await check(api, line("BTC", 0.1), daily_loss=0.04)
    ends = moment((await switch(api))["expires_at"])
    assert ends >= datetime.now(UTC)
    assert (ends.hour, ends.minute, ends.second) == (0, 0, 0) or ends - datetime.now(UTC) < timedelta(
        minutes=1
    )


async def test_each_track_is_judged(api: httpx.AsyncClient) -> None:
    """K-45."""
    await post(api, "risk/kill-switch/trigger", track="vc")
    found = await check(api, line("BTC", 0.1), line("Acme", 0.1, "vc"))
    assert found["violations"] == ["kill_switch_triggered:vc:global"]
    assert found["kill_switch_state"] == "triggered"
    assert (await check(api, line("BTC", 0.1)))["approved"]


async def test_nothing_proposed_counts_as_liquid_and_as_unknown(api: httpx.AsyncClient) -> None:
    found = await check(api, realized_drawdown=0.9)
    assert found["violations"] == ["drawdown_exceeded", "kill_switch_triggered:liquid:global"]
    assert found["adjusted_positions"] == []
    assert await metric(api, 'ms_risk_hard_blocks_total{track="unknown"}') == 1.0
    assert await metric(api, 'ms_kill_switch_active{strategy="global",track="liquid"}') == 1.0


async def test_an_evaluation_changes_nothing_and_says_the_same(api: httpx.AsyncClient) -> None:
    """K-35."""
    asked = {"realized_drawdown": 0.9, "consecutive_losses": 9, "strategy_id": "mine"}
    tried = await check(api, line("BTC", 0.1), evaluate_only=True, **asked)
    assert tried["decision_id"] is None
    assert not (await switch(api, "mine"))["triggered"]
    assert (await ask(api, "risk/events"))["items"] == []
    assert await metric(api, 'ms_risk_hard_blocks_total{track="liquid"}') is None
    enforced = await check(api, line("BTC", 0.1), **asked)
    assert enforced["violations"] == tried["violations"]
    assert enforced["kill_switch_state"] == tried["kill_switch_state"] == "triggered"


async def test_labels_come_from_the_registry(api: httpx.AsyncClient) -> None:
    """K-40."""
    entities = [
        {"entity_type": "asset", "name": f"Coin {name}", "symbol": name, "sector": "Chips", "metadata": {}}
        for name in ("AAA", "BBB", "CCC")
    ]
    event = {"event_type": "market", "title": "news", "occurred_at": "2026-01-01T00:00:00Z"}
    await post(api, "ingest/events", events=[{**event, "entities": entities}])
    lines = [line(name, 0.2, sector=f"own{name}", style_bucket=name) for name in ("AAA", "BBB", "ccc-perp")]
    found = await check(api, *lines, current_positions=lines)
    assert found["violations"][0] == "sector_exposure_exceeded:chips"
    assert {one["sector"] for one in found["adjusted_positions"]} == {"Chips"}
    assert [one["style_bucket"] for one in found["adjusted_positions"]] == ["AAA", "BBB", "ccc-perp"]


async def test_repeated_lines_are_netted(api: httpx.AsyncClient) -> None:
    found = await check(api, line("btc", 0.15), line("BTC", 0.15))
    assert found["violations"] == ["single_weight_exceeded:BTC"]
    assert [(one["target"], one["weight"]) for one in found["adjusted_positions"]] == [("BTC", 0.2)]


async def test_the_longest_strategy_and_target_do_not_break_a_code(api: httpx.AsyncClient) -> None:
    """K-07."""
    target, strategy = "T" * 512, "s" * 64
    found = await check(api, line(target, 0.5), consecutive_losses=9, strategy_id=strategy)
    assert found["violations"][0] == f"single_weight_exceeded:{target}"
    assert found["violations"][-1] == f"kill_switch_triggered:liquid:{strategy}"
    stored = await ask(api, "risk/events", code=f"single_weight_exceeded:{target}")
    assert len(stored["items"]) == 1


BAD_CHECKS: list[tuple[str, Any]] = [
    ("realized_drawdown", -0.1),
    ("daily_loss", "NaN"),
    ("consecutive_losses", -1),
    ("consecutive_losses", 1.5),
    ("strategy_id", ""),
    ("strategy_id", "x" * 65),
    ("max_sector_exposure_override", 0.0),
    ("max_style_exposure_override", 1.01),
    ("current_positions", None),
    ("proposed_positions", None),
    ("proposed_positions", [line("BTC", 0.1, "stocks")]),
    ("proposed_positions", [line("", 0.1)]),
    ("proposed_positions", [{"target": "BTC", "track": "liquid"}]),
    ("proposed_positions", [line("BTC", 1e300)]),
]


@pytest.mark.parametrize(("name", "value"), BAD_CHECKS)
async def test_a_bad_field_of_a_check_is_422(api: httpx.AsyncClient, name: str, value: Any) -> None:
    document = await post(api, "risk/check", 422, **{"proposed_positions": [], name: value})
    assert document["detail"][0].keys() == {"type", "loc", "msg", "input"}
    assert name in document["detail"][0]["loc"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["weight", "realized_drawdown", "daily_loss"])
async def test_what_is_no_number_is_refused(api: httpx.AsyncClient, place: str, number: str) -> None:
    """K-05."""
    weight = number if place == "weight" else "0.1"
    rest = "" if place == "weight" else f', "{place}": {number}'
    body = f'{{"proposed_positions": [{{"target": "BTC", "track": "liquid", "weight": {weight}}}]{rest}}}'
    answer = await api.post(f"{API}/risk/check", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


async def test_events_are_paged_by_cursor(api: httpx.AsyncClient) -> None:
    """K-11."""
    assert await ask(api, "risk/events") == {"items": [], "next_cursor": None}
    for n in range(5):
        await check(api, line(f"A{n}", 0.3))
    first = await ask(api, "risk/events", limit=3)
    await check(api, line("LATE", 0.3))
    second = await ask(api, "risk/events", limit=3, cursor=first["next_cursor"])
    codes = [one["code"] for page in (first, second) for one in page["items"]]
    assert codes == [f"single_weight_exceeded:A{n}" for n in (4, 3, 2, 1, 0)]
    assert second["next_cursor"] is None
    assert all(one.keys() == EVENT for one in first["items"])
    assert (await ask(api, "risk/events", severity="critical"))["items"] == []
    named = await ask(api, "risk/events", code="single_weight_exceeded:A2")
    assert len(named["items"]) == 1
