"""What runs in the worker processes of `python -m simulation`: each has a database of its own."""

from multiprocessing import Queue

from simulation.run import Outcome, simulate

_database: list[str] = []


def take_database(given: "Queue[str]") -> None:
    """Take the database of this worker."""
    _database.append(given.get())


def run_here(seed: int) -> Outcome:
    """Run a seed on it."""
    return simulate(seed, _database[-1])
