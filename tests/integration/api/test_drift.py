"""A position that the market moved above its cap does not hold up the openings of others (contract 1.6, check 6)."""

from datetime import UTC, datetime

import httpx
import pytest

from marketsentry.bootstrap import System
from recorded_prices import add_prices

ORDERS, RUN = "/api/v2/execution/orders", "/api/v2/execution/run"


async def _run(api: httpx.AsyncClient, **order: object) -> httpx.Response:
    body = {"orders": [{"side": "buy", **order}]}
    entered = (await api.post(ORDERS, json=body)).json()
    return await api.post(RUN, json={"decision_id": entered["decision_id"]})


@pytest.fixture
async def drifted(system: System, api: httpx.AsyncClient) -> System:
    """A system that holds BTC for a fifth of its equity, and then BTC rises by 3 %."""
    now = datetime.now(UTC)
    await add_prices(system.database, "BTC", 100.0, until=now)
    await add_prices(system.database, "ETH", 10.0, until=now)
    bought = await _run(api, target="BTC", quantity=199, est_price=100)
    assert bought.json()["filled"] == 1, bought.text
    await add_prices(system.database, "BTC", 103.0, until=datetime.now(UTC), n=1)
    return system


async def test_others_may_open_and_the_drifted_may_only_shrink(
    drifted: System, api: httpx.AsyncClient
) -> None:
    other = await _run(api, target="ETH", quantity=1000, est_price=10)
    assert (other.status_code, other.json()["filled"]) == (200, 1), other.text
    more = await _run(api, target="BTC", quantity=1, est_price=103)
    assert (more.status_code, more.json()) == (423, {"detail": "risk_blocked:single_weight_exceeded:BTC"})
    less = await _run(api, target="BTC", quantity=1, est_price=103, side="sell")
    assert (less.status_code, less.json()["filled"]) == (200, 1), less.text


async def test_a_loss_refuses_every_opening(drifted: System, api: httpx.AsyncClient) -> None:
    await add_prices(drifted.database, "BTC", 97.5, until=datetime.now(UTC), n=1)
    await add_prices(drifted.database, "BTC", 92.0, until=datetime.now(UTC), n=1)
    await add_prices(drifted.database, "BTC", 87.0, until=datetime.now(UTC), n=1)
    await add_prices(drifted.database, "BTC", 82.5, until=datetime.now(UTC), n=1)
    small = await _run(api, target="ETH", quantity=1, est_price=10)
    assert small.status_code == 423
    assert small.json()["detail"].startswith("risk_blocked:daily_loss_exceeded")
