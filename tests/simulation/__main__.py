"""Run seeds of the simulation: `python -m simulation --seeds 200 --from 0`; one line of progress, then the figures."""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from lent_databases import copy, url_of
from marketsentry.adapters.embedded import EmbeddedEngines
from marketsentry.adapters.postgres import migrate
from simulation.desk import prepare
from simulation.run import Outcome
from simulation.workers import run_here, take_database


def main() -> int:
    """Run what the command line asks for; 1 when a seed broke something."""
    asked = _arguments()
    seeds = range(asked.first, asked.first + asked.seeds)
    started, faults, counts = time.monotonic(), Counter[str](), Counter[str]()
    broken: list[Outcome] = []
    with _databases(asked.jobs) as urls, _pool(urls) as pool:
        waiting = [pool.submit(run_here, seed) for seed in seeds]
        for n, done in enumerate(as_completed(waiting), 1):
            outcome = done.result()
            faults += outcome.faults
            counts += outcome.counts
            if not outcome.is_green:
                broken.append(outcome)
                _say(f"\r{outcome.report()}\n")
            if asked.trace:
                _say("\n".join(outcome.trace) + "\n")
            took = time.monotonic() - started
            _say(
                f"\r{n}/{len(seeds)} seeds, {len(broken)} broken, {sum(faults.values())} faults, {took:.0f} s"
            )
    _say("\n\n" + _table("what happened", counts) + _table("faults", faults))
    if broken:
        _say(
            f"\nbroken seeds: {', '.join(str(one.seed) for one in sorted(broken, key=lambda one: one.seed))}\n"
        )
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--trace", action="store_true", help="print what happened in each run")
    return parser.parse_args()


@contextmanager
def _databases(n: int) -> Iterator[list[str]]:
    """Prepared databases on a PostgreSQL of their own."""
    with tempfile.TemporaryDirectory() as home, EmbeddedEngines(Path(home) / "engines") as engines:
        server = engines.urls.database_url
        template = "simulation_template"
        copy(server, template, "template1")
        migrate.upgrade(url_of(server, template))
        urls = []
        for number in range(n):
            copy(server, f"simulation_{number}", template)
            urls.append(url_of(server, f"simulation_{number}"))
            prepare(urls[-1])
        yield urls


def _pool(urls: list[str]) -> ProcessPoolExecutor:
    """One worker for each database."""
    context = multiprocessing.get_context("spawn")
    given = context.Queue()
    for url in urls:
        given.put(url)
    return ProcessPoolExecutor(len(urls), context, take_database, (given,))


def _table(title: str, counts: Counter[str]) -> str:
    return f"{title}:\n" + "".join(f"  {n:8d}  {name}\n" for name, n in sorted(counts.items()))


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
