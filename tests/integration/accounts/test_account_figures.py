"""Figures for risk read from the ledger: complete, or refused."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from account_fills import AT, CAPITAL, MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import Side
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.positions import Position
from marketsentry.exceptions import DataQualityError, DependencyError
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.risk import AccountState
from marketsentry.services.account_figures import LedgerFigures, read_figures, read_track_figures
from marketsentry.services.ledger import book_fills, mark, open_ledger
from recorded_prices import add_prices

AGE = timedelta(minutes=10)


async def test_an_empty_record_has_nothing_to_lose(database: Database) -> None:
    async with database.transactions() as stores:
        figures = await read_track_figures(
            stores, track="liquid", strategy_id="global", at=AT, max_mark_age=AGE
        )
    assert figures is None


async def test_losses_and_weights_of_a_track_and_the_streak_of_a_strategy(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    other = replace(ledger, strategy_id="event")
    async with database.transactions() as stores:
        await mark(stores, [ledger], {}, at=AT - timedelta(days=1))
        await book_fills(stores, await booking(ledger, a_fill("1", "100", "100")))
        await book_fills(stores, await booking(other, a_fill("2", "10", "100"), target="ETH-USD"))
        lost = await booking(other, a_fill("3", "10", "90"), side=Side.SELL, target="ETH-USD")
        await book_fills(stores, lost)
        await booking(ledger, target="SOL-USD", est_price="50", status="executing", side=Side.SELL)
        await mark(stores, [ledger], {"BTC-USD": Decimal(50)}, at=AT)
        asked = {"track": "liquid", "at": AT + AGE, "max_mark_age": AGE}
        trend = await read_track_figures(stores, strategy_id="trend", **asked)
        event = await read_track_figures(stores, strategy_id="event", **asked)
        whole = await read_track_figures(stores, strategy_id="global", **asked)
        alone = await read_figures(stores, other, at=AT, max_mark_age=AGE)
    assert trend is not None
    assert event is not None
    assert whole is not None
    worth = CAPITAL - 100 * 50 - 100
    assert whole.equity_quote == worth
    assert whole.drawdown_frac == whole.daily_loss_frac == 1 - worth / CAPITAL
    assert whole.held == {"BTC-USD": 5000 / worth}
    assert whole.weights == {"BTC-USD": 5000 / worth, "SOL-USD": -50 / worth}
    assert (trend.losing_streak, event.losing_streak, whole.losing_streak) == (0, 1, 1)
    assert alone.equity_quote == -100
    assert alone.drawdown_frac == 1


async def test_what_is_on_its_way_counts_at_the_market_where_its_estimate_is_low(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    await add_prices(database, "SOL-USD", 70.0, until=AT)
    async with database.transactions() as stores:
        await booking(ledger, target="SOL-USD", est_price="0.01", status="executing", side=Side.SELL)
        await booking(ledger, target="ADA-USD", est_price="3", status="executing")
        await mark(stores, [ledger], {}, at=AT)
        told = await read_track_figures(stores, track="liquid", strategy_id="global", at=AT, max_mark_age=AGE)
    assert told is not None
    assert told.weights == {"SOL-USD": -70 / CAPITAL, "ADA-USD": 3 / CAPITAL}


async def test_an_old_price_stops_the_figures(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, a_fill("1", "1", "100")))
        with pytest.raises(DataQualityError, match="the mark of BTC-USD must be at most"):
            await read_figures(stores, ledger, at=AT + AGE + timedelta(seconds=1), max_mark_age=AGE)


async def test_paper_losses_do_not_count_beside_an_account_with_money(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    async with database.transactions() as stores:
        await book_fills(stores, await booking(ledger, a_fill("1", "100", "100")))
        account = await stores.accounts.open(
            adapter="coinbase_live", venue="coinbase", name="main", currency="USD"
        )
        live = await open_ledger(
            stores, account, strategy_id="trend", track="liquid", paper_capital=CAPITAL, at=AT
        )
    sold = await booking(live, a_fill("9", "1", "10"), target="ETH-USD", side=Side.SELL)
    async with database.transactions() as stores:
        await book_fills(stores, sold)
        asked = {"track": "liquid", "strategy_id": "trend", "at": AT, "max_mark_age": AGE}
        with pytest.raises(DataQualityError, match="equity must be > 0"):
            await read_track_figures(stores, **asked)
        figures = await read_track_figures(stores, account_id=ledger.account_id, **asked)
    assert figures is not None
    assert figures.held == {"BTC-USD": Decimal("0.1")}


async def test_risk_reads_the_ledger_and_is_told_when_it_cannot(
    system: System, booking: MakeBooking, ledger: SubLedger
) -> None:
    now = system.clock.now()
    bought = await booking(ledger, a_fill("1", "100", "100", at=now))
    figures = LedgerFigures(system.clock, AGE)
    async with system.transactions() as stores:
        assert await figures(stores, track="vc", strategy_id="global") == AccountState(LossFigures(), ())
        await book_fills(stores, bought)
        state = await figures(stores, track="liquid", strategy_id="trend")
    assert state == AccountState(LossFigures(), (Position("BTC-USD", 0.1, "liquid"),))
    old = LedgerFigures(system.clock, timedelta(0))
    async with system.transactions() as stores:
        with pytest.raises(DependencyError, match="the ledger of liquid cannot be read: the mark of BTC-USD"):
            await old(stores, track="liquid", strategy_id="trend")


async def test_a_later_price_of_the_record_is_the_mark(
    database: Database, ledger: SubLedger, booking: MakeBooking
) -> None:
    bought = await booking(ledger, a_fill("1", "100", "100"))
    later = AT + timedelta(hours=1)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO prices (symbol, price, timestamp, source, known_at) "
            "VALUES ('BTC-USD', 90, %(at)s, 'coinbase_spot', %(at)s)",
            {"at": later},
        )
    async with database.transactions() as stores:
        await book_fills(stores, bought)
        figures = await read_figures(stores, ledger, at=later, max_mark_age=AGE)
    assert figures.equity_quote == CAPITAL - 1000
    assert figures.oldest_mark_at == later
