"""`ms run ROLE`: one role in the foreground."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Role(StrEnum):
    """The roles that exist."""

    API = "api"


@app.command()
def run(
    role: Annotated[Role, typer.Argument(help="Which role to run.")],
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", hidden=True, help="Stop when standard input closes.")
    ] = False,
) -> None:
    """Run one role in the foreground until it is interrupted.

    Without DATABASE_URL and REDIS_URL it starts the engines of the data directory itself.

    Example:  ms run api
    """
    asyncio.run(_run_role(role, watch_stdin=until_stdin_closes))


async def _run_role(role: Role, *, watch_stdin: bool) -> None:
    from marketsentry.api.server import serve_api
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    async with stop_event(watch_stdin=watch_stdin) as stop, open_system(settings) as system:
        match role:
            case Role.API:
                await serve_api(system, stop=stop)
