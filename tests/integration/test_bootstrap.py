"""The whole system opens on real engines, and keeps its own engines alive."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

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
        killed = system.owned_engines.pids["postgres"]
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(30):
            rows = await _first_answer(system, "SELECT n FROM kept")
        assert rows == [(7,)]
        assert system.owned_engines.pids["postgres"] not in (None, killed)


async def test_a_killed_redis_is_revived(tmp_path: Path) -> None:
    async with open_system(Settings(home=tmp_path / "home")) as system:
        killed = system.owned_engines.pids["redis"]
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(30):
            while system.owned_engines.pids["redis"] in (None, killed):
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


async def _first_answer(system: System, query: str) -> list[tuple[object, ...]]:
    while True:
        try:
            async with system.database.connection() as connection:
                return await (await connection.execute(query)).fetchall()
        except DependencyError:
            await asyncio.sleep(0.02)
