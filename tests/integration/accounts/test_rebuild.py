"""Rows are what the entries add up to, and a row that is not is found."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from account_fills import AT, MakeBooking, a_fill, charge, make_booking
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.account.entries import EntryKind
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import (
    HoldingCost,
    adjust,
    book_fills,
    mark,
    open_ledger,
    pay,
)
from marketsentry.services.rebuild import rebuild_accounts

TARGETS = ("BTC-USD", "ETH-USD")
FEE_CURRENCIES = ("USD", "BTC", "BGB", "a priced BGB")
RATES = {"BGB": Decimal(3), "BTC": Decimal(100), "ETH": Decimal(100)}

fills = st.tuples(
    st.just("fill"),
    st.sampled_from(["trend", "event"]),
    st.sampled_from(TARGETS),
    st.sampled_from(Side),
    st.decimals("0.1", "9", places=3),
    st.decimals("50", "150", places=2),
    st.decimals("0", "0.09", places=4),
    st.sampled_from(FEE_CURRENCIES),
)
marks = st.tuples(
    st.just("mark"),
    st.sampled_from(["trend", "event"]),
    st.decimals("50", "150", places=2),
    st.integers(0, 40_000),
)
payments = st.tuples(
    st.just("pay"), st.sampled_from(["trend", "event"]), st.sampled_from([Decimal(50), Decimal(-7)])
)
funding = st.tuples(
    st.just("fund"),
    st.sampled_from(["trend", "event"]),
    st.sampled_from(TARGETS),
    st.decimals("-2", "2", places=5),
)
steps = st.lists(st.one_of(fills, fills, marks, payments, funding), min_size=1, max_size=25)


async def run(database: Database, make: MakeBooking, account: str, walked: list[tuple[object, ...]]) -> None:
    async with database.transactions() as stores:
        opened = await stores.accounts.open(adapter="paper", venue="coinbase", name=account, currency="USD")
        first = await open_ledger(
            stores, opened, strategy_id="trend", track="liquid", paper_capital=Decimal(1000), at=AT
        )
    at = AT
    for n, step in enumerate(walked):
        at += timedelta(seconds=1)
        match step:
            case ("fill", str(strategy), str(target), Side() as side, *numbers, str(currency)):
                qty, price, fee = map(str, numbers)
                ledger = replace(first, strategy_id=strategy)
                fill = a_fill(f"t{n}", qty, price, fee=fee, fee_currency=currency, at=at)
                if currency == "a priced BGB":
                    worth = fill.fee * RATES["BGB"]
                    fill = replace(fill, fee_currency="BGB", fee_quote=worth)
                booking = await make(ledger, fill, side=side, target=target)
                async with database.transactions() as stores:
                    await book_fills(stores, booking)
            case ("mark", str(strategy), Decimal() as price, int(seconds)):
                at += timedelta(seconds=seconds)
                async with database.transactions() as stores:
                    prices = dict.fromkeys(TARGETS, price) | RATES
                    await mark(stores, [replace(first, strategy_id=strategy)], prices, at=at)
            case ("pay", str(strategy), Decimal() as amount):
                async with database.transactions() as stores:
                    await pay(stores, replace(first, strategy_id=strategy), amount, reference=f"p{n}", at=at)
            case ("fund", str(strategy), str(target), Decimal() as amount):
                async with database.transactions() as stores:
                    cost = HoldingCost(target, amount, f"f{n}")
                    await charge(stores, replace(first, strategy_id=strategy), [cost], at=at)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(walked=steps)
def test_whatever_happened_the_rows_are_what_the_entries_add_up_to(
    database_url: str, walked: list[tuple[object, ...]]
) -> None:
    async def check() -> None:
        async with Database(database_url) as database:
            async with database.transactions() as stores:
                n = len(await stores.accounts.list())
            await run(database, make_booking(database), f"a{n}", walked)
            found = (await rebuild_accounts(transactions=database.transactions))[-1]
        assert found.account.name == f"a{n}"
        assert found.differences == ()

    asyncio.run(check())


CORRUPTIONS = {
    "position": "UPDATE positions SET qty = qty + 1, mark_price = 120",
    "cash": "UPDATE cash_balances SET amount = amount - 0.000000000000000001",
    "trip": "DELETE FROM round_trips",
    "equity": "UPDATE equity_snapshots SET peak_quote = peak_quote - 1",
}


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_a_row_that_was_changed_is_found_and_put_right(
    database: Database, database_url: str, ledger: SubLedger, booking: MakeBooking, what: str
) -> None:
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, a_fill("1", "2", "100", fee="1")))
        await book_fills(stores, await booking(ledger, a_fill("2", "2", "110", fee="1"), side=Side.SELL))
        await book_fills(stores, await booking(ledger, a_fill("3", "1", "105", fee="1")))
        await adjust(stores, ledger, Decimal("-0.5"), currency="USD", reason="the venue's dust", at=AT)
        cost = HoldingCost("BTC-USD", Decimal(1), "b")
        await charge(stores, ledger, [cost], at=AT, kind=EntryKind.BORROW)
        await mark(stores, [ledger], {"BTC-USD": Decimal(120)}, at=AT)
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(CORRUPTIONS[what].encode()).rowcount >= 1
    (found,) = await rebuild_accounts(transactions=database.transactions)
    assert {one.what for one in found.differences} == {what}
    assert not found.is_fixed
    (fixed,) = await rebuild_accounts(transactions=database.transactions, fix=True)
    assert fixed.is_fixed
    (after,) = await rebuild_accounts(transactions=database.transactions)
    assert after.differences == ()
    async with database.transactions() as stores:
        (held,) = await stores.accounts.positions(ledger)
    assert (held.position.qty, held.position.mark_price) == (Decimal(1), Decimal(120))
