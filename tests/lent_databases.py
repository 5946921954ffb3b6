"""Databases for tests: copies of a migrated template, lent to one test at a time.

A copy costs half a second of processor time, emptying one a twentieth of that. So a database whose schema a test left
alone is emptied and lent again; one whose catalogs moved, or that somebody is still connected to, is dropped.
"""

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

MOST_LOANS = 50  # what is deleted still takes room
LEAVING_S = 2.0  # a closed connection is gone a moment later
PATIENT_S = 120  # whoever still holds a lock then will not give it back
_numbers = itertools.count(1)

# Any DDL writes a catalog row anew: the count and the newest writer of each catalog tell whether there was any.
_CATALOGS = (
    "pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_index", "pg_inherits", "pg_namespace", "pg_policy",
    "pg_proc", "pg_rewrite", "pg_trigger", "pg_type", "alembic_version",
)  # fmt: skip
_STATE = sql.SQL(" UNION ALL ").join(
    sql.SQL("SELECT {}, count(*), max(xmin::text::bigint) FROM {}").format(name, sql.Identifier(name))
    for name in _CATALOGS
)
_TABLES = """
    SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'alembic_version'
"""
_GUARDS = (
    "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
)
_SEQUENCES = "SELECT seqrelid::regclass::text FROM pg_sequence"
_CALLED = (
    "SELECT seqrelid::regclass::text FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"
)
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

State = list[tuple[str, int, int]]


@dataclass(slots=True)
class _Loan:
    name: str
    state: State
    starts: Mapping[str, int]  # of each sequence; some begin at a number of the installation's own
    n_loans: int = 0


class LentDatabases:
    """Lends databases that are as the template is: same schema, no rows, sequences at their start.

    Parameters
    ----------
    server_url
        Any database of the server.
    template
        The migrated, empty database that others are copied from.
    """

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url, self._template = server_url, template
        self._free: list[_Loan] = []

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Give the URL of a database that nobody else has until the end."""
        loan = self._free.pop() if self._free else self._copy()
        loan.n_loans += 1
        yield url_of(self._server_url, loan.name)
        if loan.n_loans < MOST_LOANS and self._is_emptied(loan):
            self._free.append(loan)
        else:
            drop(self._server_url, loan.name)

    def _copy(self) -> _Loan:
        name = f"lent_{os.getpid()}_{next(_numbers)}"
        copy(self._server_url, name, self._template)
        with psycopg.connect(url_of(self._server_url, name)) as connection:
            return _Loan(name, _state(connection), _starts(connection))

    def _is_emptied(self, loan: _Loan) -> bool:
        with _connected(self._server_url, loan.name) as connection:
            if not _is_alone(connection) or _state(connection) != loan.state:
                return False
            with connection.transaction():
                _empty(connection, loan.starts)
            loan.state = _state(connection)
            return True


def copy(server_url: str, name: str, template: str) -> None:
    """Make a database as another one is."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG")
    administrate(server_url, statement.format(sql.Identifier(name), sql.Identifier(template)))


def drop(server_url: str, name: str) -> None:
    """Remove a database with whoever is still connected to it."""
    administrate(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def administrate(server_url: str, statement: sql.Composed) -> None:
    """Run a statement that concerns databases."""
    with _connected(server_url, "postgres") as connection:
        connection.execute(statement)


def url_of(server_url: str, database: str) -> str:
    """Give the URL of another database of the server."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


def _connected(server_url: str, database: str) -> psycopg.Connection:
    limit = f"-c statement_timeout={PATIENT_S}s"
    return psycopg.connect(
        url_of(server_url, database), autocommit=True, connect_timeout=PATIENT_S, options=limit
    )


def _state(connection: psycopg.Connection) -> State:
    return sorted(connection.execute(_STATE).fetchall())


def _is_alone(connection: psycopg.Connection) -> bool:
    deadline = time.monotonic() + LEAVING_S
    while connection.execute(_OTHERS).fetchone() != (0,):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _starts(connection: psycopg.Connection) -> Mapping[str, int]:
    asked = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, last_value FROM {}").format(name, sql.Identifier(name))
        for (name,) in connection.execute(_SEQUENCES)
    )
    return dict(connection.execute(asked).fetchall())


def _empty(connection: psycopg.Connection, starts: Mapping[str, int]) -> None:
    """Delete all rows past foreign keys and append-only triggers, and let the sequences begin again."""
    connection.execute("SET LOCAL session_replication_role = replica")
    guards = connection.execute(_GUARDS).fetchall()
    for table in _with_rows(connection):
        guarding = [name for guarded, name in guards if guarded == table]
        with _unguarded(connection, table, guarding):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    for (sequence,) in connection.execute(_CALLED).fetchall():
        connection.execute("SELECT setval(%s, %s, false)", (sequence, starts[sequence]))


def _with_rows(connection: psycopg.Connection) -> list[str]:
    asked = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(table, sql.Identifier(table))
        for (table,) in connection.execute(_TABLES)
    )
    return [table for (table,) in connection.execute(asked)]


@contextmanager
def _unguarded(connection: psycopg.Connection, table: str, guards: list[str]) -> Iterator[None]:
    change, name = sql.SQL("ALTER TABLE {} {} {}"), sql.Identifier(table)
    for guard in guards:
        connection.execute(change.format(name, sql.SQL("DISABLE TRIGGER"), sql.Identifier(guard)))
    yield
    for guard in guards:
        connection.execute(change.format(name, sql.SQL("ENABLE ALWAYS TRIGGER"), sql.Identifier(guard)))
