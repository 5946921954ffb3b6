"""Contract section 1.2 over HTTP: ingest of events, row by row."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from marketsentry.bootstrap import System

INGEST = "/api/v2/ingest/events"
AT = "2024-03-01T12:00:00Z"
EVENT = {"event_type": "market", "title": "Bitcoin rises", "occurred_at": AT}
BITCOIN = {"entity_type": "asset", "name": "Bitcoin", "symbol": "BTC"}
RESPONSE = {"accepted", "inserted", "deduplicated", "event_ids"}


def event(**changes: Any) -> dict[str, Any]:
    return {**EVENT, **changes}


async def post(api: httpx.AsyncClient, *events: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(INGEST, json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() == RESPONSE
    return document


async def rows(system: System, query: str) -> list[tuple[Any, ...]]:
    async with system.database.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def test_an_event_of_defaults_is_stored_with_every_default(
    api: httpx.AsyncClient, system: System
) -> None:
    before = datetime.now(UTC)
    answer = await post(api, EVENT)
    assert (answer["accepted"], answer["inserted"], answer["deduplicated"]) == (1, 1, 0)
    [stored] = await rows(
        system,
        "SELECT id, event_type, title, source_url, source_name, dedup_cluster_id, source_timezone, source_tier,"
        " confidence_score, event_importance, novelty_score, entity_confidence, latency_ms, payload FROM events",
    )
    assert stored == (
        *(answer["event_ids"][0], "market", "Bitcoin rises", None, None, None, "UTC", 3),
        *(0.5, 0.5, 0.5, 0.5, None, {}),
    )
    [(occurred_at, known_at)] = await rows(system, "SELECT occurred_at, known_at FROM events")
    assert occurred_at == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert before <= known_at <= datetime.now(UTC)


async def test_every_field_is_honoured(api: httpx.AsyncClient, system: System) -> None:
    given = event(
        id=77,
        source_url="https://example.org/a",
        source_name="wire",
        dedup_cluster_id="c-1",
        source_timezone="Asia/Shanghai",
        source_tier=1,
        confidence_score=0.1,
        event_importance=0.2,
        novelty_score=0.3,
        entity_confidence=0.4,
        latency_ms=1250,
        payload={"a": [1, {"b": None}], "text": "好"},
        entities=[{**BITCOIN, "id": 5, "country": "XX", "sector": "coin", "metadata": {"k": 1}}],
    )
    await post(api, given)
    [stored] = await rows(
        system,
        "SELECT source_url, source_name, dedup_cluster_id, source_timezone, source_tier, confidence_score,"
        " event_importance, novelty_score, entity_confidence, latency_ms, payload FROM events",
    )
    names = (
        *(
            "source_url",
            "source_name",
            "dedup_cluster_id",
            "source_timezone",
            "source_tier",
            "confidence_score",
        ),
        *("event_importance", "novelty_score", "entity_confidence", "latency_ms", "payload"),
    )
    assert stored == tuple(given[name] for name in names)
    assert await rows(
        system, "SELECT entity_type, name, symbol, country, sector, metadata FROM entities"
    ) == [("asset", "Bitcoin", "BTC", "XX", "coin", {"k": 1})]
    assert await rows(system, "SELECT role FROM event_links") == [("mentioned",)]


async def test_no_events_are_no_error(api: httpx.AsyncClient) -> None:
    assert await post(api) == {"accepted": 0, "inserted": 0, "deduplicated": 0, "event_ids": []}


async def test_ids_come_in_request_order_and_duplicates_get_the_existing_one(api: httpx.AsyncClient) -> None:
    first = await post(api, event(title="a"), event(title="b"), event(title=" A "))
    a, b, again = first["event_ids"]
    assert (first["accepted"], first["inserted"], first["deduplicated"]) == (3, 2, 1)
    assert a == again != b
    second = await post(api, event(title="c"), event(title="B"))
    assert (second["inserted"], second["deduplicated"], second["event_ids"][1]) == (1, 1, b)


@pytest.mark.parametrize(
    "same",
    [
        {"occurred_at": "2024-03-01T13:00:00+01:00"},
        {"occurred_at": "2024-03-01T12:00:00"},
        {"title": "  BITCOIN rises "},
        {"source_url": ""},
        {"source_timezone": "Europe/Berlin"},
        {"source_name": "other", "payload": {"x": 1}, "entities": [BITCOIN]},
    ],
)
async def test_the_same_event_is_recognised(api: httpx.AsyncClient, same: dict[str, Any]) -> None:
    first, second = await post(api, EVENT), await post(api, event(**same))
    assert (second["inserted"], second["deduplicated"]) == (0, 1)
    assert second["event_ids"] == first["event_ids"]


@pytest.mark.parametrize(
    "other",
    [
        {"event_type": "product"},
        {"title": "Bitcoin falls"},
        {"source_url": "https://example.org/b"},
        {"occurred_at": "2024-03-01T12:00:00+01:00"},
        {"occurred_at": "2024-03-01T12:00:00.000001Z"},
    ],
)
async def test_another_event_is_told_apart(api: httpx.AsyncClient, other: dict[str, Any]) -> None:
    answer = await post(api, EVENT, event(**other))
    assert (answer["inserted"], len(set(answer["event_ids"]))) == (2, 2)


async def test_what_is_known_of_an_entity_is_kept_and_added_to(
    api: httpx.AsyncClient, system: System
) -> None:
    known = {**BITCOIN, "country": "XX", "sector": "coin", "metadata": {"a": 1, "b": 1}}
    await post(api, event(entities=[known]))
    nothing = {"entity_type": "asset", "name": "Bitcoin", "symbol": " ", "country": "", "sector": None}
    await post(api, event(title="b", entities=[{**nothing, "metadata": {"b": 2, "c": 3}}]))
    query = "SELECT symbol, country, sector, metadata FROM entities"
    assert await rows(system, query) == [("BTC", "XX", "coin", {"a": 1, "b": 2, "c": 3})]
    moved = {**nothing, "symbol": "xbt", "country": "YY", "sector": "money"}
    await post(api, event(title="c", entities=[moved]))
    assert await rows(system, query) == [("XBT", "YY", "money", {"a": 1, "b": 2, "c": 3})]
    assert await rows(system, "SELECT count(*) FROM event_links") == [(3,)]


async def test_an_entity_named_twice_in_a_call_is_one(api: httpx.AsyncClient, system: System) -> None:
    bare = {"entity_type": "asset", "name": " Bitcoin "}
    await post(
        api,
        event(entities=[{**BITCOIN, "metadata": {"a": 1}}, bare]),
        event(title="b", entities=[{**bare, "country": "XX", "metadata": {"a": 2}}]),
        event(entities=[{"entity_type": "company", "name": "Acme"}]),  # a duplicate that names somebody else
    )
    query = "SELECT entity_type, name, symbol, country, metadata FROM entities ORDER BY name"
    assert await rows(system, query) == [
        ("company", "Acme", None, None, {}),
        ("asset", "Bitcoin", "BTC", "XX", {"a": 2}),
    ]
    links = (
        "SELECT title, name FROM event_links JOIN events ON events.id = event_id"
        " JOIN entities ON entities.id = entity_id"
    )
    assert sorted(await rows(system, links)) == [
        ("Bitcoin rises", "Acme"),
        ("Bitcoin rises", "Bitcoin"),
        ("b", "Bitcoin"),
    ]


async def test_a_new_event_gets_one_quality_row_and_a_duplicate_none(
    api: httpx.AsyncClient, system: System
) -> None:
    scored = event(
        confidence_score=0.9, event_importance=0.4, novelty_score=0.2, entities=[BITCOIN], source_name="wire"
    )
    await post(api, scored, scored)
    await post(api, scored)
    [(source, freshness, coverage, score, notes)] = await rows(
        system,
        "SELECT source_name, freshness_sec, entity_coverage, quality_score, notes FROM data_quality_audit",
    )
    age = (datetime.now(UTC) - datetime(2024, 3, 1, 12, tzinfo=UTC)).total_seconds()
    assert (source, coverage, notes) == ("wire", 0.25, "auto_audit_v1")
    assert score == pytest.approx(0.30 * 0.9 + 0.25 * 0.4 + 0.25 * 0.2 + 0.20 * 0.25)
    assert freshness == pytest.approx(age, abs=60)


async def test_an_event_of_the_future_is_fresh_and_known_when_it_happens(
    api: httpx.AsyncClient, system: System
) -> None:
    await post(api, event(occurred_at="2100-01-01T00:00:00Z"))
    assert await rows(
        system, "SELECT freshness_sec FROM data_quality_audit JOIN events ON events.id = event_id"
    ) == [(0,)]
    assert await rows(system, "SELECT known_at = occurred_at FROM events") == [(True,)]


async def test_features_read_an_ingested_event_from_now_on_only(
    api: httpx.AsyncClient, system: System
) -> None:
    now_ns = int(datetime.now(UTC).timestamp()) * 10**9
    await post(api, event(entities=[{**BITCOIN, "symbol": "btc"}]))
    async with system.transactions() as stores:
        before = await stores.events.load_events("BTC", as_of_ns=now_ns - 10**9)
        after = await stores.events.load_events("BTC")
    assert (before.known_at_ns.size, after.known_at_ns.size) == (0, 1)


BAD = [
    {"event_type": "gossip"},
    {"event_type": None},
    {"title": ""},
    {"title": "  "},
    {"title": "a\x00b"},
    {"title": None},
    {"occurred_at": "yesterday"},
    {"occurred_at": 1709294400},
    {"occurred_at": "0001-01-01T00:00:00+14:00"},
    {"occurred_at": "9999-12-31T23:59:59-14:00"},
    {"occurred_at": None},
    {"source_timezone": "Mars/Olympus"},
    {"source_timezone": ""},
    {"source_timezone": "../etc/passwd"},
    {"source_tier": 0},
    {"source_tier": 6},
    {"source_tier": 1.5},
    *({name: bad} for name in ("confidence_score", "event_importance") for bad in (-0.01, 1.01, None, "x")),
    *({name: bad} for name in ("novelty_score", "entity_confidence") for bad in (-1, 2)),
    {"latency_ms": -1},
    {"latency_ms": 2**63},
    {"payload": []},
    {"payload": {"a": "\x00"}},
    {"payload": {"\x00": 1}},
    {"entities": None},
    {"entities": [{"entity_type": "coin", "name": "Bitcoin"}]},
    {"entities": [{"entity_type": "asset", "name": " "}]},
    {"entities": [{"entity_type": "asset"}]},
    {"entities": [{"name": "Bitcoin"}]},
    {"entities": [{**BITCOIN, "symbol": "X" * 21}]},
    {"entities": [{**BITCOIN, "country": "X" * 9}]},
    {"entities": [{**BITCOIN, "name": "好" * 513}]},
    {"entities": [{**BITCOIN, "metadata": None}]},
    {"entities": [{**BITCOIN, "metadata": {"a": {"b": "\x00"}}}]},
    {"entities": [BITCOIN, "Ethereum"]},
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
async def test_one_bad_event_fails_the_call_and_nothing_is_stored(
    api: httpx.AsyncClient, system: System, bad: dict[str, Any]
) -> None:
    answer = await api.post(INGEST, json={"events": [event(title="good"), event(**bad)]})
    assert answer.status_code == 422, answer.text
    for fault in answer.json()["detail"]:
        assert fault.keys() == {"type", "loc", "msg", "input"}
        assert fault["loc"][:3] == ["body", "events", 1]
    assert await rows(system, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM entities)") == [
        (0,)
    ]


NESTED = '{"a":' * 200 + "1" + "}" * 200


@pytest.mark.parametrize(
    "payload",
    ['{"x": NaN}', '{"x": [1, -Infinity]}', '{"x": 1e999}', '{"x": "\\ud800"}', '{"\\udfff": 1}', NESTED],
)
async def test_a_payload_that_the_record_cannot_hold_is_refused(api: httpx.AsyncClient, payload: str) -> None:
    body = json.dumps({"events": [event(payload="HERE")]}).replace('"HERE"', payload)
    answer = await api.post(INGEST, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("title", ["\\ud800", "half \\udc00 text"])
async def test_half_a_character_is_refused(api: httpx.AsyncClient, title: str) -> None:
    body = json.dumps({"events": [event(title="HERE")]}).replace("HERE", title)
    answer = await api.post(INGEST, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("body", [{}, {"events": None}, {"events": {}}, [], "x"])
async def test_a_body_without_a_list_of_events_is_refused(api: httpx.AsyncClient, body: Any) -> None:
    assert (await api.post(INGEST, json=body)).status_code == 422


async def test_a_thousand_events_are_taken_and_one_more_is_not(
    api: httpx.AsyncClient, system: System
) -> None:
    many = [
        event(title=f"e{n}", entities=[BITCOIN, {"entity_type": "company", "name": f"c{n % 7}"}])
        for n in range(1001)
    ]
    refused = await api.post(INGEST, json={"events": many})
    assert refused.status_code == 422
    answer = await post(api, *many[:1000])
    assert (answer["inserted"], len(set(answer["event_ids"]))) == (1000, 1000)
    assert await rows(system, "SELECT count(*) FROM event_links") == [(2000,)]
    assert await rows(system, "SELECT count(*) FROM entities") == [(8,)]


async def test_calls_at_once_that_share_events_and_entities_do_not_block_each_other(
    api: httpx.AsyncClient, system: System
) -> None:
    batch = [event(title=f"e{n}", entities=[{"entity_type": "company", "name": f"c{n}"}]) for n in range(60)]
    answers = await asyncio.gather(*(post(api, *order) for order in (batch, batch[::-1]) * 4))
    assert sum(answer["inserted"] for answer in answers) == 60
    assert {tuple(sorted(answer["event_ids"])) for answer in answers} == {
        tuple(sorted(answers[0]["event_ids"]))
    }
    assert await rows(system, "SELECT count(*) FROM data_quality_audit") == [(60,)]


async def test_the_limits_of_the_contract_are_accepted(api: httpx.AsyncClient) -> None:
    low = event(
        title="low", source_tier=1, confidence_score=0, event_importance=0, novelty_score=0, entity_confidence=0,
        latency_ms=0,
    )  # fmt: skip
    high = event(title="high", source_tier=5, confidence_score=1, event_importance=1.0, latency_ms=2**63 - 1)
    assert (await post(api, low, high))["inserted"] == 2
