"""Contract section 1.2 over HTTP: reading an entity."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from marketsentry.bootstrap import System

BITCOIN = {"entity_type": "asset", "name": "Bitcoin", "symbol": "BTC", "country": "XX", "metadata": {"a": 1}}
COLUMNS = {
    *("id", "entity_type", "name", "symbol", "country", "sector", "metadata", "created_at", "updated_at"),
    "recent_events",
}
EVENT = {"id", "event_type", "title", "occurred_at", "source_url", "role"}


async def ingest(api: httpx.AsyncClient, n: int) -> list[int]:
    events = [
        {
            "event_type": "product",
            "title": f"release {i}",
            "occurred_at": f"2024-03-{1 + i:02d}T12:00:00+02:00",
            "source_url": f"https://example.org/{i}",
            "entities": [BITCOIN],
        }
        for i in range(n)
    ]
    answer = await api.post("/api/v2/ingest/events", json={"events": events})
    ids: list[int] = answer.json()["event_ids"]
    return ids


async def entity_id(system: System) -> int:
    async with system.database.connection() as connection:
        row = await (await connection.execute("SELECT id FROM entities")).fetchone()
    assert row is not None
    return int(row[0])


async def test_an_entity_is_answered_with_all_columns_and_its_newest_20_events(
    api: httpx.AsyncClient, system: System
) -> None:
    ids = await ingest(api, 23)
    answer = await api.get(f"/api/v2/entities/{await entity_id(system)}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    assert found.keys() == COLUMNS
    assert {name: found[name] for name in BITCOIN} == BITCOIN
    assert found["sector"] is None
    for name in ("created_at", "updated_at"):
        assert found[name].endswith("Z")
        datetime.fromisoformat(found[name])
    recent = found["recent_events"]
    assert [one["id"] for one in recent] == ids[:2:-1]
    assert all(one.keys() == EVENT for one in recent)
    assert recent[0] == {
        "id": ids[22],
        "event_type": "product",
        "title": "release 22",
        "occurred_at": "2024-03-23T10:00:00Z",
        "source_url": "https://example.org/22",
        "role": "mentioned",
    }


async def test_an_entity_without_events_has_an_empty_list(api: httpx.AsyncClient, system: System) -> None:
    await ingest(api, 1)
    async with system.database.connection() as connection:
        await connection.execute("DELETE FROM events")
    found = (await api.get(f"/api/v2/entities/{await entity_id(system)}")).json()
    assert found["recent_events"] == []


@pytest.mark.parametrize("unknown", [0, -1, 1, 2**63 - 1])
async def test_an_unknown_entity_is_not_found(api: httpx.AsyncClient, unknown: int) -> None:
    answer = await api.get(f"/api/v2/entities/{unknown}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "entity not found"})


@pytest.mark.parametrize("bad", ["x", "1.5", str(2**63), "9" * 400])
async def test_what_is_no_row_id_is_refused(api: httpx.AsyncClient, bad: str) -> None:
    assert (await api.get(f"/api/v2/entities/{bad}")).status_code == 422
