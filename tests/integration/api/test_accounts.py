"""Accounts and the attribution of profit over HTTP."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from account_fills import a_fill, charge, make_booking
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import HoldingCost, adjust, book_fills, mark, open_ledger

PNL = "/api/v2/metrics/pnl-attribution"
PARTS = ("selection_pnl", "timing_pnl", "execution_pnl", "cost_pnl", "risk_constraint_pnl")


async def read(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(path if path.startswith("/api") else f"/api/v2{path}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture
async def traded(system: System) -> SubLedger:
    """Two strategies that traded two targets over some hours, with fees, funding and limits."""
    now = system.clock.now()

    def after(hours: float) -> datetime:
        return now + timedelta(hours=hours - 8)

    make = make_booking(system.database)
    async with system.transactions() as stores:
        account = await stores.accounts.open(adapter="paper", venue="coinbase", name="main", currency="USD")
        ledger = await open_ledger(
            stores, account, strategy_id="trend", track="liquid", paper_capital=Decimal(1000), at=now
        )
    other = replace(ledger, strategy_id="event")
    weights = {"BTC-USD": 0.2, "ETH-USD": 0.1}
    bought = await make(
        ledger,
        a_fill("1", "2", "101", fee="0.5", at=after(0.5)),
        est_price="100",
        at=now - timedelta(hours=9),
        weights=weights,
        unconstrained={"BTC-USD": 0.3, "ETH-USD": 0.1},
    )
    short = await make(
        other,
        a_fill("2", "1", "50", at=after(0.7)),
        side=Side.SELL,
        target="ETH-USD",
        at=now,
    )
    sold = await make(
        ledger,
        a_fill("3", "1", "120", fee="0.1", at=after(2.5)),
        side=Side.SELL,
        est_price="121",
        at=now,
    )
    await make(ledger, target="SOL-USD", status="rejected", at=now)
    async with system.transactions() as stores:
        await mark(stores, [ledger], {}, at=after(0))
        await book_fills(stores, bought)
        await book_fills(stores, short)
        await mark(stores, [ledger], {"BTC-USD": Decimal(110)}, at=after(1))
        await charge(stores, other, [HoldingCost("ETH-USD", Decimal("0.25"), "f")], at=now)
        await mark(stores, [other], {"ETH-USD": Decimal(45)}, at=after(2))
        await book_fills(stores, sold)
        await mark(stores, [ledger], {"BTC-USD": Decimal(118)}, at=after(3))
    return ledger


async def test_an_empty_record_answers_with_nothing(api: httpx.AsyncClient) -> None:
    told = await read(api, PNL)
    assert (told["track"], told["lookback_hours"], told["by_target"]) == ("liquid", 168, [])
    assert set(told["totals"].values()) == {0.0}
    assert told["generated_at"].endswith("Z")
    for path in ("/positions", "/fills", "/ledger"):
        assert await read(api, path) == {"items": [], "next_cursor": None}
    assert await read(api, "/accounts") == {"items": []}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"track": "stocks"}, 400),
        ({"lookback_hours": 0}, 422),
        ({"lookback_hours": 8761}, 422),
        ({"track": "vc", "lookback_hours": 8760}, 200),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    api: httpx.AsyncClient, query: dict[str, Any], status: int
) -> None:
    answer = await api.get(PNL, params=query)
    assert answer.status_code == status
    if status == 400:
        assert answer.json() == {"detail": "track must be one of vc, liquid, was 'stocks'"}


async def test_the_parts_are_what_the_ledger_gained(
    api: httpx.AsyncClient, system: System, traded: SubLedger
) -> None:
    """K-25: only what was executed counts, and the parts are the ledger's change."""
    told = await read(api, PNL)
    totals = told["totals"]
    gained = (120 - 101) + (118 - 101) + (50 - 45) - 0.5 - 0.1 - 0.25
    assert totals["ledger_change"] == pytest.approx(gained, abs=1e-8)
    assert totals["net_pnl"] == pytest.approx(gained, abs=1e-8)
    assert abs(totals["residual"]) < 1e-8
    assert sum(totals[part] for part in PARTS) == pytest.approx(totals["net_pnl"], abs=1e-8)
    assert totals["cost_pnl"] == pytest.approx(-0.85)
    assert totals["execution_pnl"] == pytest.approx(-2 - 1)
    assert totals["risk_constraint_pnl"] == pytest.approx(-0.1 * 1017.5 * (118 / 110 - 1))
    assert totals["gross_notional_signed"] == pytest.approx(120 + 50 - 202)
    assert totals["reject_rate"] == 0.25
    by_target = {one["target"]: one for one in told["by_target"]}
    assert list(by_target) == ["BTC-USD", "ETH-USD", "SOL-USD"]
    assert (by_target["SOL-USD"]["orders"], by_target["SOL-USD"]["rejected"]) == (1, 1)
    for part in (*PARTS, "net_pnl"):
        assert sum(one[part] for one in by_target.values()) == pytest.approx(totals[part], abs=1e-8)
    async with system.transactions() as stores:
        await adjust(
            stores, traded, Decimal(3), currency="USD", reason="found at the venue", at=system.clock.now()
        )
    after = (await read(api, PNL))["totals"]
    assert after["residual"] == pytest.approx(3, abs=1e-8)
    assert after["net_pnl"] == pytest.approx(totals["net_pnl"])


async def test_lists_go_on_where_the_page_before_ended(api: httpx.AsyncClient, traded: SubLedger) -> None:
    for path, n in (
        ("/positions", 2),
        ("/fills", 3),
        ("/ledger", 7),
        (f"/accounts/{traded.account_id}/equity", 4),
    ):
        whole = (await read(api, path))["items"]
        assert len(whole) == n, path
        pages, cursor = [], None
        for _ in range(n):
            page = await read(api, path, limit=1, **({} if cursor is None else {"cursor": cursor}))
            pages += page["items"]
            cursor = page["next_cursor"]
        assert pages == whole
        assert cursor is None


async def test_lists_tell_what_is_held_and_what_it_was_worth(
    api: httpx.AsyncClient, traded: SubLedger
) -> None:
    (held,) = (await read(api, "/positions", strategy_id="trend"))["items"]
    assert (held["target"], held["qty"], held["notional"]) == ("BTC-USD", 1.0, 118.0)
    assert (held["realised_pnl"], held["unrealised_pnl"], held["fees"]) == (19.0, 17.0, 0.6)
    newest = (await read(api, f"/accounts/{traded.account_id}/equity", strategy_id="trend"))["items"][0]
    assert newest["equity"] == pytest.approx(1000 + 36 - 0.6)
    assert newest["marks"] == {"BTC-USD": 118.0}
    whole = (await read(api, f"/accounts/{traded.account_id}/equity"))["items"][0]
    assert whole["equity"] == pytest.approx(newest["equity"] + 5 - 0.25)
    (fill,) = (await read(api, "/fills", target="ETH-USD"))["items"]
    assert (fill["side"], fill["venue_trade_id"]) == ("sell", "2")
    assert (await read(api, "/accounts"))["items"][0]["currency"] == "USD"


async def test_an_unknown_account_and_a_cursor_of_nobody_are_refused(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v2/accounts/77/equity")).json() == {"detail": "account 77 not found"}
    for cursor in ("x", "W10=", "é"):
        assert (await api.get("/api/v2/positions", params={"cursor": cursor})).status_code == 422
