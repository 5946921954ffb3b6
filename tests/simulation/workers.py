"""What runs in the worker processes of `python -m simulation`: each has a database of its own."""

import faulthandler
from multiprocessing import Queue

from simulation.desk import Desk
from simulation.run import Outcome, simulate

LONGEST_S = 300.0  # a seed takes a second or two; one that hangs ends the run and tells where
_desk: list[Desk] = []


def take_database(given: "Queue[str]") -> None:
    """Take the database of this worker."""
    _desk.append(Desk(given.get()))


def run_here(seed: int) -> Outcome:
    """Run a seed on it."""
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    try:
        return simulate(seed, _desk[-1])
    finally:
        faulthandler.cancel_dump_traceback_later()
