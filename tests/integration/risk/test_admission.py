"""Once a trigger call has returned no later order is admitted (design D9), on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.postgres.statements import StatementsInTurn
from marketsentry.adapters.postgres.stores import PostgresStores
from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.hard_rules import HardTrigger
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.risk_switch import (
    ManualTrigger,
    hold_switches,
    pull_hard,
    reset_switch,
    trigger_switch,
)

BY = ChangedBy("test")
N_WORKERS = 12
BEFORE_TRIGGER = 3_000
AT_MOST = 12_000


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_connections=N_WORKERS + 4) as opened:
        async with opened.connection() as connection:
            await connection.execute(
                "CREATE TABLE admissions (id bigint GENERATED ALWAYS AS IDENTITY, strategy text)"
            )
        yield opened


async def admit(desk: Database, strategy: str, *, track: str = "liquid") -> bool:
    """Admit one opening as an order path would: switch and order in one transaction."""
    async with desk.connection() as connection:
        (switch,) = await hold_switches(PostgresStores(StatementsInTurn(connection)), [(track, strategy)])
        if switch.triggered:
            return False
        await connection.execute("INSERT INTO admissions (strategy) VALUES (%s)", (strategy,))
        return True


async def n_admitted(desk: Database) -> int:
    async with desk.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM admissions")).fetchone()
    assert row is not None
    return int(row[0])


async def until_waiting(desk: Database, *, n: int) -> None:
    """Poll until `n` sessions wait for an advisory lock."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with asyncio.timeout(20):
        while True:
            async with desk.connection() as connection:
                row = await (await connection.execute(query)).fetchone()
            if row == (n,):
                return
            await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("scope", [GLOBAL, "s1"])
async def test_nothing_commits_after_a_trigger_has_returned(desk: Database, scope: str) -> None:
    admitted = 0
    enough = asyncio.Event()

    async def work(strategy: str) -> int:
        nonlocal admitted
        n_after_refusal = 0
        while admitted < AT_MOST:
            if await admit(desk, strategy):
                admitted += 1
                n_after_refusal += int(refused.is_set())
            else:
                refused.set()
                return n_after_refusal
            if admitted >= BEFORE_TRIGGER:
                enough.set()
        return n_after_refusal

    refused = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work(strategy)) for strategy in ["s1"] * N_WORKERS]
        await enough.wait()
        wanted = ManualTrigger("liquid", scope, "race")
        found = await trigger_switch(wanted, by=BY, transactions=desk.transactions)
        at_return = await n_admitted(desk)
    assert found.triggered
    assert BEFORE_TRIGGER <= at_return < AT_MOST, "the trigger came while admissions were under way"
    assert await n_admitted(desk) == at_return
    assert sum(worker.result() for worker in workers) == 0


async def test_a_trigger_waits_for_the_admission_under_way_and_holds_up_the_next(desk: Database) -> None:
    async with desk.connection() as under_way:
        (switch,) = await hold_switches(PostgresStores(StatementsInTurn(under_way)), [("liquid", "s1")])
        assert not switch.triggered
        wanted = ManualTrigger("liquid", "s1", "stop")
        pulling = asyncio.create_task(trigger_switch(wanted, by=BY, transactions=desk.transactions))
        await until_waiting(desk, n=1)
        late = asyncio.create_task(admit(desk, "s1"))
        await until_waiting(desk, n=2)
        assert not pulling.done()
        assert await admit(desk, "s1", track="vc"), "another track goes on"
        await under_way.execute("INSERT INTO admissions (strategy) VALUES ('under way')")
    assert (await pulling).triggered
    assert await late is False
    assert await n_admitted(desk) == 2


async def test_admissions_do_not_wait_for_each_other_and_budgets_do(desk: Database) -> None:
    """K-44."""
    async with desk.connection() as first, desk.connection() as second:
        one, other = PostgresStores(StatementsInTurn(first)), PostgresStores(StatementsInTurn(second))
        await hold_switches(one, [("liquid", "s1")])
        await hold_switches(other, [("liquid", "s2")])
        await one.risk.lock_budget("liquid")
        waiting = asyncio.create_task(other.risk.lock_budget("liquid"))
        await until_waiting(desk, n=1)
        await other_track(desk)
        assert not waiting.done()
        await first.commit()
        await waiting


async def other_track(desk: Database) -> None:
    async with desk.transactions() as stores:
        await stores.risk.lock_budget("vc")


async def test_triggers_at_once_combine_and_none_is_lost(desk: Database) -> None:
    """K-34: twenty triggers and hard rules of the same scope, in any order."""
    limits = RiskLimits()

    async def hard(rule: Rule) -> None:
        async with desk.transactions() as stores:
            pulled = [HardTrigger("liquid", GLOBAL, (rule,))]
            await pull_hard(stores, pulled, limits=limits, by=BY, metadata={"source": "test"})

    async with asyncio.TaskGroup() as group:
        for n in range(10):
            timed = ManualTrigger("liquid", GLOBAL, f"manual {n}", duration_minutes=n + 1)
            group.create_task(trigger_switch(timed, by=BY, transactions=desk.transactions))
            group.create_task(hard([Rule.DRAWDOWN, Rule.DAILY_LOSS][n % 2]))
    async with desk.transactions() as stores:
        reading = await stores.risk.read_switches(["liquid"], [])
        history = await stores.risk.history("liquid", None, limit=100)
    (row,) = reading.rows
    assert row.until_cleared == {Rule.DRAWDOWN}
    assert row.reason.startswith("manual")
    assert row.expires_at is not None
    assert [one.action for one in history].count("triggered") == 1
    assert 10 <= len(history) <= 20, "an automatic trigger that changed nothing leaves no history"
    await reset_switch("liquid", GLOBAL, reason="done", by=BY, transactions=desk.transactions)
    assert await admit(desk, "s1")


async def test_a_refused_transaction_leaves_no_switch_behind(desk: Database) -> None:
    async def pull_and_fail() -> None:
        async with desk.transactions() as stores:
            pulled = [HardTrigger("liquid", GLOBAL, (Rule.DRAWDOWN,))]
            await pull_hard(stores, pulled, limits=RiskLimits(), by=BY, metadata={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await pull_and_fail()
    async with desk.transactions() as stores:
        assert (await stores.risk.all_switches()).rows == ()
        assert await stores.risk.history("liquid", None, limit=9) == []
