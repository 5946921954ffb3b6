"""`ms up`: engines, schema and every role on this machine."""

import asyncio
import os
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

app = typer.Typer(add_completion=False, rich_markup_mode=None)
ROLES = ("api",)


@app.command()
def up(
    as_json: Annotated[
        bool, typer.Option("--json", help=JSON_HELP + " Printed once, when all is started.")
    ] = False,
) -> None:
    """Start PostgreSQL, Redis and every role of this machine, and keep them running until interrupted.

    The engines start under MS_HOME (default `var/`) unless DATABASE_URL and REDIS_URL point elsewhere. Roles that
    end are started again. Ctrl-C stops everything.

    Example:  MS_HOME=var ms up
    """
    asyncio.run(_up(as_json))


async def _up(as_json: bool) -> None:
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.roles.supervisor import supervise
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    async with stop_event() as stop, open_system(settings) as system:
        host, port = settings.api_bind
        addresses = {
            "api": f"http://{host}:{port}",
            "docs": f"http://{host}:{port}/api/v2/docs",
            "health": f"http://{host}:{port}/health",
            "metrics": f"http://{host}:{port}/metrics",
        }
        if as_json:
            print_json({"home": settings.home, "roles": ROLES, "addresses": addresses})
        else:
            say("MarketSentry is up; Ctrl-C stops it")
            for name, address in addresses.items():
                say(f"  {name:<8} {address}")
        await supervise(ROLES, env={**os.environ, **system.engine_env()}, stop=stop)
