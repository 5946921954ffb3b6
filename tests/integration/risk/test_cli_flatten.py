"""`ms risk flatten` and `ms orders reconcile`: what they print and how they end."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import Side
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import EnteredOrder, EnterRequest, enter_orders, run_decision
from marketsentry.services.execution_request import RunRequest
from recorded_prices import add_prices
from verbs import ms, on_engines


@pytest.fixture
async def environment(system: System, engines: Engines, database_url: str) -> dict[str, str]:
    """A record in which one strategy holds BTC."""
    await add_prices(system.database, "BTC", 100.0, until=datetime.now(UTC))
    order = EnteredOrder("BTC", Side.BUY, Decimal(10), est_price=Decimal(100), strategy_id="mine")
    entered = await enter_orders(EnterRequest((order,)), system.execution)
    await run_decision(RunRequest(entered.decision_id), system.execution, by=ChangedBy("test"), wait_s=120)
    return on_engines(engines, database_url, system.settings.home)


async def test_a_track_is_closed_and_the_venue_agrees(environment: dict[str, str]) -> None:
    before = ms(environment, "orders", "reconcile")
    assert (before.returncode, before.stdout.split()) == (0, ["agrees", "paper", "coinbase"])
    done = ms(environment, "risk", "flatten", "liquid", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["flat"], told["remaining"], told["attempts"]) == (True, [], 1)
    assert [(one["strategy_id"], one["target"], Decimal(one["qty"])) for one in told["closed"]] == [
        ("mine", "BTC", 10)
    ]
    assert [one["status"] for one in told["orders"]] == ["filled"]
    assert told["seconds"] > 0
    blocked = ms(environment, "risk", "explain", "liquid", "--json")
    assert (blocked.returncode, json.loads(blocked.stdout)["can_open"]) == (3, False)
    agreed = json.loads(ms(environment, "orders", "reconcile", "--json").stdout)
    assert (agreed["agrees"], agreed["not_in_record"]) == (True, [])
    again = ms(environment, "risk", "flatten", "liquid", "--strategy", "mine", "--yes")
    assert (again.returncode, again.stdout.count("liquid:mine is flat")) == (0, 1)


async def test_what_cannot_be_closed_ends_with_three(environment: dict[str, str], system: System) -> None:
    async with system.database.connection() as connection:
        await connection.execute("UPDATE prices SET timestamp = timestamp - interval '1 day'")
    failed = ms(environment, "risk", "flatten", "liquid", "--yes")
    assert failed.returncode == 3
    assert "10 BTC at paper coinbase: no_market_data" in failed.stdout
    assert "liquid:global is NOT proved flat" in failed.stdout
    assert ms(environment, "risk", "flatten", "stocks", "--yes").returncode == 2
