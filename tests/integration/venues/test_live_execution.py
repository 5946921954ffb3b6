"""Orders over HTTP reach a live venue (here a simulated one), and what it says is what is told (contract 1.6)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

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

ORDERS, RUN = "/api/v2/execution/orders", "/api/v2/execution/run"
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


async def executed(api: httpx.AsyncClient, **order: object) -> dict[str, object]:
    """Enter one order and run it."""
    wanted = {"target": "BTC", "side": "buy", "quantity": 10 * SENT, "est_price": 60_000, **order}
    body = {"adapter": "coinbase_live", "venue": "coinbase", "max_slippage_bps": 50}
    entered = await api.post(ORDERS, json={"orders": [wanted], **body})
    assert entered.status_code == 200, entered.text
    answer = await api.post(RUN, json={"decision_id": entered.json()["decision_id"], **body})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["orders"]
    return dict(row["execution"])


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
