"""Real engines for tests: one PostgreSQL and one Redis per session, one fresh database per test that asks.

The schema is migrated once into a template; a test's database is as a fresh copy of it.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from lent_databases import LentDatabases, administrate, copy, drop, url_of
from marketsentry.adapters.embedded import EmbeddedEngines, Engines
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.database import Database
from marketsentry.bootstrap import System, open_system
from marketsentry.ports import Transactions
from marketsentry.settings import Settings

TEMPLATE = "ms_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """The engines of this test session. Commits do not wait for the disk: nobody kills this PostgreSQL."""
    with EmbeddedEngines(tmp_path_factory.mktemp("engines")) as running:
        administrate(
            running.urls.database_url, sql.SQL("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        )
        yield running.urls


@pytest.fixture(scope="session")
def databases(engines: Engines) -> LentDatabases:
    """Lends migrated, empty databases."""
    administrate(engines.database_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate.upgrade(url_of(engines.database_url, TEMPLATE))
    return LentDatabases(engines.database_url, TEMPLATE)


@pytest.fixture
def database_url(databases: LentDatabases) -> Iterator[str]:
    """A migrated, empty database of this test alone."""
    with databases.lend() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(databases: LentDatabases) -> Iterator[str]:
    """A migrated database that the tests of one module share, for what is slow to fill."""
    with databases.lend() as url:
        yield url


@pytest.fixture
def empty_database_url(engines: Engines) -> Iterator[str]:
    """A database in which nothing was built yet."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    copy(engines.database_url, name, "template1")
    yield url_of(engines.database_url, name)
    drop(engines.database_url, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on this test's database."""
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
def transactions(database: Database) -> Transactions:
    """Transactions on this test's database."""
    return database.transactions


@pytest.fixture
def settings(engines: Engines, database_url: str, tmp_path: Path) -> Settings:
    """Settings that point to this test's database and directory, and to the session's engines."""
    return Settings(home=tmp_path / "home", database_url=database_url, redis_url=engines.redis_url)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    """The whole system on this test's database."""
    async with open_system(settings) as opened:
        yield opened
