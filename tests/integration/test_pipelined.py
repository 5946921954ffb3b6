"""Transactions send ahead: they are one, and their errors are told at the next read or at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.postgres.pipelined import PipelinedConnection, PipelinedStatements
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
    with pytest.raises(ConflictError, match="violates foreign key"):
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


async def test_values_come_back_as_they_were_given_in_text_and_in_binary(database_url: str) -> None:
    given = {
        "number": 7,
        "wide": 2**40,
        "part": 0.1,
        "money": Decimal("0.10"),
        "name": "50%",
        "at": AT,
        "is_set": True,
        "names": ["a", None],
        "numbers": [1, 2**40],
        "nothing": None,
    }
    query = """
        SELECT %(number)s::int AS number, %(wide)s::bigint AS wide, %(part)s::float8 AS part,
               %(money)s::numeric AS money, %(name)s::text AS name, %(at)s::timestamptz AS at,
               %(is_set)s::boolean AS is_set,
               %(names)s::text[] AS names, %(numbers)s::bigint[] AS numbers, %(nothing)s::text AS nothing,
               '100%%' AS percent, %(number)s + 1 AS again
    """
    wanted = {**given, "percent": "100%", "again": 8}
    async with opened(database_url) as statements:
        for is_binary in (False, True, False):
            assert await statements.rows(query, given, is_binary=is_binary) == [wanted]
            assert await statements.tuples(query, given, is_binary=is_binary) == [tuple(wanted.values())]
        assert await statements.row("SELECT 1 WHERE false") is None
        assert await statements.tuples("SELECT '100%' AS percent") == [("100%",)]


async def test_a_statement_is_prepared_once_for_a_connection(database_url: str) -> None:
    query = "SELECT %(n)s::bigint AS n"
    named = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::bigint AS n%'"
    async with await PipelinedConnection.connect(database_url) as connection:
        for n in (1, 2**40, 1, -1):
            async with connection.sent_ahead() as statements:
                assert [await statements.row(query, {"n": n}) for _ in range(2)] == [{"n": n}] * 2
        async with connection.sent_ahead() as statements:
            assert await statements.row(named) == {"n": 1}


async def test_a_statement_that_does_not_parse_is_told_and_not_remembered(database_url: str) -> None:
    async with await PipelinedConnection.connect(database_url) as connection:
        for _ in range(2):
            with pytest.raises(psycopg.errors.UndefinedColumn):
                async with connection.sent_ahead() as statements:
                    await statements.rows("SELECT nobody")
        async with connection.sent_ahead() as statements:
            assert await statements.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_a_statement_outlives_the_shape_of_its_table(database_url: str) -> None:
    query = "SELECT * FROM shapes"
    async with await PipelinedConnection.connect(database_url) as connection:
        async with connection.sent_ahead() as statements:
            await statements.send("CREATE TABLE shapes AS SELECT 1 AS one")
            assert await statements.rows(query) == [{"one": 1}]
        async with connection.sent_ahead() as statements:
            await statements.send("ALTER TABLE shapes ADD two int DEFAULT 2")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            async with connection.sent_ahead() as statements:
                await statements.rows(query)
        async with connection.sent_ahead() as statements:
            assert await statements.rows(query) == [{"one": 1, "two": 2}]


async def test_more_than_the_socket_holds_goes_both_ways(database_url: str) -> None:
    text = "x" * 8_000_000
    async with opened(database_url) as statements:
        found = await together(
            *(
                statements.tuples("SELECT %(text)s::text || %(n)s::text", {"text": text, "n": n})
                for n in range(3)
            )
        )
    assert [rows[0][0] for rows in found] == [text + str(n) for n in range(3)]


async def test_rows_that_were_changed_are_counted_before_and_after_a_copy(database_url: str) -> None:
    async with opened(database_url) as statements:
        await statements.send("CREATE TEMPORARY TABLE numbers (n int PRIMARY KEY)")
        assert await statements.count("INSERT INTO numbers VALUES (1), (2)") == 2
        async with statements.copy("COPY numbers FROM STDIN") as copy:
            await copy.write(b"3\n4\n")
        assert await statements.count("DELETE FROM numbers WHERE n > %(n)s", {"n": 1}) == 3
        assert await statements.rows("SELECT n FROM numbers") == [{"n": 1}]


async def test_a_copy_that_fails_leaves_a_connection_as_good_as_new(database_url: str) -> None:
    async with await PipelinedConnection.connect(database_url) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            await copy_twice_the_same(connection)
        async with connection.sent_ahead() as statements:
            assert await statements.rows("SELECT to_regclass('numbers') AS found") == [{"found": None}]


async def test_what_was_never_read_is_still_told_at_the_commit(database_url: str) -> None:
    async with await PipelinedConnection.connect(database_url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with connection.sent_ahead() as statements:
                await statements.send("SELECT 1 / 0")
        async with connection.sent_ahead() as statements:
            assert await statements.tuples("SELECT 1") == [(1,)]


async def test_an_empty_transaction_says_nothing(database_url: str) -> None:
    async with await PipelinedConnection.connect(database_url) as connection, connection.sent_ahead():
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


async def copy_twice_the_same(connection: PipelinedConnection) -> None:
    async with connection.sent_ahead() as statements:
        await statements.send("CREATE TEMPORARY TABLE numbers (n int PRIMARY KEY)")
        async with statements.copy("COPY numbers FROM STDIN") as copy:
            await copy.write(b"3\n3\n")


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[PipelinedStatements]:
    async with (
        await PipelinedConnection.connect(database_url) as connection,
        connection.sent_ahead() as statements,
    ):
        yield statements


async def test_lists_come_back_as_they_were_given(database_url: str) -> None:
    texts = [
        "",
        "NULL",
        None,
        "a b",
        'say "x"',
        "back\\slash",
        "{curly}",
        "comma,",
        "line\nend",
        "é€𝄞",
        "%(a)s",
        "'",
    ]
    given = {
        "texts": texts,
        "numbers": [0, -1, 2**62, None],
        "parts": [0.1, -1e-300, float("inf"), None],
        "money": [Decimal("0.10"), Decimal("1E-8"), None],
        "times": [AT, None],
        "flags": [True, False, None],
        "nothing": [],
    }
    query = """
        SELECT %(texts)s::text[] AS texts, %(numbers)s::bigint[] AS numbers, %(parts)s::float8[] AS parts,
               %(money)s::numeric[] AS money, %(times)s::timestamptz[] AS times, %(flags)s::boolean[] AS flags,
               %(nothing)s::text[] AS nothing
    """
    async with opened(database_url) as statements:
        assert await statements.rows(query, given) == [given]
        (notes,) = await statements.tuples(
            "SELECT (%(notes)s::jsonb[])[1]", {"notes": [Jsonb({"a": 'say "x\\y"'})]}
        )
    assert notes == ({"a": 'say "x\\y"'},)


async def test_reads_that_are_begun_together_travel_together(database_url: str) -> None:
    async with opened(database_url) as statements:

        async def told() -> datetime:
            """When the transaction began, which without BEGIN is that of one message."""
            return (await statements.tuples("SELECT now()"))[0][0]

        first, (second, third), fourth = await together(told(), together(told(), told()), told())
        assert first == second == third == fourth
        assert await told() < await told()


async def test_what_is_written_begins_a_transaction_that_later_reads_are_in(database_url: str) -> None:
    async with opened(database_url) as statements:
        await statements.send("CREATE TEMPORARY TABLE numbers (n int)")
        first = await statements.tuples("SELECT now()")
        assert await statements.tuples("SELECT now()") == first
