"""Stop engines: our own children, and what a killed program left behind."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from marketsentry.exceptions import DependencyError

Ladder = Sequence[tuple[signal.Signals, float]]  # signals to try, with the seconds each is given
POSTGRES_LADDER: Ladder = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
REDIS_LADDER: Ladder = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def stop_child(process: "subprocess.Popen[bytes]", ladder: Ladder) -> None:
    """Stop a process that we started, gently first."""
    for sign, seconds in ladder:
        if process.poll() is not None:
            return
        process.send_signal(sign)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        raise DependencyError(f"process {process.pid} does not stop, not even when killed")


def stop_orphans(name: str, data: Path, ladder: Ladder) -> list[int]:
    """Stop the engine processes that still work in `data` although the program that started them is gone.

    Parameters
    ----------
    name
        How the processes' name begins.
    data
        Their working directory, by which they are known: a stored pid may be somebody else's by now.
    ladder
        Signals and the seconds each is given.

    Returns
    -------
    list of int
        The pids that were stopped.

    Raises
    ------
    DependencyError
        If one of them cannot be stopped.
    """
    orphans = list(_working_in(name, data))
    stopped = [process.pid for process in orphans]
    for sign, seconds in ladder:
        if not orphans:
            break
        for process in orphans if sign is signal.SIGKILL else _roots(orphans):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sign)
        orphans = _still_running(orphans, within_s=seconds)
    if orphans:
        raise DependencyError(
            f"left-over {name} processes do not stop: {[process.pid for process in orphans]}"
        )
    return stopped


def _working_in(name: str, data: Path) -> Iterator[psutil.Process]:
    wanted = data.resolve()
    for process in psutil.process_iter(["name"]):
        if not (process.info["name"] or "").startswith(name):
            continue
        try:
            if Path(process.cwd()) == wanted:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _still_running(processes: Sequence[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Wait for the processes to end; one that nobody reaps, as in many containers, counts as ended."""
    deadline = time.monotonic() + within_s
    left = list(processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = [process for process in left if not _has_ended(process)]
    return left


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _roots(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return the main process, which ends its workers; where it was killed, the workers themselves."""
    pids = {process.pid for process in processes}
    roots = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                roots.append(process)
    return roots
