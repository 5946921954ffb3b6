"""Perpetuals of Bitget over HTTP, on a simulated venue: terms are checked, carried there, and refused by name."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from live_venues import bitget_exchange
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import pay
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import SimExchange
from marketsentry.simexchange.orders import HoldSide
from recorded_prices import add_prices

ORDERS, RUN = "/api/v2/execution/orders", "/api/v2/execution/run"
TERMS: dict[str, Any] = {
    "adapter": "bitget_live",
    "market_type": "perp",
    "product_type": "USDT-FUTURES",
    "leverage": 20,
    "position_mode": "one_way_mode",
    "margin_mode": "crossed",
}
ORDER = {"target": "BTC-PERP", "side": "buy", "quantity": 0.1, "est_price": 60_000}


@pytest.fixture
async def exchange() -> AsyncIterator[SimExchange]:
    async with bitget_exchange() as running:
        yield running


@pytest.fixture
async def live(settings: Settings, exchange: SimExchange) -> AsyncIterator[System]:
    """A system whose Bitget is simulated, set up for perpetuals, both locks open."""
    changes = {
        "live_trading_enabled": True,
        "live_venues": ("bitget",),
        "liquid_symbols": ("BTC",),
        "bitget_api": exchange.url,
        "bitget_api_key": SecretStr(exchange.key.key),
        "bitget_api_secret": SecretStr(exchange.key.secret),
        "bitget_api_passphrase": SecretStr(exchange.key.passphrase),
        "bitget_market": "perp",
        "bitget_leverage": 5,
    }
    async with open_system(settings.model_copy(update=changes)) as opened:
        await add_prices(opened.database, "BTC-PERP", 60_000.0, until=datetime.now(UTC))
        async with opened.transactions() as stores:
            account = await stores.accounts.open(
                adapter="bitget_live", venue="bitget", name="main", currency="USDT"
            )
            ledger = SubLedger(account.id, "default-liquid-v1", "liquid")
            await pay(stores, ledger, Decimal(100_000), reference="test", at=datetime.now(UTC))
        yield opened


@pytest.fixture
async def api(live: System) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(live))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as opened:
        yield opened


async def executed(
    api: httpx.AsyncClient,
    *,
    run: dict[str, Any] | None = None,
    order: dict[str, Any] | None = None,
    **terms: Any,
) -> dict[str, Any]:
    """Enter one order and run it."""
    said = {name: value for name, value in {**TERMS, **terms}.items() if value is not None}
    entered = await api.post(ORDERS, json={"orders": [ORDER | (order or {})], "max_slippage_bps": 50, **said})
    assert entered.status_code == 200, entered.text
    body = {"decision_id": entered.json()["decision_id"], "adapter": "bitget_live", "max_slippage_bps": 50}
    answer = await api.post(RUN, json={**body, **(run or {})})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["orders"]
    return dict(row)


async def test_terms_are_kept_and_reach_the_venue(api: httpx.AsyncClient, exchange: SimExchange) -> None:
    row = await executed(api)
    assert (row["adapter"], row["venue"], row["status"]) == ("bitget_live", "bitget", "filled"), row
    assert {name: row[name] for name in TERMS} == TERMS
    assert "order_terms" not in row["metadata"]
    (order,) = exchange.truth()["orders"]
    assert (order["product"], order["reduce_only"]) == ("BTC-USDT:USDT", False)
    found = (await api.get(f"{ORDERS}/{row['order_id']}")).json()
    assert {name: found[name] for name in TERMS} == TERMS


async def test_what_is_not_said_is_as_the_account_is_configured(api: httpx.AsyncClient) -> None:
    row = await executed(api, leverage=None, product_type=None, position_mode=None, margin_mode=None)
    assert row["execution"]["reject_reason"] == "venue_error:leverage", "MS says 5, the account has 20"
    assert row["leverage"] is None


async def test_terms_of_a_run_go_before_those_of_an_order(api: httpx.AsyncClient) -> None:
    row = await executed(api, leverage=7, run={"market_type": "perp", "leverage": 20})
    assert (row["status"], row["leverage"], row["margin_mode"]) == ("filled", 20, "crossed"), row


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"leverage": 3}, "venue_error:leverage"),
        ({"position_mode": "hedge_mode"}, "venue_error:position_mode"),
        ({"margin_mode": "isolated", "leverage": 21}, "venue_error:leverage"),
    ],
)
async def test_terms_that_the_account_does_not_have_are_refused_by_name(
    api: httpx.AsyncClient, exchange: SimExchange, terms: dict[str, Any], reason: str
) -> None:
    row = await executed(api, **terms)
    assert (row["status"], row["execution"]["reject_reason"]) == ("rejected", reason)
    assert exchange.truth()["orders"] == []


async def test_an_account_in_hedge_mode_is_refused_by_name(
    api: httpx.AsyncClient, exchange: SimExchange
) -> None:
    exchange.venue.margin.is_hedged[exchange.key.owner] = True
    row = await executed(api)
    assert row["execution"]["reject_reason"] == "venue_error:position_mode"


async def test_a_market_that_is_not_traded_here_is_refused(api: httpx.AsyncClient) -> None:
    said = {"adapter": "bitget_live", "market_type": "spot"}
    for path, rest in ((ORDERS, {"orders": [{**ORDER, "target": "BTC"}]}), (RUN, {"decision_id": "0" * 32})):
        answer = await api.post(path, json={**said, **rest})
        assert answer.status_code == 422
        assert "market_type must be perp as BITGET_MARKET says, was spot" in answer.text


async def test_an_order_that_may_only_reduce_does_that_or_nothing(
    api: httpx.AsyncClient, exchange: SimExchange
) -> None:
    row = await executed(api, order={"reduce_only": True})
    assert (row["reduce_only"], row["execution"]["reject_reason"]) == (True, "reduce_only_opens")
    assert exchange.truth()["orders"] == []
    held = (await executed(api))["execution"]["filled_qty"]
    out = {"side": "sell", "quantity": held, "reduce_only": True}
    row = await executed(api, order=out)
    assert (row["status"], row["reduce_only"]) == ("filled", True)
    assert exchange.truth()["orders"][-1]["reduce_only"] is True
    assert exchange.venue.margin.positions[exchange.key.owner, "BTC-USDT:USDT", HoldSide.NET].quantity == 0


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"adapter": "paper"}, "market_type", "market_type is for adapter bitget_live, which was paper"),
        ({"adapter": "coinbase_live"}, "market_type", "which was coinbase_live"),
        ({"adapter": "kraken_live"}, "adapter", "'bitget_live'"),
        ({"market_type": "margin"}, "market_type", "'spot' or 'perp'"),
        ({"market_type": "spot"}, "leverage", "leverage is for market_type perp, which was spot"),
        ({"market_type": None}, "margin_mode", "margin_mode is for market_type perp, which was not named"),
        ({"product_type": "COIN-FUTURES"}, "product_type", "'USDT-FUTURES'"),
        ({"leverage": 0}, "leverage", "greater than or equal to 1"),
        ({"leverage": 126}, "leverage", "less than or equal to 125"),
        ({"leverage": 2.5}, "leverage", "integer"),
        ({"position_mode": "both"}, "position_mode", "'one_way_mode' or 'hedge_mode'"),
        ({"margin_mode": "portfolio"}, "margin_mode", "'crossed' or 'isolated'"),
    ],
)
async def test_terms_that_make_no_sense_are_refused_each_with_its_field(
    api: httpx.AsyncClient, changes: dict[str, Any], field: str, told: str
) -> None:
    for path, rest in ((ORDERS, {"orders": [ORDER]}), (RUN, {"decision_id": "0" * 32})):
        answer = await api.post(path, json={**TERMS, **changes, **rest})
        assert answer.status_code == 422, answer.text
        found = {one["loc"][-1]: one["msg"] for one in answer.json()["detail"]}
        assert told in found[field], found


async def test_the_target_must_be_one_of_the_market(api: httpx.AsyncClient) -> None:
    answer = await api.post(ORDERS, json={**TERMS, "orders": [{**ORDER, "target": "BTC"}]})
    assert answer.status_code == 422
    (one,) = answer.json()["detail"]
    assert one["loc"] == ["body", "orders"]
    assert "market_type perp does not trade BTC" in one["msg"]
    spoilt = [{**ORDER, "metadata": {"order_terms": {}}}]
    answer = await api.post(ORDERS, json={**TERMS, "orders": spoilt})
    assert answer.status_code == 422
    assert "metadata must not hold 'order_terms'" in answer.text
