"""Orders over HTTP reach a live venue (here a simulated one), and what it says is what is told (contract 1.6)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from live_venues import coinbase_exchange
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import pay
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import SimExchange
from marketsentry.simexchange.faults import VenueFault
from recorded_prices import add_prices

V2 = "/api/v2"
ORDERS, RUN, SWITCH = f"{V2}/execution/orders", f"{V2}/execution/run", f"{V2}/risk/kill-switch/trigger"
LIVE = {"adapter": "coinbase_live", "venue": "coinbase", "max_slippage_bps": 50}
POST = "POST /api/v3/brokerage/orders"
SENT = 0.01  # without a rollout a live order is a tenth of what was asked for


@pytest.fixture
async def exchange() -> AsyncIterator[SimExchange]:
    async with coinbase_exchange() as running:
        yield running


@pytest.fixture
async def live(settings: Settings, exchange: SimExchange) -> AsyncIterator[System]:
    """A system whose Coinbase is simulated, both locks open."""
    changes = {
        "live_trading_enabled": True,
        "live_venues": ("coinbase",),
        "coinbase_advanced_trade_api": exchange.url,
        "coinbase_api_key": SecretStr(exchange.key.key),
        "coinbase_api_secret": SecretStr(exchange.key.secret),
    }
    async with open_system(settings.model_copy(update=changes)) as opened:
        await add_prices(opened.database, "BTC", 60_000.0, until=datetime.now(UTC))
        await fund(opened, Decimal(100_000))
        yield opened


async def fund(system: System, amount: Decimal) -> None:
    """Give the strategy its part of the account's money."""
    async with system.transactions() as stores:
        account = await stores.accounts.open(
            adapter="coinbase_live", venue="coinbase", name="main", currency="USD"
        )
        ledger = SubLedger(account.id, "default-liquid-v1", "liquid")
        await pay(stores, ledger, amount, reference="test", at=datetime.now(UTC))


@pytest.fixture
async def api(live: System) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(live))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as opened:
        yield opened


async def entered(api: httpx.AsyncClient, **order: object) -> str:
    """Enter one order; give its decision."""
    wanted = {"target": "BTC", "side": "buy", "quantity": 10 * SENT, "est_price": 60_000, **order}
    answer = await api.post(ORDERS, json={"orders": [wanted], **LIVE})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["decision_id"])


async def executed(api: httpx.AsyncClient, **order: object) -> dict[str, object]:
    """Enter one order and run it."""
    answer = await api.post(RUN, json={"decision_id": await entered(api, **order), **LIVE})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["orders"]
    return dict(row["execution"])


async def read(api: httpx.AsyncClient, path: str, **query: object) -> dict[str, Any]:
    """Ask for a document."""
    answer = await api.get(f"{V2}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def owned(exchange: SimExchange) -> dict[str, Decimal]:
    """What the account has at the venue, by coin."""
    held = exchange.truth()["balances"][exchange.key.owner]
    return {coin: Decimal(one["available"]) + Decimal(one["held"]) for coin, one in held.items()}


async def eventually(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Poll until it holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_an_order_is_filled_with_the_fees_of_the_venue(
    api: httpx.AsyncClient, exchange: SimExchange
) -> None:
    told = await executed(api)
    assert (told["status"], told["filled_qty"], told["reject_reason"]) == ("filled", SENT, None)
    truth = exchange.truth()
    assert told["fees_paid"] == pytest.approx(sum(float(one["fee"]) for one in truth["fills"]))
    assert told["avg_fill_price"] == pytest.approx(60_000, rel=5e-3)
    assert {one["client_id"].rpartition("-")[0][:3] for one in truth["orders"]} == {"ms-"}


@pytest.mark.parametrize("fault", [VenueFault.DROP_AFTER, VenueFault.ERROR_AFTER])
async def test_an_order_whose_answer_was_lost_is_found_again_and_sent_once(
    api: httpx.AsyncClient, exchange: SimExchange, fault: VenueFault
) -> None:
    exchange.inject(fault, POST, times=1)
    told = await executed(api)
    assert (told["status"], told["filled_qty"]) == ("filled", SENT)
    filled = [float(one["filled"]) for one in exchange.truth()["orders"]]
    assert sum(filled) == pytest.approx(SENT)


async def test_a_refusal_of_the_venue_is_the_reason(api: httpx.AsyncClient, exchange: SimExchange) -> None:
    exchange.inject(VenueFault.INSUFFICIENT_FUNDS, POST)
    told = await executed(api)
    assert (told["status"], told["reject_reason"]) == ("rejected", "venue_rejected:INSUFFICIENT_FUND")
    assert exchange.truth()["orders"] == []


async def test_a_key_that_has_ended_sends_nothing_and_loses_nothing(
    api: httpx.AsyncClient, exchange: SimExchange
) -> None:
    assert (await executed(api))["status"] == "filled"
    before = (len(exchange.truth()["orders"]), (await read(api, "/positions"))["items"])
    exchange.end_key(exchange.key)
    told = await executed(api)
    assert (told["status"], told["filled_qty"], told["reject_reason"]) == ("rejected", 0.0, "venue_http_401")
    (entry,) = told["lifecycle"]
    assert (entry["status"], entry["reason"], entry["metrics"]["http_code"]) == (
        "rejected",
        "venue_http_401",
        401.0,
    )
    assert (len(exchange.truth()["orders"]), (await read(api, "/positions"))["items"]) == before


async def test_ledger_and_audit_say_what_the_venue_did(api: httpx.AsyncClient, exchange: SimExchange) -> None:
    """K-23, K-29: fees and lots of every leg are the venue's, and the ledger agrees with its balances."""
    before = owned(exchange)
    decision_id = await entered(api)
    ran = (await api.post(RUN, json={"decision_id": decision_id, **LIVE})).json()
    assert (ran["total"], ran["filled"], ran["rejected"]) == (1, 1, 0)
    audit = await read(api, f"/execution/audit/{decision_id}")
    there = exchange.truth()["fills"]
    told = [(one["qty"], one["price"], one["fee"]) for one in audit["fills"]]
    assert sorted(told) == sorted(
        (float(one["quantity"]), float(one["price"]), float(one["fee"])) for one in there
    )
    paid = sum(Decimal(one["quantity"]) * Decimal(one["price"]) for one in there)
    fees = sum(Decimal(one["fee"]) for one in there)
    (position,) = (await read(api, "/positions"))["items"]
    assert (position["target"], position["qty"]) == ("BTC", SENT)
    entries = (await read(api, "/ledger"))["items"]
    moved = sum(Decimal(repr(one["amount"])) for one in entries if one["currency"] == "USD")
    assert moved == pytest.approx(Decimal(100_000) - paid - fees)
    after = owned(exchange)
    assert after["BTC"] - before["BTC"] == Decimal(str(SENT))
    assert after["USD"] - before["USD"] == -(paid + fees)


async def test_a_switch_pulled_while_an_order_rests_takes_it_from_the_venue(
    api: httpx.AsyncClient, exchange: SimExchange
) -> None:
    decision_id = await entered(api, est_price=59_000, quantity=10 * SENT)  # below the market: it rests
    body = {"decision_id": decision_id, **LIVE, "time_in_force": "GTC", "limit_timeout_sec": 30}
    running = asyncio.create_task(api.post(RUN, json=body))
    await eventually(lambda: [one["status"] for one in exchange.truth()["orders"]] == ["open"])
    pulled = await api.post(SWITCH, json={"track": "liquid", "reason": "look first"})
    assert (pulled.status_code, pulled.json()["mode"]) == (200, "reduce_only")
    assert (
        await api.post(ORDERS, json={"orders": [{"target": "BTC", "side": "buy", "quantity": 1}], **LIVE})
    ).status_code == 423
    (row,) = (await running).json()["orders"]
    told = row["execution"]
    assert (told["status"], told["filled_qty"], told["reject_reason"]) == (
        "canceled",
        0.0,
        "kill_switch_triggered:liquid:global",
    )
    (look,) = [one for one in told["lifecycle"] if one["event"] == "limit_poll"]
    assert look["metrics"]["timeout_sec"] == 30.0
    truth = exchange.truth()
    assert [(one["status"], float(one["filled"])) for one in truth["orders"]] == [("cancelled", 0.0)]
    assert truth["fills"] == []
    assert (await read(api, "/positions"))["items"] == []


async def test_a_switch_lets_what_is_held_be_sold(api: httpx.AsyncClient, exchange: SimExchange) -> None:
    """K-27: an exit is sold whole, where a live opening is made a tenth."""
    assert (await executed(api))["status"] == "filled"
    await api.post(SWITCH, json={"track": "liquid"})
    told = await executed(api, side="sell", quantity=SENT)
    assert (told["status"], told["filled_qty"]) == ("filled", SENT)
    assert [one["side"] for one in exchange.truth()["fills"]][-1] == "sell"


@pytest.mark.parametrize("est_price", [None, 0.01])
async def test_what_has_no_price_of_ours_is_not_opened_though_the_breaker_is_off(
    live: System, exchange: SimExchange, est_price: float | None
) -> None:
    """Its weight could not be told: without a price it would count for nothing, whatever its size."""
    limits = replace(live.risk_limits, breaker=replace(live.risk_limits.breaker, max_abs_return=0.0))
    transport = httpx.ASGITransport(create_app(replace(live, risk_limits=limits)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as api:
        decision_id = await entered(api, target="ETH", quantity=100_000, est_price=est_price)
        answer = await api.post(RUN, json={"decision_id": decision_id, **LIVE})
    assert (answer.status_code, answer.json()["detail"]) == (423, "risk_blocked:insufficient_market_data:ETH")
    assert exchange.truth()["orders"] == []
