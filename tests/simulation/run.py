"""Run one seed and judge it."""

from collections import Counter
from dataclasses import dataclass

import structlog

from simulation.chance import Chance, Rates
from simulation.desk import Desk
from simulation.invariants import judge, read_record
from simulation.loop import VirtualClock, VirtualLoop
from simulation.process import Process
from simulation.record import Record
from simulation.story import play
from simulation.world import Bug, World

_LOGS = """
SELECT order_id, version, to_char(at, 'MI:SS.MS'), kind, payload::text FROM order_events ORDER BY order_id, version
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed: by invariant what broke it, and what happened on the way."""

    seed: int
    broken: dict[str, list[str]]
    trace: list[str]
    faults: Counter[str]
    counts: Counter[str]
    virtual_s: float

    @property
    def is_green(self) -> bool:
        """Whether every invariant holds."""
        return not self.broken

    def report(self) -> str:
        """Name the seed, what broke, and how to see it again."""
        lines = [f"seed {self.seed} broke {len(self.broken)} invariants"]
        for name, told in self.broken.items():
            lines += [f"  {name}:", *(f"    {one}" for one in told[:5])]
        return "\n".join([*lines, f"see it again: make simulate FROM={self.seed} SEEDS=1 ARGS=--trace"])


def simulate(seed: int, desk: Desk, *, bug: Bug | None = None) -> Outcome:
    """Run one seed and judge it.

    Parameters
    ----------
    seed
        Which schedule.
    desk
        A prepared database; what earlier runs left is removed first.
    bug
        What to plant.

    Returns
    -------
    Outcome
    """
    loop = VirtualLoop()
    try:
        clock = VirtualClock(loop)
        desk.begin(clock)
        world = World(seed, loop, desk, clock, bug)
        return loop.run_until_complete(_judged(world))
    finally:
        loop.close()
        structlog.reset_defaults()


async def _judged(world: World) -> Outcome:
    await play(world)
    record = Record(world.desk, Process("judge", world), Chance(0, is_calm=True), Rates(0, 0, 0, 0, 0))
    found = await read_record(record, world.desk.monitor)
    broken = judge(world, found)
    world.trace += _logs(world)
    counts = world.counts
    counts["orders"] = len(found.rows)
    counts["venue orders"] = len(world.exchange.orders)
    counts["fills"] = len(found.fills)
    for status, n in Counter(str(one.status) for one in found.rows).items():
        counts[f"orders {status}"] = n
    return Outcome(world.seed, broken, world.trace, world.chance.faults, counts, world.loop.time())


def _logs(world: World) -> list[str]:
    """The logs of all orders, for whoever reads the trace."""
    rows = world.desk.monitor.execute(_LOGS).fetchall()
    return ["", *(f"order {row[0]} {row[1]:3d} {row[2]} {row[3]:14} {row[4]}" for row in rows)]
