"""Build the schema, or tell how far it is: the only door to the migrations.

Alembic and SQLAlchemy are slow to import, so they are imported only when something has to change.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from marketsentry.exceptions import DependencyError, InputError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")
EMPTY = "base"
_LOCK = (
    0x6D735F6D696772  # two programs that migrate one database at once take turns; the number says "ms_migr"
)


def head_revision() -> str:
    """Return the newest revision that this program knows."""
    return revisions()[-1]


def revisions() -> tuple[str, ...]:
    """Return every revision that this program knows, oldest first: the numbers that the files begin with."""
    return tuple(sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def current_revision(database_url: str) -> str:
    """Return the revision of a database, ``base`` when nothing was built in it.

    Parameters
    ----------
    database_url
        The database.

    Returns
    -------
    str
        A revision such as ``0004``, or ``base``.

    Raises
    ------
    DependencyError
        If the database does not answer.
    """
    try:
        with psycopg.connect(database_url, connect_timeout=10) as connection:
            row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            if row is None or not row[0]:
                return EMPTY
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(version[0]) if version else EMPTY
    except psycopg.Error as exc:
        raise DependencyError(f"the database does not tell its revision: {str(exc).strip()}") from exc


def upgrade(database_url: str, revision: str = "head") -> tuple[str, str]:
    """Migrate up; a database that is there already costs one query.

    Parameters
    ----------
    database_url
        The database.
    revision
        The wanted revision.

    Returns
    -------
    tuple of str
        The revision before and after.

    Raises
    ------
    InputError
        If `revision` is unknown, or the database was built by a newer program.
    DependencyError
        If a migration fails; what it did is rolled back.
    """
    wanted = _known(head_revision() if revision == "head" else revision)
    before = _known(current_revision(database_url), of_database=True)
    if before < wanted or before == EMPTY:
        _run(database_url, "upgrade", wanted)
    return before, current_revision(database_url)


def downgrade(database_url: str, revision: str) -> tuple[str, str]:
    """Migrate down; rows of the tables that go are lost.

    Parameters
    ----------
    database_url
        The database.
    revision
        The wanted revision; ``base`` drops everything.

    Returns
    -------
    tuple of str
        The revision before and after.

    Raises
    ------
    InputError
        If `revision` is unknown.
    DependencyError
        If a migration fails; what it did is rolled back.
    """
    before = _known(current_revision(database_url), of_database=True)
    _run(database_url, "downgrade", _known(revision))
    return before, current_revision(database_url)


def _known(revision: str, *, of_database: bool = False) -> str:
    known = (EMPTY, *revisions())
    if revision not in known:
        whose = "the database has revision" if of_database else "revision"
        hint = ": it was built by a newer program" if of_database else ""
        raise InputError(f"{whose} {revision!r}, and this program knows {', '.join(known)}{hint}")
    return revision


def _run(database_url: str, direction: str, revision: str) -> None:
    import sqlalchemy
    from alembic import command

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database_url, connect_timeout=10),
        poolclass=sqlalchemy.NullPool,
    )
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            getattr(command, direction)(_config(connection), revision)
    except (sqlalchemy.exc.SQLAlchemyError, psycopg.Error) as exc:
        raise DependencyError(f"the migration {direction} to {revision} failed: {exc}") from exc


def _config(connection: "Connection") -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
