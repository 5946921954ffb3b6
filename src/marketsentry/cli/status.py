"""`ms status`: the engines and who runs them, the data, the last models and runs, the disk."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json
from marketsentry.exceptions import InputError

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.ports.feeds import FeedState
    from marketsentry.services.rebuild import AccountRebuild

app = typer.Typer(add_completion=False, rich_markup_mode=None)
EXIT_DIFFERS = 2
EXIT_ENGINE_SILENT = 4


@app.command()
def status(
    newest: Annotated[int, typer.Option(min=1, max=1000, help="So many models and runs.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Add every account up again from its entries and compare.")
    ] = False,
    fix: Annotated[bool, typer.Option("--fix", help="With --rebuild: write what differs.")] = False,
) -> None:
    """Show what runs and what is there: engines, schema, API, market data, accounts, series, models, runs, disk.

    While another program runs the engines of MS_HOME (such as `ms up`), it is named and its engines are asked.
    When nobody does, they are started for the answer and stopped again.

    With --rebuild positions, cash, round trips and equity of every account are added up from nothing instead, and
    compared with what is stored.

    Exit code 0 when everything answered; 2 when stored rows differ from what their entries add up to, also when --fix
    wrote them; 3 when the engines are just starting or stopping; 4 when PostgreSQL or Redis does not answer. An API
    that does not run is no error.

    Example:  ms status --json
    """
    if fix and not rebuild:
        raise InputError("--fix needs --rebuild")
    if rebuild:
        raise typer.Exit(_show_rebuild(asyncio.run(_rebuild(fix=fix)), as_json=as_json))
    document = asyncio.run(_read(newest))
    if as_json:
        print_json(document)
    else:
        from marketsentry.cli.status_screen import print_status

        print_status(document)
    answers = (document["engines"]["postgres"], document["engines"]["redis"])
    raise typer.Exit(0 if answers == ("connected", "connected") else EXIT_ENGINE_SILENT)


def _show_rebuild(accounts: "Sequence[AccountRebuild]", *, as_json: bool) -> int:
    if as_json:
        print_json({"accounts": accounts})
    else:
        from marketsentry.cli.account_screen import print_rebuild

        print_rebuild(accounts)
    return EXIT_DIFFERS if any(one.differences for one in accounts) else 0


async def _rebuild(*, fix: bool) -> "Sequence[AccountRebuild]":
    from marketsentry.bootstrap import join_system
    from marketsentry.services.rebuild import rebuild_accounts

    async with join_system() as system:
        return await rebuild_accounts(transactions=system.transactions, fix=fix)


async def _read(newest: int) -> dict[str, Any]:
    from functools import partial

    from marketsentry.adapters.disk_use import disk_use
    from marketsentry.adapters.embedded import read_owner
    from marketsentry.adapters.postgres.migrate import current_revision, head_revision
    from marketsentry.adapters.probes import ping_postgres, ping_redis
    from marketsentry.adapters.readiness import ask_ready
    from marketsentry.bootstrap import open_system, sharing_engines
    from marketsentry.cli.account_screen import account_document
    from marketsentry.logs import set_up_logs
    from marketsentry.services.health import probe
    from marketsentry.services.status import read_status
    from marketsentry.services.status_accounts import read_account_status
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    owner = read_owner(settings.home)
    host, port = settings.api_bind
    async with open_system(sharing_engines(settings)) as system:
        probes = await probe(partial(ping_postgres, system.database), partial(ping_redis, system.redis))
        record = await read_status(transactions=system.transactions, clock=system.clock, n_newest=newest)
        accounts = await read_account_status(transactions=system.transactions, clock=system.clock)
        revision = await asyncio.to_thread(current_revision, system.engines.database_url)
        parts = await asyncio.to_thread(disk_use, settings.home)
        return {
            "home": settings.home,
            "engines": {
                "owner": owner,
                "started_for_this_answer": sorted(system.owned_engines.pids),
                "postgres": "connected" if probes.postgres else "disconnected",
                "redis": "connected" if probes.redis else "disconnected",
            },
            "schema": {"revision": revision, "head": head_revision()},
            "api": {"address": f"http://{host}:{port}", "state": await ask_ready(host, port)},
            "feeds": await _feeds(system),
            "accounts": [account_document(one) for one in accounts],
            "series": record.series,
            "models": record.models,
            "n_models": record.n_models,
            "runs": record.runs,
            "disk": {"bytes": sum(parts.values()), "parts": parts},
        }


async def _feeds(system: "System") -> "Sequence[FeedState]":
    """Where the trader's bars come from; nothing is known of it while Redis does not answer."""
    from marketsentry.adapters.redis.feed_board import RedisFeedBoard
    from marketsentry.exceptions import DependencyError

    try:
        return await RedisFeedBoard(system.redis).all()
    except DependencyError:
        return ()
