"""Real engines for tests: one PostgreSQL and one Redis per session, one fresh database per test that asks.

The schema is migrated once into a template; a test's database is a copy of it.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

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
    """The engines of this test session."""
    with EmbeddedEngines(tmp_path_factory.mktemp("engines")) as running:
        yield running.urls


@pytest.fixture(scope="session")
def template(engines: Engines) -> str:
    """Name of the database that every test's database is copied from."""
    _administrate(engines, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate.upgrade(_url_of(engines, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(engines: Engines, template: str) -> Iterator[str]:
    """A migrated, empty database of this test alone."""
    yield from _copied_database(engines, template)


@pytest.fixture(scope="module")
def module_database_url(engines: Engines, template: str) -> Iterator[str]:
    """A migrated database that the tests of one module share, for what is slow to fill."""
    yield from _copied_database(engines, template)


@pytest.fixture
def empty_database_url(engines: Engines) -> Iterator[str]:
    """A database in which nothing was built yet."""
    yield from _copied_database(engines, "template1")


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


def _copied_database(engines: Engines, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG")
    _administrate(engines, copy.format(sql.Identifier(name), sql.Identifier(template)))
    yield _url_of(engines, name)
    _administrate(engines, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _administrate(engines: Engines, statement: sql.Composed) -> None:
    with psycopg.connect(_url_of(engines, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def _url_of(engines: Engines, database: str) -> str:
    return urlsplit(engines.database_url)._replace(path=f"/{database}").geturl()
