"""Transactions commit or roll back as a whole, and PostgreSQL's errors arrive as ours."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.exceptions import ConflictError, DependencyError
from marketsentry.ports import Transactions

INSERT_ENTITY = "INSERT INTO entities (entity_type, name) VALUES ('asset', %(name)s)"


async def names(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await (await connection.execute("SELECT name FROM entities ORDER BY name")).fetchall()
    return [name for (name,) in rows]


async def write_and_fail(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(INSERT_ENTITY, {"name": "lost"})
        raise RuntimeError("half way")


async def test_a_clean_exit_commits_and_an_exception_rolls_back(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(INSERT_ENTITY, {"name": "kept"})
    with pytest.raises(RuntimeError, match="half way"):
        await write_and_fail(database)
    assert await names(database) == ["kept"]


async def test_stores_share_one_transaction_and_are_made_once(transactions: Transactions) -> None:
    async with transactions() as stores:
        assert stores.bars is stores.bars
        assert stores.datasets is not None


async def test_a_broken_rule_is_a_conflict(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(INSERT_ENTITY, {"name": "BTC"})
    with pytest.raises(
        ConflictError, match=r"the record forbids it: duplicate key .*entities_entity_type_name_key"
    ):
        async with database.connection() as connection:
            await connection.execute(INSERT_ENTITY, {"name": "BTC"})


async def test_a_slow_statement_is_ended(database_url: str) -> None:
    async with Database(database_url, statement_timeout_s=0.05) as database:
        with pytest.raises(DependencyError, match=r"statement timeout; see MS_STATEMENT_TIMEOUT_S"):
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(10)")
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_a_schema_that_is_not_there_says_what_to_run(empty_database_url: str) -> None:
    async with Database(empty_database_url) as database:
        with pytest.raises(DependencyError, match="run `ms db upgrade`"):
            await names(database)


async def test_connections_that_the_server_closed_are_replaced(database_url: str) -> None:
    async with Database(database_url, min_connections=3, max_connections=3) as database:
        await names(database)
        with psycopg.connect(database_url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'marketsentry'"
            )
        for _ in range(3):
            assert await names(database) == []


@pytest.mark.parametrize("n_rounds", range(6))
async def test_who_is_cancelled_as_its_connection_comes_ends(database_url: str, n_rounds: int) -> None:
    """The moment moves through every round of the loop between the return of a connection and its next use."""
    async with Database(database_url, max_connections=1) as database:
        asked, held_long = asyncio.Event(), asyncio.Event()

        async def wait_and_hold() -> None:
            asked.set()
            async with database.connection():
                await held_long.wait()

        async with database.connection():
            waiting = asyncio.create_task(wait_and_hold())
            await asked.wait()
            for _ in range(20):  # it waits for the pool now
                await asyncio.sleep(0)
        for _ in range(n_rounds):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=5.0)
        assert waiting.cancelled()
        assert await names(database) == []  # the only connection is there again


async def test_a_closed_pool_is_a_dependency_error(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(DependencyError, match="no connection to PostgreSQL"):
        await names(database)


async def test_who_stops_waits_little_for_a_connection(database_url: str) -> None:
    async with Database(database_url, max_connections=1) as database, database.connection():
        database.hasten()
        with pytest.raises(DependencyError, match=r"no connection to PostgreSQL: .* after 2\.00 sec"):
            await names(database)


async def test_times_come_back_in_utc(database: Database) -> None:
    async with database.connection() as connection:
        row = await (await connection.execute("SELECT '2024-03-01 00:00:00+09'::timestamptz")).fetchone()
    assert row == (datetime(2024, 2, 29, 15, tzinfo=UTC),)
    assert row[0].utcoffset().total_seconds() == 0


def test_a_mistake_in_our_own_statements_stays_a_bug() -> None:
    from marketsentry.adapters.postgres.database import translated_errors

    with pytest.raises(psycopg.errors.SyntaxError), translated_errors():
        raise psycopg.errors.SyntaxError("syntax error")


def test_importing_the_program_opens_no_connection_and_starts_no_engine() -> None:
    """K-85: everything is opened by `open_system`, nothing by an import."""
    code = (
        "import threading, psutil, marketsentry.bootstrap, marketsentry.adapters.postgres.stores\n"
        "me = psutil.Process()\n"
        "assert me.net_connections('all') == [], me.net_connections('all')\n"
        "assert me.children() == []\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
