"""Contract section 1.1 over HTTP: health, liveness, readiness, metrics, the retired interface."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from marketsentry.adapters.embedded import EmbeddedEngines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.settings import Settings

BASE = "http://127.0.0.1:8000"
FAMILIES_OF_THE_HEALTH_CHECK = {
    "ms_http_requests",
    "ms_http_request_latency_seconds",
    "ms_signal_latency_seconds",
    "ms_execution_latency_seconds",
    "ms_execution_orders",
    "ms_execution_reject_rate",
    "ms_data_freshness_seconds",
    "ms_model_drift_events",
    "ms_risk_hard_blocks",
}
FROZEN = [
    "/api/predictions/BTC?hours=minus-one",
    "/api/predictions/latest",
    "/api/prices/BTC?hours=99999999",
    "/api/prices/BTC/latest",
    "/api/news?limit=zero",
    "/api/news/BTC/sentiment?hours=x",
    "/api/indicators/BTC",
]


def _client(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(system)), base_url=BASE)


@pytest.fixture
async def client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(system) as opened:
        yield opened


async def test_health_probes_what_it_reports(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    health = answer.json()
    assert answer.status_code == 200
    assert (health["status"], health["redis"], health["postgres"]) == ("healthy", "connected", "connected")
    assert 0 < health["gpu"]["system"]["percent"] <= 100
    assert health["timestamp"].endswith("Z")
    datetime.fromisoformat(health["timestamp"])


async def test_a_stopped_dependency_is_seen_at_once(tmp_path: Path) -> None:
    """K-87: health is a probe, and readiness is apart from liveness."""
    with EmbeddedEngines(tmp_path / "outside") as engines:
        settings = Settings(
            home=tmp_path / "home", database_url=engines.urls.database_url, redis_url=engines.urls.redis_url
        )
        async with open_system(settings) as system, _client(system) as client:
            assert (await client.get("/health/ready")).json() == {"status": "ready", "missing": []}
            engines.stop()
            ready, health, live = [await client.get(p) for p in ("/health/ready", "/health", "/health/live")]
    assert (ready.status_code, ready.json()["missing"]) == (503, ["postgres", "redis"])
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert (health.json()["redis"], health.json()["postgres"]) == ("disconnected", "disconnected")
    assert (live.status_code, live.json()) == (200, {"status": "live"})


async def test_every_family_is_there_before_any_sample(client: httpx.AsyncClient) -> None:
    families = {f.name for f in text_string_to_metric_families((await client.get("/metrics")).text)}
    assert families >= FAMILIES_OF_THE_HEALTH_CHECK


async def test_requests_are_counted_by_route_template(client: httpx.AsyncClient) -> None:
    """K-88: no raw path becomes a label."""
    await client.get("/api/prices/BTC")
    await client.get("/api/prices/ETH")
    await client.get("/no/such/path")
    samples = [
        sample
        for family in text_string_to_metric_families((await client.get("/metrics")).text)
        if family.name == "ms_http_requests"
        for sample in family.samples
        if sample.name == "ms_http_requests_total"
    ]
    counts = {(s.labels["method"], s.labels["path"], s.labels["status"]): s.value for s in samples}
    assert counts["GET", "/api/prices/{symbol}", "410"] == 2
    assert counts["GET", "unmatched", "404"] == 1


@pytest.mark.parametrize("path", FROZEN)
async def test_the_retired_interface_says_gone_whatever_is_asked(
    client: httpx.AsyncClient, path: str
) -> None:
    """K-08: no parameter is looked at before the 410."""
    answer = await client.get(path)
    assert answer.status_code == 410
    assert "/api/v2" in answer.json()["detail"]


async def test_every_operation_is_described(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/api/v2/openapi.json")).json()
    operations = [one for path in schema["paths"].values() for one in path.values()]
    assert len(operations) >= 11
    assert all(one.get("summary") and one.get("description") for one in operations)
