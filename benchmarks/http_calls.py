"""The API of the running program, from one client on loopback that keeps its connection."""

import http.client
import json
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.program import running_program
from benchmarks.rows import Row, median, percentile, spread

CALLS, WARM_CALLS, EVENTS_PER_CALL = 100, 10, 100
RUNS = 5
N_ENTITIES = 500
_START = datetime(2024, 1, 1, tzinfo=UTC)
_TYPES = ("funding", "mna", "product", "regulatory", "market")


def bench_http_ingest() -> list[dict[str, Any]]:
    """New events by `ms up` on its own PostgreSQL: 100 a call, each with two of 500 entities, links, quality row."""
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as home, running_program(home) as program:
        connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=30)
        _seconds_of(connection, _bodies(rng, "warm", WARM_CALLS))
        runs = [_seconds_of(connection, _bodies(rng, f"run {n}", CALLS)) for n in range(RUNS)]
        connection.close()
    rates = [CALLS * EVENTS_PER_CALL / sum(run) for run in runs]
    calls = [seconds for run in runs for seconds in run]
    notes = (
        f"{EVENTS_PER_CALL} events a call, a call p50 {1e3 * median(calls):.1f} ms, "
        f"p99 {1e3 * percentile(calls, 0.99):.1f} ms"
    )
    row = Row(
        "http-ingest",
        median(rates),
        "events/s",
        budget=4_000.0,
        better="higher",
        n=RUNS,
        spread=spread(rates),
        notes=notes,
    )
    return [row.as_dict()]


def _seconds_of(connection: http.client.HTTPConnection, bodies: list[bytes]) -> list[float]:
    samples = []
    for body in bodies:
        started = time.perf_counter()
        connection.request(
            "POST", "/api/v2/ingest/events", body, headers={"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        document = json.loads(answer.read())
        samples.append(time.perf_counter() - started)
        if answer.status != 200 or document["inserted"] != EVENTS_PER_CALL:
            raise RuntimeError(f"ingest answered {answer.status}: {document}")
    return samples


def _bodies(rng: random.Random, run: str, n: int) -> list[bytes]:
    return [
        json.dumps({"events": [_event(rng, f"{run} {i} {j}") for j in range(EVENTS_PER_CALL)]}).encode()
        for i in range(n)
    ]


def _event(rng: random.Random, name: str) -> dict[str, Any]:
    return {
        "event_type": rng.choice(_TYPES),
        "title": f"Something happened to somebody: {name}",
        "occurred_at": (_START + timedelta(seconds=rng.randrange(10**7))).isoformat(),
        "source_url": f"https://example.org/{name.replace(' ', '/')}",
        "source_name": f"wire {rng.randrange(20)}",
        "source_tier": rng.randint(1, 5),
        "confidence_score": round(rng.random(), 3),
        "event_importance": round(rng.random(), 3),
        "payload": {"text": "a sentence or two of what was said " * 4, "votes": rng.randrange(100)},
        "entities": [_entity(rng.randrange(N_ENTITIES)) for _ in range(2)],
    }


def _entity(n: int) -> dict[str, Any]:
    return {"entity_type": "asset", "name": f"Coin {n}", "symbol": f"C{n}", "metadata": {"rank": n}}
