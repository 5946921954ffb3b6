"""`ms up`: engines, schema and every role on this machine."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.cli.trader_replay import MAX, Replay, Speed, read_span, replay_as_child
from marketsentry.exceptions import InputError

if TYPE_CHECKING:
    from marketsentry.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)
ROLES = ("api", "trader")
ASK_EVERY_S = 0.1


@app.command()
def up(
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help=JSON_HELP + " Printed once, when all is ready; with --replay it is what came of that.",
        ),
    ] = False,
    replay: Replay = None,
    speed: Speed = MAX,
) -> None:
    """Start PostgreSQL, Redis and every role of this machine, and keep them running until interrupted.

    The engines start under MS_HOME (default `var/`) unless DATABASE_URL and REDIS_URL point elsewhere. Engines and
    roles that die are started again. Ctrl-C or SIGTERM stops everything. The addresses are printed when
    `/health/ready` answers.

    Exit code 0 when it was stopped; 2 for a malformed setting; 3 when the address is taken, another program runs
    the engines of MS_HOME, or a role refuses to run; 4 when an engine does not start.

    With --replay the trader trades recorded bars (see `ms run --help`) while the API answers; when they are done,
    everything stops, with the exit code of the replay.

    Example:  MS_HOME=var ms up
    """
    if replay is None:
        if speed != MAX:
            raise InputError("--speed needs --replay")
        asyncio.run(_up(as_json))
        return
    read_span(replay, speed)
    code = asyncio.run(_up_replaying(replay, speed, as_json=as_json))
    if code:
        raise typer.Exit(code)


async def _up_replaying(replay: tuple[str, str], speed: str, *, as_json: bool) -> int:
    """Keep the API up while the trader replays."""
    from marketsentry.api.listening import listen
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.roles.supervisor import RoleProcess, supervise
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    async with stop_event() as stop, open_system(settings) as system:
        with listen(*settings.api_bind) as listening:
            env = {**os.environ, **system.engine_env()}
            api = RoleProcess("api", listening.fileno())
            serving = asyncio.create_task(supervise((api,), env=env, stop=stop))
            try:
                return await replay_as_child(replay, speed, env=env, stop=stop, as_json=as_json)
            finally:
                stop.set()
                await serving


async def _up(as_json: bool) -> None:
    import structlog

    from marketsentry.api.listening import listen
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.ports.ending import end
    from marketsentry.roles.supervisor import RoleProcess, supervise
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    structlog.get_logger(__name__).info("settings", **settings.summary())
    async with stop_event() as stop, open_system(settings) as system:
        with listen(*settings.api_bind) as listening:
            announcing = asyncio.create_task(_announce(settings, stop, as_json))
            try:
                roles = (RoleProcess("api", listening.fileno()), RoleProcess("trader"))
                await supervise(roles, env={**os.environ, **system.engine_env()}, stop=stop)
            finally:
                await end([announcing])


async def _announce(settings: "Settings", stop: asyncio.Event, as_json: bool) -> None:
    """Say where everything is as soon as the API answers that it is ready."""
    from marketsentry.adapters.readiness import Readiness, ask_ready

    host, port = settings.api_bind
    while await ask_ready(host, port) is not Readiness.READY:
        await asyncio.sleep(ASK_EVERY_S)
    if stop.is_set():
        return
    document = _document(settings)
    if as_json:
        print_json(document)
        return
    say("MarketSentry is ready; Ctrl-C stops it")
    for name, address in document["addresses"].items():
        say(f"  {name:<8} {address}")


def _document(settings: "Settings") -> dict[str, Any]:
    host, port = settings.api_bind
    base = f"http://{host}:{port}"
    return {
        "home": settings.home,
        "pid": os.getpid(),
        "roles": ROLES,
        "addresses": {
            "api": f"{base}/api/v2",
            "docs": f"{base}/api/v2/docs",
            "health": f"{base}/health",
            "metrics": f"{base}/metrics",
        },
    }
