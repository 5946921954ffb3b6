"""Transactions send ahead: they are one, and their errors are told at the next read or at the end."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.core.market.bars import BarSeries
from marketsentry.exceptions import ConflictError, DependencyError, NotFoundError
from marketsentry.ports.decisions import BookEntry, Decision, DecisionSource
from marketsentry.ports.together import together
from small_market import random_series

AT = datetime(2026, 3, 1, tzinfo=UTC)
BOOK = [BookEntry("BTC", "liquid", 0.5)]


def decision(name: str) -> Decision:
    return Decision(name, "liquid", "s1", DecisionSource.ORDERS, as_of=AT, is_approved=True)


async def decisions(database: Database) -> list[str]:
    query = "SELECT decision_id FROM decisions ORDER BY decision_id"
    async with database.connection() as connection:
        return [name for (name,) in await (await connection.execute(query)).fetchall()]


async def fail_after_a_write(database: Database) -> None:
    async with database.transactions() as stores:
        await stores.decisions.add_book("d1", BOOK)
        raise RuntimeError("half way")


async def read_after_a_bad_write(database: Database) -> None:
    async with database.transactions() as stores:
        await stores.decisions.add(decision("d1"))
        await stores.decisions.add_book("nobody", BOOK)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            await stores.decisions.get("d1")
        await stores.decisions.add(decision("d3"))


async def write_badly(database: Database) -> None:
    async with database.transactions() as stores:
        await stores.decisions.add(decision("d1"))
        await stores.decisions.add_book("nobody", BOOK)


async def lose_the_connection(database: Database, database_url: str) -> None:
    async with database.transactions() as stores:
        await stores.decisions.add(decision("lost"))
        with psycopg.connect(database_url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'marketsentry'"
            )
        await stores.decisions.get("lost")


async def test_it_commits_as_a_whole_or_not_at_all(database: Database) -> None:
    async with database.transactions() as stores:
        await stores.decisions.add(decision("d1"))
        await stores.decisions.add_book("d1", BOOK)
    with pytest.raises(RuntimeError, match="half way"):
        await fail_after_a_write(database)
    async with database.transactions() as stores:
        assert [one.weight for one in await stores.decisions.book("d1")] == [0.5]


async def test_a_write_that_fails_is_told_at_the_end_and_takes_all_with_it(database: Database) -> None:
    with pytest.raises(ConflictError, match="violates foreign key"):
        await write_badly(database)
    assert await decisions(database) == []
    async with database.transactions() as stores:  # the connection is as good as new
        await stores.decisions.add(decision("d2"))
    assert await decisions(database) == ["d2"]


async def test_nothing_commits_after_an_error_that_somebody_caught(database: Database) -> None:
    with pytest.raises(DependencyError):
        await read_after_a_bad_write(database)
    assert await decisions(database) == []


async def test_bars_are_copied_in_a_transaction_that_has_written(database: Database) -> None:
    series = random_series("BTC", seed=3, n_bars=5)
    async with database.transactions() as stores:
        await stores.decisions.add(decision("d1"))
        await stores.decisions.add_book("d1", BOOK)
        await stores.bars.merge(series)
        await stores.decisions.add(decision("d2"))
    assert await decisions(database) == ["d1", "d2"]
    async with database.transactions() as stores:
        assert (
            await stores.bars.last_bars("BTC", series.interval, 9)
        ).ts_ns.tolist() == series.ts_ns.tolist()


async def test_reads_begun_together_answer_in_their_order(database: Database) -> None:
    async with database.transactions() as stores:
        account = await stores.accounts.open(adapter="paper", venue="v", name="main", currency="USD")
        added, found, held = await together(
            stores.decisions.add(decision("d1")),
            stores.decisions.get("d1"),
            stores.orders.open(account_id=account.id),
        )
    assert (added.is_new, found.decision_id, list(held)) == (True, "d1", [])


async def test_the_first_failure_is_told_once_all_have_ended(database: Database) -> None:
    ended = []

    async def late() -> Decimal:
        await asyncio.sleep(0)
        ended.append("late")
        return Decimal(1)

    async with database.transactions() as stores:
        with pytest.raises(NotFoundError, match="decision not found"):
            await together(stores.decisions.get("d1"), late())
        assert ended == ["late"]
        await stores.decisions.add(decision("d1"))
    assert await decisions(database) == ["d1"]


async def test_a_cancelled_transaction_leaves_nothing_and_gives_its_connection_back(
    database_url: str,
) -> None:
    async with Database(database_url, min_connections=1, max_connections=1) as database:
        entered = asyncio.Event()

        async def slow() -> None:
            async with database.transactions() as stores:
                await stores.decisions.add(decision("lost"))
                entered.set()
                await stores.risk.lock_switch_for_change("liquid")
                await stores.decisions.get("lost")  # waits for the lock

        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SELECT pg_advisory_xact_lock(1297306451, hashtext('liquid'))")
            task = asyncio.create_task(slow())
            await entered.wait()
            await asyncio.wait({task}, timeout=0.1)
            task.cancel()
            with pytest.raises((asyncio.CancelledError, DependencyError)):
                await task
        assert await decisions(database) == []


async def test_a_connection_that_dies_under_a_transaction_is_a_dependency_error(database_url: str) -> None:
    async with Database(database_url, min_connections=1, max_connections=1) as database:
        with pytest.raises(DependencyError, match="PostgreSQL failed"):
            await lose_the_connection(database, database_url)
        assert await decisions(database) == []


async def test_a_copy_that_is_cancelled_leaves_nothing(database_url: str) -> None:
    series = random_series("BTC", seed=3, n_bars=20_000)
    async with Database(database_url, min_connections=1, max_connections=1) as database:
        for pause_s in (0.0, 0.002, 0.01, 0.03):
            task = asyncio.create_task(merge(database, series))
            await asyncio.wait({task}, timeout=pause_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with database.transactions() as stores:
                assert await stores.bars.all_series() == ()


async def merge(database: Database, series: BarSeries) -> None:
    async with database.transactions() as stores:
        await stores.bars.merge(series)
        await asyncio.sleep(60)
