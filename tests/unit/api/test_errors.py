"""Every branch of the error tree has a status, and no answer carries what it should not."""

import math

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from marketsentry.api.errors import INTERNAL_ERROR, STATUS, install_error_handlers
from marketsentry.api.request_id import RequestId
from marketsentry.exceptions import InputError, MarketSentryError


class Amount(BaseModel):
    value: float = Field(ge=0, allow_inf_nan=False)


def _client(raises: Exception | None = None) -> httpx.AsyncClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def fail() -> None:
        assert raises is not None
        raise raises

    @app.post("/amount")
    async def amount(body: Amount) -> Amount:
        return body

    transport = httpx.ASGITransport(RequestId(app), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def test_every_branch_of_the_tree_has_a_status() -> None:
    assert set(STATUS) == set(MarketSentryError.__subclasses__())


@pytest.mark.parametrize(("kind", "status"), STATUS.items())
async def test_a_domain_error_keeps_its_message(kind: type[MarketSentryError], status: int) -> None:
    async with _client(kind("horizon must be >= 1, was 0")) as client:
        answer = await client.get("/")
    assert answer.status_code == status
    detail = answer.json()["detail"]
    assert (detail[0]["msg"] if kind is InputError else detail) == "horizon must be >= 1, was 0"


async def test_a_bug_answers_a_constant_and_the_id_of_its_log_line() -> None:
    async with _client(RuntimeError("SELECT secret FROM /etc/passwd")) as client:
        answer = await client.get("/", headers={"X-Request-ID": "abc-1"})
    assert answer.status_code == 500
    assert answer.json() == {"detail": INTERNAL_ERROR, "request_id": "abc-1"}
    assert answer.headers["X-Request-ID"] == "abc-1"


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "<script>"])
async def test_an_insane_request_id_is_replaced(offered: str) -> None:
    async with _client(InputError("no")) as client:
        answer = await client.get("/", headers={"X-Request-ID": offered})
    assert answer.headers["X-Request-ID"] != offered
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_not_a_number_is_refused_at_the_edge(literal: str) -> None:
    async with _client() as client:
        answer = await client.post(
            "/amount", content=f'{{"value": {literal}}}', headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert set(problem) == {"type", "loc", "msg", "input"}
    assert isinstance(problem["input"], str)
    assert not math.isfinite(float(problem["input"]))
