"""A process that may die between any two of its steps, as by `kill -9`: nothing of it runs any further."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


class World(Protocol):
    """What a process stands in."""

    record_is_away: bool
    venue_is_away: bool

    def note(self, what: str) -> None:
        """Add to the trace."""
        ...


@dataclass(eq=False)
class Process:
    """All tasks that are started in it die with it; `fuse` is how many steps it has to live."""

    name: str
    world: World
    fuse: int | None = None
    is_alive: bool = True
    n_steps: int = 0
    died: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)  # in the order in which they began

    def step(self, what: str) -> None:
        """Take a step, or die before it."""
        if not self.is_alive:
            raise asyncio.CancelledError(f"{self.name} is dead")
        self.n_steps += 1
        if self.fuse is not None and self.n_steps >= self.fuse:
            self.die(what)
            raise asyncio.CancelledError(f"{self.name} died")

    def die(self, where: str) -> None:
        """End it here."""
        if not self.is_alive:
            return
        self.is_alive = False
        self.world.note(f"{self.name} died ({where})")
        self.died.set()
        me = asyncio.current_task()
        for task in list(self.tasks):
            if task is not me:
                task.cancel()

    async def buried(self) -> None:
        """Wait until all its tasks have ended."""
        await asyncio.gather(*self.tasks, return_exceptions=True)


def tracked_task(loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> asyncio.Task[Any]:
    """Make a task that belongs to the process in which it is made."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **how)
    process = CURRENT.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
    return task
