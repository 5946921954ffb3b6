"""Keep the roles of one machine running, each in a process of its own.

A role that ends is started again after a pause that doubles up to a limit and returns to its first length once the
role has run for a while. A role watches its standard input: when the supervisor dies, however it dies, the pipe
closes and the role stops by itself.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
STOP_WITHIN_S = 10.0

log = structlog.get_logger(__name__)


async def supervise(roles: Sequence[str], *, env: Mapping[str, str], stop: asyncio.Event) -> None:
    """Run `marketsentry run ROLE` for each role until `stop` is set, then stop them all.

    Parameters
    ----------
    roles : sequence of str
        Names that `marketsentry run` knows.
    env : mapping
        Environment of the roles; it points them to the engines of this program.
    stop : asyncio.Event
        Set it to stop the roles and return.
    """
    async with asyncio.TaskGroup() as group:
        for role in roles:
            group.create_task(_keep_running(role, env, stop))


async def _keep_running(role: str, env: Mapping[str, str], stop: asyncio.Event) -> None:
    pause_s = FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        started = loop.time()
        await _run_once(role, env, stop)
        if stop.is_set():
            return
        steady = loop.time() - started > STEADY_AFTER_S
        pause_s = FIRST_PAUSE_S if steady else pause_s
        log.warning("role_restarting", role=role, pause_s=pause_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


async def _run_once(role: str, env: Mapping[str, str], stop: asyncio.Event) -> None:
    command = (sys.executable, "-m", "marketsentry", "run", role, "--until-stdin-closes")
    process = await asyncio.create_subprocess_exec(*command, env=dict(env), stdin=asyncio.subprocess.PIPE)
    log.info("role_started", role=role, pid=process.pid)
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
            await ended
    log.info("role_ended", role=role, exit_code=process.returncode)
