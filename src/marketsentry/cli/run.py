"""`ms run ROLE`: one role in the foreground."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP
from marketsentry.cli.trader_replay import MAX, Replay, Speed, read_span, replay_in
from marketsentry.exceptions import InputError

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.services.trader_replay import ReplaySpan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Role(StrEnum):
    """The roles that exist."""

    API = "api"
    TRADER = "trader"


@app.command()
def run(
    role: Annotated[Role, typer.Argument(help="Which role to run.")],
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", hidden=True, help="Stop when standard input closes.")
    ] = False,
    listen_fd: Annotated[
        int, typer.Option("--listen-fd", hidden=True, help="Serve on this open socket of the supervisor.")
    ] = -1,
    replay: Replay = None,
    speed: Speed = MAX,
    as_json: Annotated[bool, typer.Option("--json", help="With --replay: " + JSON_HELP)] = False,
) -> None:
    """Run one role in the foreground until it is interrupted.

    Without DATABASE_URL and REDIS_URL it starts the engines of the data directory itself.

    Exit code 0 when it was stopped; 2 for a malformed setting; 3 when the address is taken or another program runs
    the engines of MS_HOME; 4 when an engine does not start.

    `trader` trades the model of MS_TRADER_HORIZON on paper as bars close: those that the record gets, or that it
    fetches itself from MS_TRADER_SOURCE.

    With --replay it trades recorded bars on paper, in an account of their own and on a clock of its own; nothing later
    than that clock is read. Stopped or killed, the same command goes on where it stood. Rules of risk that pull a
    switch are lifted, for the switches are those of real trading; a switch that is on holds openings back. Such as
    `ms run trader --replay 2024-06-01 2024-07-01 --speed 3600`: an hour a second.

    Example:  ms run api
    """
    import uvloop

    span = None if replay is None else read_span(replay, speed)
    if span is not None and role is not Role.TRADER:
        raise InputError(f"--replay is for the trader, was given to {role}")
    if span is None and (as_json or speed != MAX):
        raise InputError("--speed and --json need --replay")
    uvloop.run(
        _run_role(role, watch_stdin=until_stdin_closes, listen_fd=listen_fd, span=span, as_json=as_json)
    )


async def _run_role(
    role: Role, *, watch_stdin: bool, listen_fd: int, span: "ReplaySpan | None", as_json: bool
) -> None:
    import socket

    import structlog

    from marketsentry.api.listening import listen
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    if not watch_stdin:  # else the supervisor has said it
        structlog.get_logger(__name__).info("settings", **settings.summary())
    async with (
        stop_event(watch_stdin=watch_stdin) as stop,
        open_system(settings) as system,
        _hastened(system, stop),
    ):
        match role:
            case Role.API:
                from marketsentry.api.server import serve_api

                given = listen_fd >= 0
                with socket.socket(fileno=listen_fd) if given else listen(*settings.api_bind) as listening:
                    await serve_api(system, listening, stop=stop)
            case Role.TRADER if span is not None:
                await replay_in(system, span, stop=stop, as_json=as_json)
            case Role.TRADER:
                from marketsentry.roles.trader import run_trader

                await run_trader(system, stop=stop)


@asynccontextmanager
async def _hastened(system: "System", stop: asyncio.Event) -> AsyncIterator[None]:
    """Once it is time to stop, wait for the record no longer than it takes where it is there."""

    async def hasten() -> None:
        await stop.wait()
        system.database.hasten()

    waiting = asyncio.create_task(hasten())
    try:
        yield
    finally:
        waiting.cancel()
