"""The loopback guard: no DNS rebinding, no cross-site posts (design D11)."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from marketsentry.api.guard import LoopbackGuard


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("served")


def _client(host: str) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", _answer, methods=["GET", "POST"])])
    guarded = LoopbackGuard(app, port=8000)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url=f"http://{host}")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST:8000", "127.0.0.1"]
)
async def test_this_machine_is_served(host: str) -> None:
    async with _client(host) as client:
        assert (await client.get("/")).text == "served"
        assert (await client.post("/")).text == "served"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:9999", "localhost.evil:8000"]
)
async def test_a_rebound_host_is_refused(host: str) -> None:
    async with _client(host) as client:
        answer = await client.get("/")
    assert answer.status_code == 403
    assert "loopback" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9999", "null"])
async def test_a_foreign_page_may_read_nothing_but_never_change_state(origin: str) -> None:
    async with _client("127.0.0.1:8000") as client:
        assert (await client.post("/", headers={"Origin": origin})).status_code == 403
        assert (await client.get("/", headers={"Origin": origin})).status_code == 200


async def test_our_own_page_may_post() -> None:
    async with _client("127.0.0.1:8000") as client:
        assert (await client.post("/", headers={"Origin": "http://localhost:8000"})).status_code == 200
