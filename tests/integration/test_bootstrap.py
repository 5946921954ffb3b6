"""The whole system opens on real engines, and keeps its own engines alive."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from marketsentry.bootstrap import System, open_system
from marketsentry.exceptions import DependencyError
from marketsentry.settings import Settings


async def test_a_system_answers_on_both_engines(system: System) -> None:
    async with system.database.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM market_bars")).fetchone()
    assert row == (0,)
    assert await system.redis.ping() is True
    assert system.engine_env()["DATABASE_URL"] == system.engines.database_url


async def test_a_killed_postgres_is_revived_and_nothing_committed_is_lost(tmp_path: Path) -> None:
    async with open_system(Settings(home=tmp_path / "home")) as system:
        async with system.database.connection() as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        killed = kill(system, "postgres")
        async with asyncio.timeout(60):
            while await process_of_postgres(system) in (None, killed):
                await asyncio.sleep(0.02)
        async with system.database.connection() as connection:
            assert await (await connection.execute("SELECT n FROM kept")).fetchall() == [(7,)]


async def test_a_killed_redis_is_revived(tmp_path: Path) -> None:
    async with open_system(Settings(home=tmp_path / "home")) as system:
        killed = kill(system, "redis")
        async with asyncio.timeout(60):
            while await process_of_redis(system) in (None, killed):
                await asyncio.sleep(0.02)
        assert await system.redis.ping() is True


async def test_an_outside_database_that_is_away_is_a_dependency_error(tmp_path: Path) -> None:
    away = Settings(
        home=tmp_path,
        database_url=f"postgresql:///x?host={tmp_path}&user=x",
        redis_url="redis://127.0.0.1:1/0",
    )
    with pytest.raises(DependencyError, match="does not tell its revision"):
        async with open_system(away):
            pass


def kill(system: System, engine: str) -> int:
    pid = system.owned_engines.pids[engine]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def process_of_postgres(system: System) -> int | None:
    """The server that answers now, None while none does."""
    try:
        async with system.database.connection() as connection:
            row = await (await connection.execute("SELECT pg_read_file('postmaster.pid')")).fetchone()
    except DependencyError:
        return None
    assert row is not None
    return int(row[0].split()[0])


async def process_of_redis(system: System) -> int | None:
    """The server that answers now, None while none does."""
    try:
        return int((await system.redis.info("server"))["process_id"])
    except RedisError:
        return None
