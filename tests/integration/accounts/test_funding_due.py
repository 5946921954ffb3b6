"""A payment belongs to who held the position at the hour, whatever was traded until it was written."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from account_fills import AT, MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import Account, SubLedger
from marketsentry.ports.venue import FundingPayment
from marketsentry.services.funding import book_funding
from marketsentry.services.ledger import book_fills

TARGET = "BTC-PERP"
HOUR = AT + timedelta(hours=4)


class Stub:
    """Clock, venues and venue in one: it tells its payments."""

    def __init__(self, *payments: FundingPayment) -> None:
        self.payments = payments
        self.asked: list[datetime] = []

    def now(self) -> datetime:
        return HOUR + timedelta(minutes=1)

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Any:
        return self

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        self.asked.append(since)
        return [one for one in self.payments if one.at >= since]


@pytest.fixture
async def account(database: Database) -> Account:
    async with database.transactions() as stores:
        return await stores.accounts.open(adapter="bitget_live", venue="bitget", name="main", currency="USDT")


async def funding_of(database: Database, account: Account) -> dict[str, Decimal]:
    async with database.transactions() as stores:
        found = await stores.accounts.positions(SubLedger(account.id, "global", "liquid"))
    return {one.ledger.strategy_id: one.position.funding_quote for one in found}


async def book(database: Database, stub: Stub) -> int:
    return await book_funding(transactions=database.transactions, venues=stub, clock=stub)


async def test_who_held_at_the_hour_pays(database: Database, account: Account, booking: MakeBooking) -> None:
    early, late = SubLedger(account.id, "early", "liquid"), SubLedger(account.id, "late", "liquid")
    before, after = HOUR - timedelta(minutes=5), HOUR + timedelta(seconds=3)
    trades = [
        (early, Side.BUY, a_fill("1", "2", "100", fee_currency="USDT", at=before)),
        (early, Side.SELL, a_fill("2", "2", "100", fee_currency="USDT", at=after)),
        (late, Side.BUY, a_fill("3", "7", "100", fee_currency="USDT", at=after)),
    ]
    async with database.transactions() as stores:
        for ledger, side, fill in trades:
            await book_fills(stores, await booking(ledger, fill, side=side, target=TARGET))
    stub = Stub(FundingPayment(TARGET, "77", Decimal("-0.02"), "USDT", HOUR + timedelta(seconds=20)))
    assert await book(database, stub) == 1
    assert await funding_of(database, account) == {"early": Decimal("0.02"), "late": Decimal(0)}
    assert await book(database, stub) == 0
    assert stub.asked == [before - timedelta(hours=1), HOUR + timedelta(seconds=20) - timedelta(hours=1)]


async def test_who_opened_just_after_the_hour_and_was_charged_pays(
    database: Database, account: Account, booking: MakeBooking
) -> None:
    ledger = SubLedger(account.id, "late", "liquid")
    fill = a_fill("1", "7", "100", fee_currency="USDT", at=HOUR + timedelta(seconds=3))
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, fill, target=TARGET))
    stub = Stub(FundingPayment(TARGET, "78", Decimal("0.07"), "USDT", HOUR + timedelta(seconds=20)))
    assert await book(database, stub) == 1
    assert await funding_of(database, account) == {"late": Decimal("-0.07")}


async def test_a_venue_is_not_asked_before_anything_was_traded(database: Database, account: Account) -> None:
    stub = Stub(FundingPayment(TARGET, "79", Decimal(1), "USDT", HOUR))
    assert await book(database, stub) == 0
    assert stub.asked == []
