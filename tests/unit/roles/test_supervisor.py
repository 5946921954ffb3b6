"""What happens to the others when a role ends, cannot be started, or refuses to run."""

import asyncio
import sys
from dataclasses import dataclass

import pytest

from marketsentry.exceptions import ConflictError
from marketsentry.roles.supervisor import RoleProcess, supervise

_RUNS_ONCE = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[1])
n = int(mark.read_text()) if mark.exists() else 0
mark.write_text(str(n + 1))
time.sleep(0.0 if n else 0.5)
sys.exit(3)
"""


@dataclass(frozen=True, slots=True)
class Program(RoleProcess):
    """A role that is some program."""

    words: tuple[str, ...] = ()

    @property
    def command(self):
        return self.words


def python(role, text, *arguments):
    return Program(role, words=(sys.executable, "-c", text, *map(str, arguments)))


async def watched(roles, condition, *, steady_after_s):
    """Supervise until a condition holds."""
    stop = asyncio.Event()
    task = asyncio.create_task(supervise(roles, env={}, stop=stop, steady_after_s=steady_after_s))
    async with asyncio.timeout(60):
        while not (condition() or task.done()):
            await asyncio.sleep(0.05)
    is_up = not task.done()
    stop.set()
    await task
    return is_up


async def test_a_role_that_refuses_at_once_stops_everything():
    refuses, waits = python("a", "raise SystemExit(2)"), python("b", "input()")
    with pytest.raises(ConflictError, match="role a refuses"):
        await supervise([refuses, waits], env={}, stop=asyncio.Event())


async def test_a_role_that_has_worked_and_then_refuses_takes_nothing_down(tmp_path):
    mark = tmp_path / "starts"
    role = python("a", _RUNS_ONCE, mark)
    starts = lambda: mark.exists() and mark.read_text() == "3"  # noqa: E731
    assert await watched([role, python("b", "input()")], starts, steady_after_s=0.1)


async def test_a_program_that_cannot_be_started_takes_nothing_down(tmp_path):
    there = tmp_path / "role"
    role = Program("a", words=(str(there),))
    mark = tmp_path / "ran"

    def ran():
        if not there.exists():
            there.write_text(f"#!{sys.executable}\nopen({str(mark)!r}, 'w').close()\n")
            there.chmod(0o700)
            return False
        return mark.exists()

    assert await watched([role, python("b", "input()")], ran, steady_after_s=60.0)
