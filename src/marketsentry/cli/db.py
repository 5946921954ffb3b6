"""`ms db`: build the schema, take it back, compare it with what this program expects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.exceptions import InputError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build or check the database schema.\n\nExample:  ms db check",
)
AsJson = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="The wanted revision.")] = "head", as_json: AsJson = False
) -> None:
    """Migrate up to the newest schema.

    Nothing happens when the database is there already. Every verb that needs the database does this by itself.

    Exit codes: 0 done; 2 unknown revision; 4 the migration failed and was rolled back.

    Example:  ms db upgrade
    """
    from marketsentry.adapters.postgres import migrate

    with _database_url() as url:
        before, after = migrate.upgrade(url, revision)
    _report_move(before, after, as_json)


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="The wanted revision; `base` drops every table.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept that rows are lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Migrate down to an older schema.

    The rows of the tables that go are lost, so it must be confirmed.

    Exit codes: 0 done; 2 not confirmed or unknown revision; 4 the migration failed and was rolled back.

    Example:  ms db downgrade 0003 --yes
    """
    from marketsentry.adapters.postgres import migrate

    if not yes:
        raise InputError(f"a downgrade to {revision} drops tables with their rows: add --yes to accept that")
    with _database_url() as url:
        before, after = migrate.downgrade(url, revision)
    _report_move(before, after, as_json)


@app.command()
def current(as_json: AsJson = False) -> None:
    """Print the database's revision and the newest.

    Example:  ms db current --json
    """
    from marketsentry.adapters.postgres import migrate

    with _database_url() as url:
        revision, head = migrate.current_revision(url), migrate.head_revision()
    if as_json:
        print_json({"revision": revision, "head": head})
    else:
        typer.echo(f"{revision} (newest: {head})")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Compare the database with the expected schema.

    Tables, columns, constraints, indexes, triggers and partitions must be those that the migrations build.

    Exit codes: 0 they agree; 2 they differ.

    Example:  ms db check
    """
    from marketsentry.adapters.postgres import migrate
    from marketsentry.adapters.postgres.schema import differences, expected_schema, read_schema

    with _database_url() as url:
        revision, head = migrate.current_revision(url), migrate.head_revision()
        found = differences(read_schema(url), expected_schema())
    if as_json:
        print_json({"revision": revision, "head": head, "agrees": not found, "differences": found})
    else:
        say("\n".join(found) if found else f"the database agrees with this program (revision {revision})")
    if found:
        raise typer.Exit(2)


@app.command()
def schema() -> None:
    """Print the database's schema as JSON.

    After a new migration it becomes the expected schema, `schema.json` in the PostgreSQL adapter.

    Example:  ms db schema > schema.json
    """
    from marketsentry.adapters.postgres.schema import read_schema

    with _database_url() as url:
        print_json(read_schema(url))


@contextmanager
def _database_url() -> Iterator[str]:
    from marketsentry.bootstrap import running_engines
    from marketsentry.logs import set_up_logs
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    with running_engines(settings) as engines:
        yield engines.urls.database_url


def _report_move(before: str, after: str, as_json: bool) -> None:
    if as_json:
        print_json({"before": before, "after": after})
    else:
        say(f"already at {after}" if before == after else f"moved from {before} to {after}")
