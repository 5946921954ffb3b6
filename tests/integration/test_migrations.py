"""Migrations build everything from empty, go down and up again, and agree with the code that uses them."""

import ast
import importlib
import pkgutil
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import marketsentry.adapters.postgres as adapters
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.schema import differences, expected_schema, read_schema
from marketsentry.exceptions import InputError


def test_up_down_and_up_again_builds_the_expected_schema(empty_database_url: str) -> None:
    assert migrate.upgrade(empty_database_url) == ("base", migrate.head_revision())
    first = read_schema(empty_database_url)
    assert differences(first, expected_schema()) == []
    assert migrate.downgrade(empty_database_url, "base") == (migrate.head_revision(), "base")
    assert read_schema(empty_database_url) == {}
    assert leftovers(empty_database_url) == []
    migrate.upgrade(empty_database_url)
    assert read_schema(empty_database_url) == first


def test_each_revision_can_be_taken_back_alone(empty_database_url: str) -> None:
    for before, after in pairwise(("base", *migrate.revisions())):
        older = read_schema(empty_database_url)
        migrate.upgrade(empty_database_url, after)
        assert read_schema(empty_database_url) != older
        migrate.downgrade(empty_database_url, before)
        assert read_schema(empty_database_url) == older
        migrate.upgrade(empty_database_url, after)


def test_revisions_are_one_line_and_named_as_their_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.head_revision()]
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(migrate.revisions()))


def test_two_programs_may_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        moves = [pool.submit(migrate.upgrade, empty_database_url) for _ in range(4)]
    assert {move.result()[1] for move in moves} == {migrate.head_revision()}


def test_a_database_of_a_newer_program_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r"has revision '9999'.* built by a newer program"):
        migrate.upgrade(database_url)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            "ALTER TABLE trials DROP COLUMN params_hash",
            "trials.params_hash: is missing, expected character varying",
        ),
        (
            "ALTER TABLE market_bars ADD COLUMN extra int",
            "market_bars.extra: is integer, expected no such column",
        ),
        (
            "ALTER TABLE prices ALTER COLUMN price TYPE float8",
            "prices.price: is double precision not null, expected",
        ),
        ("DROP INDEX events_known", "events: missing CREATE INDEX events_known"),
        (
            "ALTER TABLE event_links DROP CONSTRAINT event_links_event_id_fkey",
            "event_links: missing FOREIGN KEY",
        ),
        ("DROP TRIGGER trials_are_append_only ON trials", "trials: missing CREATE TRIGGER"),
        (
            "ALTER TABLE trials DISABLE TRIGGER trials_are_not_truncated",
            "trials: missing CREATE TRIGGER trials_are_not_truncated",
        ),
        ("DROP TABLE market_bars_2020", "market_bars: n_partitions is 26, expected 27"),
        ("DROP VIEW technical_indicators_latest", "technical_indicators_latest: missing"),
        ("CREATE TABLE stray ()", "stray: unexpected"),
    ],
)
def test_a_schema_that_drifted_is_named(database_url: str, change: str, named: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(change)  # type: ignore[arg-type] # one of the literals above
    found = differences(read_schema(database_url), expected_schema())
    assert any(line.startswith(named) for line in found), found


def leftovers(database_url: str) -> list[tuple[object, ...]]:
    """Everything but Alembic's own table that is still in the schema: relations, functions, types."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            """
            SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
            UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            """
        ).fetchall()


# What follows proves that every statement in the adapters fits the schema, without running it: PostgreSQL
# parses it against the migrated tables, so a column, table or type that does not exist is an error.

STATEMENT = re.compile(r"(?:\s|--[^\n]*\n)*(WITH|SELECT|INSERT|UPDATE|DELETE|MERGE|COPY)\s", re.IGNORECASE)
TEMPORARY = re.compile(r"\s*CREATE TEMP(ORARY)? TABLE\s", re.IGNORECASE)
COPY_IN = re.compile(r"\s*COPY (\w+) \(([^)]*)\)\s+FROM STDIN", re.IGNORECASE)
COPY_OUT = re.compile(r"\s*COPY \((.*)\)\s+TO STDOUT", re.IGNORECASE | re.DOTALL)
MODULES = sorted(
    info.name
    for info in pkgutil.iter_modules(adapters.__path__)
    if info.name not in ("migrations", "schema", "migrate")
)


@pytest.mark.parametrize("name", MODULES)
def test_every_statement_fits_the_migrated_schema(name: str, database_url: str) -> None:
    statements = statements_of(name)
    with psycopg.connect(database_url) as connection:
        for statement in statements:
            if TEMPORARY.match(statement):
                connection.execute(statement.encode())
        for statement in statements:
            if STATEMENT.match(statement):
                assert_is_understood(connection, statement)


def test_a_statement_that_does_not_fit_is_found(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert_is_understood(connection, "SELECT symbol FROM market_bars WHERE ts >= %(since)s")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            assert_is_understood(connection, "SELECT symbl FROM market_bars WHERE ts >= %(since)s")
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        assert_is_understood(connection, "COPY market_bars (symbol, opn) FROM STDIN (FORMAT BINARY)")


def test_the_stores_have_statements_to_check() -> None:
    assert sum(bool(STATEMENT.match(text)) for name in MODULES for text in statements_of(name)) >= 20


def statements_of(name: str) -> list[str]:
    """Every text of a module: its constants once it is imported, and the literals inside functions."""
    module = importlib.import_module(f"{adapters.__name__}.{name}")
    values = [
        v for value in vars(module).values() for v in (value if isinstance(value, tuple | list) else (value,))
    ]
    texts = [value for value in values if isinstance(value, str)]
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    inside = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in inside:
        docstring = ast.get_docstring(function, clean=False)
        texts += [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != docstring
        ]
    return texts


def assert_is_understood(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    if copied := COPY_IN.match(statement):
        statement = f"SELECT {copied[2]} FROM {copied[1]}"
    elif exported := COPY_OUT.match(statement):
        statement = exported[1]
    numbers: dict[str, str] = {}
    plain = re.sub(r"%\((\w+)\)[sbt]", lambda m: numbers.setdefault(m[1], f"${len(numbers) + 1}"), statement)
    try:
        with connection.transaction():
            connection.execute(f"PREPARE fits AS {plain.replace('%%', '%')}".encode())
            connection.execute("DEALLOCATE fits")
    except psycopg.errors.IndeterminateDatatype:
        pass  # names are resolved before the types of parameters
