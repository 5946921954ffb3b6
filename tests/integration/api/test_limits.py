"""Bounds on what a request may carry (K-09)."""

import math
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from marketsentry.api.app import create_app
from marketsentry.bootstrap import System

BASE = "http://127.0.0.1:8000"
INGEST = "/api/v2/ingest/events"
LIMIT = 1_000


@pytest.fixture
async def small(system: System) -> AsyncIterator[httpx.AsyncClient]:
    limited = replace(system, settings=system.settings.model_copy(update={"max_body_bytes": LIMIT}))
    transport = httpx.ASGITransport(create_app(limited))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


def body_of(n_bytes: int) -> bytes:
    start, end = b'{"events": []', b"}"
    return start + b" " * (n_bytes - len(start) - len(end)) + end


async def in_pieces(body: bytes, size: int = 300) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_body_up_to_the_limit_is_read(small: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    assert (await small.post(INGEST, content=body_of(LIMIT), headers=headers)).status_code == 200
    answer = await small.post(INGEST, content=in_pieces(body_of(LIMIT)), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", [INGEST, "/api/v2/predict/liquid", "/api/v2/predict/vc", "/api/v2/backtest/run"]
)
async def test_a_larger_body_is_refused_announced_or_not(small: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    for content in (body_of(LIMIT + 1), in_pieces(body_of(5 * LIMIT))):
        answer = await small.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()) == (
            413,
            {"detail": "request body must be at most 1000 bytes"},
        )
        assert answer.headers["x-request-id"]
    shown = (await small.get("/metrics")).text
    assert 'status="413"' in shown


async def test_the_default_takes_a_whole_batch_of_events(api: httpx.AsyncClient) -> None:
    one = {
        "event_type": "market",
        "occurred_at": "2024-01-01T00:00:00Z",
        "entities": [{"entity_type": "asset", "name": f"asset {n}"} for n in range(4)],
    }
    events = [{**one, "title": f"{n} {'x' * 1_000}"} for n in range(1_000)]
    assert (await api.post(INGEST, json={"events": events})).json()["inserted"] == 1_000


def test_every_list_and_text_of_a_request_is_bounded(system: System) -> None:
    document = create_app(system).openapi()
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method == "post" and "requestBody" in operation
    ]
    assert len(bodies) >= 7
    unbounded = [
        f"{name}: {part}"
        for ref in bodies
        for name, part in _parts(ref, document)
        if (part.get("type") == "array" and "maxItems" not in part)
        or (part.get("type") == "string" and not {"maxLength", "enum", "const", "format"} & part.keys())
    ]
    assert unbounded == []


def _parts(ref: str, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema that a request body is made of, with the name of its field."""
    waiting = [(ref.rsplit("/", 1)[-1], {"$ref": ref})]
    while waiting:
        name, part = waiting.pop()
        if "$ref" in part:
            part = document["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
        yield name, part
        waiting += [(f"{name}.{key}", one) for key, one in part.get("properties", {}).items()]
        waiting += [(name, one) for kind in ("anyOf", "allOf") for one in part.get(kind, [])]
        if "items" in part:
            waiting.append((f"{name}[]", part["items"]))


async def test_too_many_calls_are_told_to_wait(system: System) -> None:
    slow = replace(system, settings=system.settings.model_copy(update={"rate_limit_rps": 0.01}))
    transport = httpx.ASGITransport(create_app(slow))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        started = time.monotonic()
        answers = [await client.get("/api/v2/predictions?limit=1") for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [429]
        went_by_s = time.monotonic() - started
        assert math.ceil(100.0 - went_by_s) <= int(answers[-1].headers["retry-after"]) <= 100
        assert isinstance(answers[-1].json()["detail"], str)
        assert (await client.get("/health/live")).status_code == 200
