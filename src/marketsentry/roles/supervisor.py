"""Keep the roles of one machine running, each in a process of its own.

A role that ends is started again after a pause that doubles up to a limit and returns to its first length once the
role has run for a while. A role that refuses to run (its exit code says that the input or the state of things is
wrong) is not started again, because the next start would be refused too: everything stops, with the same exit code.
Only where it has never run: what has worked for a while is not given up, nor are the others taken down with it.

A role watches its standard input: when the supervisor dies, however it dies, the pipe closes and the role stops by
itself. It has a session of its own, so that a Ctrl-C reaches the supervisor alone, which then stops it in order.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from marketsentry.exceptions import ConflictError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
STOP_WITHIN_S = 10.0
REFUSALS = frozenset({2, 3})  # exit codes of the command line: wrong input, or a state that forbids the call
_NOT_STARTED = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RoleProcess:
    """A role to keep running; `listening` is the socket it serves on, opened by the supervisor and handed on."""

    role: str
    listening: int | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The program to start."""
        words = (sys.executable, "-m", "marketsentry", "run", self.role, "--until-stdin-closes")
        return words if self.listening is None else (*words, "--listen-fd", str(self.listening))


async def supervise(
    roles: Sequence[RoleProcess],
    *,
    env: Mapping[str, str],
    stop: asyncio.Event,
    steady_after_s: float = STEADY_AFTER_S,
) -> None:
    """Run `marketsentry run ROLE` for each role until `stop` is set, then stop them all.

    Parameters
    ----------
    roles : sequence of RoleProcess
        What `marketsentry run` knows.
    env : mapping
        Environment of the roles; it points them to the engines of this program.
    stop : asyncio.Event
        Set it to stop the roles and return.
    steady_after_s : float
        A role that has run so long is one that works.

    Raises
    ------
    ConflictError
        If a role refuses to run; the others are stopped first.
    """
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_keep_running(role, env, stop, steady_after_s)) for role in roles]
    refused = [role.role for role, task in zip(roles, running, strict=True) if not task.result()]
    if refused:
        raise ConflictError(f"role {', '.join(refused)} refuses to run; its error stands above")


async def _keep_running(
    role: RoleProcess, env: Mapping[str, str], stop: asyncio.Event, steady_after_s: float
) -> bool:
    """Return False, and stop everything, when the role refuses to run and never did."""
    pause_s, has_worked = FIRST_PAUSE_S, False
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        exit_code = await _run_once(role, env, stop)
        if stop.is_set():
            return True
        steady = loop.time() - started > steady_after_s
        has_worked = has_worked or steady
        if exit_code in REFUSALS and not has_worked:
            stop.set()
            return False
        pause_s = FIRST_PAUSE_S if steady else pause_s
        log.warning("role_restarting", role=role.role, pause_s=pause_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        if stop.is_set():
            return True
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


async def _run_once(role: RoleProcess, env: Mapping[str, str], stop: asyncio.Event) -> int:
    try:
        process = await asyncio.create_subprocess_exec(
            *role.command,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=() if role.listening is None else (role.listening,),
            start_new_session=True,
        )
    except OSError as error:  # no memory or no process to be had now: the other roles go on
        log.error("role_not_started", role=role.role, reason=str(error))
        return _NOT_STARTED
    log.info("role_started", role=role.role, pid=process.pid)
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not ended.done():
        process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(ended), STOP_WITHIN_S)
        except TimeoutError:
            process.kill()
    exit_code = await ended
    log.info("role_ended", role=role.role, exit_code=exit_code)
    return exit_code
