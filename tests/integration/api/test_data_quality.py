"""Contract section 1.9 over HTTP: sampling, reviews, statistics and agreement of the quality of events."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from marketsentry.bootstrap import System

PREFIX = "/api/v2/data-quality"
ROW = {
    *(
        "id",
        "event_id",
        "source_name",
        "freshness_sec",
        "entity_coverage",
        "quality_score",
        "notes",
        "reviewer",
    ),
    *(
        "verdict",
        "reviewed_at",
        "audited_at",
        "created_at",
        "title",
        "event_type",
        "source_url",
        "occurred_at",
    ),
}
TOTALS = {
    *("samples", "reviewed_samples", "review_coverage", "precision", "incorrect_rate", "uncertain_rate"),
    *("avg_quality_score", "avg_entity_coverage", "avg_freshness_sec"),
}
SOURCE = {
    *("source_name", "samples", "reviewed_samples", "precision", "incorrect_rate", "avg_quality_score"),
    "avg_freshness_sec",
}
UNKNOWN = {"detail": "data quality audit not found"}


async def ingest(api: httpx.AsyncClient, n: int, **changes: Any) -> list[int]:
    """Store `n` events; returns the ids of their quality records in the order given."""
    made = [
        {
            "event_type": "market",
            "title": f"{changes} {i}",
            "occurred_at": "2024-03-01T12:00:00Z",
            "source_url": f"https://example.org/{i}",
            **changes,
        }
        for i in range(n)
    ]
    answer = await api.post("/api/v2/ingest/events", json={"events": made})
    assert answer.status_code == 200, answer.text
    by_event = {row["event_id"]: row["id"] for row in await sample(api, limit=1000)}
    return [by_event[event_id] for event_id in answer.json()["event_ids"]]


async def sample(api: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await api.post(f"{PREFIX}/sample", json=asked)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document.keys() == {"items", "limit"}
    assert document["limit"] == asked.get("limit", 200)
    items: list[dict[str, Any]] = document["items"]
    return items


async def review(api: httpx.AsyncClient, audit_id: int, **said: Any) -> None:
    body = {"audit_id": audit_id, "reviewer": "ann", "verdict": "correct", **said}
    answer = await api.post(f"{PREFIX}/audit", json=body)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "audit_id": audit_id})


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"{PREFIX}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def execute(system: System, statement: str) -> None:
    async with system.database.connection() as connection:
        await connection.execute(statement.encode())


async def test_a_sample_without_a_seed_is_the_newest_records(api: httpx.AsyncClient, system: System) -> None:
    ids = await ingest(api, 5, source_name="wire")
    await execute(
        system, f"UPDATE data_quality_audit SET audited_at = now() + interval '1 h' WHERE id = {ids[2]}"
    )
    found = await sample(api, limit=3)
    others = sorted((one for one in ids if one != ids[2]), reverse=True)
    assert [row["id"] for row in found] == [ids[2], *others[:2]]
    assert all(row.keys() == ROW for row in found)
    assert (found[0]["title"], found[0]["event_type"]) == ("{'source_name': 'wire'} 2", "market")
    assert (found[0]["source_url"], found[0]["source_name"]) == ("https://example.org/2", "wire")
    assert (found[0]["notes"], found[0]["verdict"], found[0]["reviewed_at"]) == ("auto_audit_v1", None, None)
    assert found[0]["occurred_at"] == "2024-03-01T12:00:00Z"
    assert found[0]["audited_at"].endswith("Z")


async def test_the_default_sample_holds_200(api: httpx.AsyncClient) -> None:
    await ingest(api, 210)
    assert len(await sample(api)) == 200
    assert len(await sample(api, seed=1)) == 200


@pytest.mark.parametrize("seed", [None, 3])
async def test_a_sample_leaves_out_low_scores(api: httpx.AsyncClient, seed: int | None) -> None:
    await ingest(api, 4)
    good = await ingest(api, 2, confidence_score=1, event_importance=1, novelty_score=1)
    found = await sample(api, min_quality_score=0.79, seed=seed)
    assert {row["id"] for row in found} == set(good)
    assert [row["quality_score"] for row in found] == pytest.approx([0.8, 0.8])


async def test_a_seeded_sample_is_stratified_random_and_repeatable(api: httpx.AsyncClient) -> None:
    await ingest(api, 60, source_name="big")
    await ingest(api, 30, source_name="small", event_type="product")
    await ingest(api, 2, event_type="regulatory")
    first, again = await sample(api, limit=30, seed=7), await sample(api, limit=30, seed=7)
    assert first == again
    kinds = [(row["source_name"], row["event_type"]) for row in first]
    counts = (
        kinds.count(("big", "market")),
        kinds.count(("small", "product")),
        kinds.count((None, "regulatory")),
    )
    assert counts == (19, 10, 1)
    ids = {row["id"] for row in first}
    assert len(ids) == 30
    assert ids != {row["id"] for row in await sample(api, limit=30)}
    assert ids != {row["id"] for row in await sample(api, limit=30, seed=8)}


async def test_a_seeded_sample_draws_every_record_equally_often(api: httpx.AsyncClient) -> None:
    ids = await ingest(api, 20)
    drawn = [row["id"] for seed in range(90) for row in await sample(api, limit=10, seed=seed)]
    counts = [drawn.count(one) for one in ids]  # each expected 45 times, with a deviation of about 5
    assert 25 < min(counts) <= max(counts) < 65


async def test_a_sample_of_nothing_is_empty(api: httpx.AsyncClient) -> None:
    assert await sample(api) == await sample(api, seed=1) == []


@pytest.mark.parametrize(
    "bad",
    [
        *({"limit": bad} for bad in (0, 1001, None, "x")),
        *({"min_quality_score": bad} for bad in (-0.1, 1.1, None)),
        *({"seed": bad} for bad in (-1, 2**53, 1.5, "x")),
    ],
    ids=repr,
)
async def test_a_sample_out_of_range_is_refused(api: httpx.AsyncClient, bad: dict[str, Any]) -> None:
    assert (await api.post(f"{PREFIX}/sample", json=bad)).status_code == 422


async def test_a_review_is_recorded_and_leaves_the_audit_time(api: httpx.AsyncClient, system: System) -> None:
    [audit_id] = await ingest(api, 1)
    [before] = await sample(api)
    started = datetime.now(UTC)
    await review(api, audit_id, reviewer=" ann ", verdict="uncertain", note="no source")
    await review(api, audit_id, reviewer="bob", verdict="correct")
    [after] = await sample(api)
    assert (after["reviewer"], after["verdict"]) == ("bob", "correct")
    assert after["notes"] == "auto_audit_v1\nann: uncertain, no source\nbob: correct"
    assert started <= datetime.fromisoformat(after["reviewed_at"]) <= datetime.now(UTC)
    changed = {"reviewer", "verdict", "reviewed_at", "notes"}
    assert {name for name in ROW if before[name] != after[name]} == changed
    async with system.database.connection() as connection:
        query = "SELECT audit_id, event_id, reviewer, verdict, note FROM data_quality_review_logs ORDER BY id"
        logged = await (await connection.execute(query)).fetchall()
    event_id = before["event_id"]
    assert logged == [
        (audit_id, event_id, "ann", "uncertain", "no source"),
        (audit_id, event_id, "bob", "correct", None),
    ]


@pytest.mark.parametrize("unknown", [0, -5, 999, 2**63 - 1])
async def test_a_review_of_nothing_is_not_found(api: httpx.AsyncClient, unknown: int) -> None:
    body = {"audit_id": unknown, "reviewer": "ann", "verdict": "correct"}
    answer = await api.post(f"{PREFIX}/audit", json=body)
    assert (answer.status_code, answer.json()) == (404, UNKNOWN)
    assert (await get(api, "consistency"))["total_review_logs"] == 0


@pytest.mark.parametrize(
    "bad",
    [
        *({"audit_id": bad} for bad in (None, "x", 2**63)),
        *({"reviewer": bad} for bad in (None, "", " ", "x" * 129, "a\x00")),
        *({"verdict": bad} for bad in (None, "good", "CORRECT")),
        {"note": "a\x00b"},
    ],
    ids=repr,
)
async def test_a_malformed_review_is_refused(api: httpx.AsyncClient, bad: dict[str, Any]) -> None:
    body = {"audit_id": 1, "reviewer": "ann", "verdict": "correct", **bad}
    assert (await api.post(f"{PREFIX}/audit", json=body)).status_code == 422


async def test_statistics_of_nothing_are_empty(api: httpx.AsyncClient) -> None:
    found = await get(api, "stats")
    assert found.keys() == {"lookback_days", "totals", "by_source", "generated_at"}
    assert (found["lookback_days"], found["by_source"]) == (7, [])
    assert found["totals"].keys() == TOTALS
    assert {name for name, value in found["totals"].items() if value == 0} == {"samples", "reviewed_samples"}
    assert found["generated_at"].endswith("Z")


async def test_statistics_count_reviews_and_average_scores(api: httpx.AsyncClient) -> None:
    wire = await ingest(api, 4, source_name="wire", confidence_score=1)
    [lone] = await ingest(api, 1)
    for audit_id, verdict in zip(wire[:3], ("correct", "incorrect", "uncertain"), strict=True):
        await review(api, audit_id, verdict=verdict)
    await review(api, lone, verdict="correct")
    found = await get(api, "stats")
    totals = found["totals"]
    assert (totals["samples"], totals["reviewed_samples"], totals["review_coverage"]) == (5, 4, 0.8)
    assert (totals["precision"], totals["incorrect_rate"], totals["uncertain_rate"]) == (0.5, 0.25, 0.25)
    assert totals["avg_quality_score"] == pytest.approx((4 * 0.55 + 0.4) / 5, abs=1e-6)
    assert totals["avg_entity_coverage"] == 0
    assert totals["avg_freshness_sec"] > 86_400
    assert [one.keys() for one in found["by_source"]] == [SOURCE, SOURCE]
    first, second = found["by_source"]
    assert (first["source_name"], first["samples"], first["reviewed_samples"]) == ("wire", 4, 3)
    assert (first["precision"], first["incorrect_rate"]) == (0.333333, 0.333333)
    assert (second["source_name"], second["samples"], second["precision"]) == ("unknown", 1, 1.0)


async def test_statistics_look_at_the_audit_time_which_a_review_does_not_change(
    api: httpx.AsyncClient, system: System
) -> None:
    ids = await ingest(api, 2)
    await execute(
        system, f"UPDATE data_quality_audit SET audited_at = now() - interval '8 days' WHERE id = {ids[0]}"
    )
    await review(api, ids[0])
    assert (await get(api, "stats"))["totals"]["samples"] == 1
    assert (await get(api, "stats", lookback_days=9))["totals"]["samples"] == 2


@pytest.mark.parametrize(
    ("path", "asked", "taken"),
    [
        *(
            ("stats", asked, taken)
            for asked, taken in ((None, 7), (0, 1), (-3, 1), (90, 90), (91, 90), (10**30, 90))
        ),
        *(("consistency", asked, taken) for asked, taken in ((None, 30), (0, 1), (365, 365), (366, 365))),
    ],
)
async def test_the_window_is_clamped(
    api: httpx.AsyncClient, path: str, asked: int | None, taken: int
) -> None:
    query = {} if asked is None else {"lookback_days": asked}
    assert (await get(api, path, **query))["lookback_days"] == taken


@pytest.mark.parametrize("path", ["stats", "consistency"])
@pytest.mark.parametrize("bad", ["x", "1.5", "", "NaN"])
async def test_a_window_that_is_no_number_is_refused(api: httpx.AsyncClient, path: str, bad: str) -> None:
    assert (await api.get(f"{PREFIX}/{path}", params={"lookback_days": bad})).status_code == 422


async def test_consistency_of_nothing_is_empty(api: httpx.AsyncClient) -> None:
    found = await get(api, "consistency")
    assert found.pop("generated_at").endswith("Z")
    assert found == {
        "lookback_days": 30,
        "total_review_logs": 0,
        "multi_review_events": 0,
        "pairwise_agreement": None,
        "reviewer_pairs": [],
    }


async def test_consistency_compares_first_reviews_pairwise(api: httpx.AsyncClient, system: System) -> None:
    one, two, three = await ingest(api, 3)
    for audit_id, reviewer, verdict in (
        *((one, "bob", "correct"), (one, "ann", "correct"), (one, "cy", "incorrect")),
        *((two, "ann", "uncertain"), (two, "bob", "correct"), (two, "ann", "correct")),
        (three, "ann", "correct"),
    ):
        await review(api, audit_id, reviewer=reviewer, verdict=verdict)
    found = await get(api, "consistency")
    assert (found["total_review_logs"], found["multi_review_events"], found["pairwise_agreement"]) == (
        7,
        2,
        0.25,
    )
    assert found["reviewer_pairs"] == [
        {"reviewer_a": "ann", "reviewer_b": "bob", "pairs": 2, "agreement": 0.5},
        {"reviewer_a": "ann", "reviewer_b": "cy", "pairs": 1, "agreement": 0.0},
        {"reviewer_a": "bob", "reviewer_b": "cy", "pairs": 1, "agreement": 0.0},
    ]
    await execute(system, "UPDATE data_quality_review_logs SET created_at = now() - interval '31 days'")
    assert (await get(api, "consistency"))["total_review_logs"] == 0
    assert (await get(api, "consistency", lookback_days=32))["total_review_logs"] == 7
