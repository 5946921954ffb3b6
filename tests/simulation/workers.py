"""What runs in the worker processes of `python -m simulation`: each has a database of its own."""

from multiprocessing import Queue

from simulation.desk import Desk
from simulation.run import Outcome, simulate

_desk: list[Desk] = []


def take_database(given: "Queue[str]") -> None:
    """Take the database of this worker."""
    _desk.append(Desk(given.get()))


def run_here(seed: int) -> Outcome:
    """Run a seed on it."""
    return simulate(seed, _desk[-1])
