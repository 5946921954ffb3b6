"""What is booked, once, and what it adds up to."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from account_fills import AT, CAPITAL, MakeBooking, a_fill, charge
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import Side
from marketsentry.exceptions import ConflictError, DataQualityError, InputError, NotFoundError
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

SPOT = "BTC-USD"


async def cash_of(database: Database, ledger: SubLedger, currency: str = "USD") -> Decimal:
    async with database.transactions() as stores:
        cash = await stores.accounts.cash(ledger)
    return cash[currency]


async def count(database: Database, table: str) -> int:
    statements = {
        "fills": b"SELECT count(*) FROM fills",
        "ledger_entries": b"SELECT count(*) FROM ledger_entries",
        "positions": b"SELECT count(*) FROM positions",
        "cash_balances": b"SELECT count(*) FROM cash_balances",
    }
    async with database.connection() as connection:
        row = await (await connection.execute(statements[table])).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_paper_strategy_begins_with_its_capital_once(database: Database, ledger: SubLedger) -> None:
    async with database.transactions() as stores:
        account = await stores.accounts.open(adapter="paper", venue="coinbase", name="main", currency="USD")
        again = await open_ledger(
            stores, account, strategy_id="trend", track="liquid", paper_capital=Decimal(7), at=AT
        )
        other = await open_ledger(
            stores, account, strategy_id="event", track="liquid", paper_capital=Decimal(7), at=AT
        )
        assert list(await stores.accounts.sub_ledgers(track="liquid")) == [other, ledger]
    assert again == ledger
    assert await cash_of(database, ledger) == CAPITAL
    assert await cash_of(database, other) == 7


async def test_a_live_account_begins_with_nothing(database: Database) -> None:
    async with database.transactions() as stores:
        account = await stores.accounts.open(
            adapter="coinbase_live", venue="coinbase", name="main", currency="USD"
        )
        ledger = await open_ledger(
            stores, account, strategy_id="trend", track="liquid", paper_capital=CAPITAL, at=AT
        )
        assert await stores.accounts.cash(ledger) == {}


async def test_an_account_keeps_its_currency(database: Database, ledger: SubLedger) -> None:
    with pytest.raises(
        ConflictError, match="account main of paper at coinbase is in USD, was asked for in EUR"
    ):
        async with database.transactions() as stores:
            await stores.accounts.open(adapter="paper", venue="coinbase", name="main", currency="EUR")


async def test_fills_move_position_and_cash_and_are_written_as_entries(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100", fee="0.2"), a_fill("2", "1", "130.00", fee="0.13"))
    sold = await booking(ledger, a_fill("3", "1", "140", fee="0.14"), side=Side.SELL)
    async with database.transactions() as stores:
        await book_fills(stores, bought)
    async with database.transactions() as stores:
        booked = await book_fills(stores, sold)
        (held,) = await stores.accounts.positions(ledger)
    assert booked.position == held.position
    assert (held.position.qty, held.position.average_price) == (Decimal(2), Decimal(110))
    assert (held.position.realised_quote, held.position.fee_quote) == (Decimal(30), Decimal("0.47"))
    assert await cash_of(database, ledger) == CAPITAL - 330 + 140 - Decimal("0.47")
    assert await count(database, "fills") == 3
    assert await count(database, "ledger_entries") == 1 + 6


async def test_a_fee_in_kind_takes_from_the_position_and_not_from_cash(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "1", "100", fee="0.001", fee_currency="BTC"))
    async with database.transactions() as stores:
        booked = await book_fills(stores, bought)
    assert (booked.position.qty, booked.position.fee_quote) == (Decimal("0.999"), Decimal("0.1"))
    assert await cash_of(database, ledger) == CAPITAL - 100


async def test_a_fee_in_a_third_currency_has_no_worth_until_it_has_a_rate(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "1", "100", fee="0.5", fee_currency="BGB"))
    async with database.transactions() as stores:
        await book_fills(stores, bought)
    assert await cash_of(database, ledger, "BGB") == Decimal("-0.5")
    with pytest.raises(DataQualityError, match="no price of BGB"):
        async with database.transactions() as stores:
            await mark(stores, [ledger], {SPOT: Decimal(100)}, at=AT)
    async with database.transactions() as stores:
        taken = (await mark(stores, [ledger], {SPOT: Decimal(100), "BGB": Decimal(4)}, at=AT))[ledger].mark
    assert taken.equity.equity_quote == CAPITAL - 2


async def test_a_fee_in_a_third_currency_costs_the_strategy_what_it_is_worth(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(
        ledger, a_fill("1", "1", "100", fee="0.5", fee_currency="BGB", fee_quote="2"), target=SPOT
    )
    async with database.transactions() as stores:
        account = await stores.accounts.get(ledger.account_id)
        booked = await book_fills(stores, bought)
        taken = (await mark(stores, [ledger], {SPOT: Decimal(100)}, at=AT))[ledger].mark
        advanced = await stores.accounts.cash(account.fee_coins)
    assert (booked.position.fee_quote, taken.equity.equity_quote) == (2, CAPITAL - 2)
    assert await cash_of(database, ledger) == CAPITAL - 102
    assert advanced == {"BGB": Decimal("-0.5"), "USD": 2}
    async with database.transactions() as stores:
        assert (await book_fills(stores, bought)).new_fills == ()
        assert await stores.accounts.cash(account.fee_coins) == advanced
    (checked,) = await rebuild_accounts(transactions=database.transactions)
    assert checked.differences == ()


@pytest.mark.parametrize("name", ["global", "fee-coins"])
async def test_a_strategy_has_a_name_of_its_own(database: Database, ledger: SubLedger, name: str) -> None:
    async with database.transactions() as stores:
        account = await stores.accounts.get(ledger.account_id)
        with pytest.raises(InputError, match=f"strategy_id must not be {name}"):
            await open_ledger(stores, account, strategy_id=name, track="liquid", paper_capital=CAPITAL, at=AT)


async def test_fifty_bookings_of_one_fill_at_once_book_it_once(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100", fee="0.2"), a_fill("2", "1", "100", fee="0.1"))

    async def book(n: int) -> int:
        one = replace(bought, fills=bought.fills[n % 2 :] if n % 3 else bought.fills[::-1])
        async with database.transactions() as stores:
            return len((await book_fills(stores, one)).new_fills)

    news = await asyncio.gather(*(book(n) for n in range(50)))
    assert sum(news) == 2
    async with database.transactions() as stores:
        (held,) = await stores.accounts.positions(ledger)
    assert held.position.qty == 3
    assert await cash_of(database, ledger) == CAPITAL - 300 - Decimal("0.3")


async def test_bookings_of_many_orders_at_once_lose_nothing(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bookings = [await booking(ledger, a_fill(str(n), "0.1", "100")) for n in range(20)]

    async def book(n: int) -> None:
        async with database.transactions() as stores:
            await book_fills(stores, bookings[n])

    await asyncio.gather(*(book(n) for n in range(20)))
    async with database.transactions() as stores:
        (held,) = await stores.accounts.positions(ledger)
    assert held.position.qty == 2
    assert await cash_of(database, ledger) == CAPITAL - 200


async def test_a_transaction_that_ends_badly_leaves_nothing_of_a_booking(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100", fee="0.2"))

    async def crash() -> None:
        async with database.transactions() as stores:
            await book_fills(stores, bought)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash()
    assert await count(database, "fills") == await count(database, "positions") == 0
    assert await cash_of(database, ledger) == CAPITAL
    async with database.transactions() as stores:
        assert len((await book_fills(stores, bought)).new_fills) == 1


async def test_a_booking_of_an_unknown_account_is_refused(
    ledger: SubLedger, booking: MakeBooking, database: Database
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100"))
    with pytest.raises(NotFoundError, match="account 9999 not found"):
        async with database.transactions() as stores:
            await book_fills(stores, replace(bought, ledger=SubLedger(9999, "trend", "liquid")))


async def test_payments_and_funding_are_written_once(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100"))
    for is_first in (True, False):
        async with database.transactions() as stores:
            await book_fills(stores, bought)
            assert await pay(stores, ledger, Decimal(50), reference="wire 1", at=AT) is is_first
            assert await pay(stores, ledger, Decimal(-20), reference="wire 1", at=AT) is is_first
            await charge(stores, ledger, [HoldingCost(SPOT, Decimal("0.75"), "f1")], at=AT)
            await adjust(stores, ledger, Decimal("0.01"), currency="USD", reason="dust of the venue", at=AT)
            (held,) = await stores.accounts.positions(ledger)
        assert held.position.funding_quote == Decimal("0.75")
    assert await cash_of(database, ledger) == CAPITAL - 200 + 30 - Decimal("0.75") + Decimal("0.01")


async def test_marks_make_equity_and_a_payment_is_no_gain(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100"))
    async with database.transactions() as stores:
        first = (await mark(stores, [ledger], {}, at=AT))[ledger].mark
        await book_fills(stores, bought)
        await pay(stores, ledger, Decimal(1000), reference="wire", at=AT)
        second = (await mark(stores, [ledger], {SPOT: Decimal(90)}, at=AT))[ledger].mark
    assert (first.equity.equity_quote, first.gross_quote) == (CAPITAL, Decimal(0))
    assert second.equity.at == AT + timedelta(microseconds=1)
    assert second.equity.equity_quote == CAPITAL + 1000 - 20
    assert second.equity.peak_quote == second.equity.day_start_quote == CAPITAL + 1000
    assert (second.gross_quote, second.marks) == (Decimal(180), {SPOT: Decimal(90)})
    async with database.transactions() as stores:
        assert await stores.accounts.newest_mark(ledger) == second
        assert await stores.accounts.newest_mark(ledger, before=AT) == first
        (state,) = await stores.accounts.states([ledger], trips_since=AT, max_trips=9)
        assert state.flows == {}
        whole = await stores.accounts.newest_mark(ledger.whole)
        (held,) = await stores.accounts.positions(ledger)
    assert held.position.unrealised_quote == -20
    assert whole == second


async def test_the_price_of_a_fill_is_the_first_mark(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "2", "100"))
    later = await booking(ledger, a_fill("2", "1", "105", at=AT - timedelta(hours=1)))
    async with database.transactions() as stores:
        await book_fills(stores, bought)
        booked = await book_fills(stores, later)
    assert booked.position.mark_price == 100
    assert booked.position.marked_at == AT


async def test_a_price_marks_as_of_its_own_time(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    """K-38: a price that stands still grows old, whenever it is read, and never covers a later one."""
    bought = await booking(ledger, a_fill("1", "2", "100"))
    async with database.transactions() as stores:
        await book_fills(stores, bought)
    for age_h, price, expected in ((1, 90, (100, AT)), (-1, 110, (110, AT + timedelta(hours=1)))):
        read_at, true_at = AT + timedelta(hours=3), AT - timedelta(hours=age_h)
        async with database.transactions() as stores:
            told = {SPOT: Decimal(price)}
            marked = await mark(stores, [ledger], told, at=read_at, marked_at={SPOT: true_at})
            (held,) = await stores.accounts.positions(ledger)
        assert (held.position.mark_price, held.position.marked_at) == expected
        assert marked[ledger].state.positions == (held,)
        assert marked[ledger].mark.marks == {SPOT: Decimal(expected[0])}


async def test_round_trips_are_kept_with_what_they_gained(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, a_fill("1", "2", "100", fee="1")))
        await book_fills(stores, await booking(ledger, a_fill("2", "3", "101", fee="3"), side=Side.SELL))
        await book_fills(stores, await booking(ledger, a_fill("3", "1", "90", fee="1")))
        trips = await stores.accounts.trips(ledger, since=AT, limit=10)
        assert await stores.accounts.trips(ledger, since=AT + timedelta(seconds=1), limit=10) == []
        (held,) = await stores.accounts.positions(ledger)
    assert [trip.gain_quote for trip in trips] == [11 - 1 - 1, 2 - 1 - 2]
    assert (held.position.qty, held.position.losing_streak, held.position.n_trips) == (Decimal(0), 0, 2)


async def test_the_whole_track_is_the_sum_over_its_strategies(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    other = replace(ledger, strategy_id="event")
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, a_fill("1", "2", "100")))
        await book_fills(stores, await booking(other, a_fill("2", "1", "100"), side=Side.SELL))
        await pay(stores, other, Decimal(1000), reference="wire", at=AT)
        mine = (await mark(stores, [ledger], {SPOT: Decimal(80)}, at=AT))[ledger].mark
        whole = await stores.accounts.newest_mark(ledger.whole)
        assert await stores.accounts.newest_mark(other) is None
        theirs = (await mark(stores, [other], {}, at=AT))[other].mark
    assert whole is not None
    assert mine.equity.equity_quote == CAPITAL - 40
    assert theirs.equity.equity_quote == 1020
    assert whole.equity.equity_quote == CAPITAL + 1000 - 20
    assert whole.equity.peak_quote == CAPITAL + 1000
    assert whole.gross_quote == 80


async def test_strategies_share_an_account_and_not_a_position(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    other = replace(ledger, strategy_id="event")
    mine = await booking(ledger, a_fill("1", "2", "100"))
    theirs = await booking(other, a_fill("2", "3", "100"), side=Side.SELL)
    async with database.transactions() as stores:
        await book_fills(stores, mine)
        await book_fills(stores, theirs)
        held = await stores.accounts.positions(ledger.whole)
    assert [(one.ledger.strategy_id, one.position.qty) for one in held] == [
        ("event", Decimal(-3)),
        ("trend", Decimal(2)),
    ]
    assert await cash_of(database, other) == 300
