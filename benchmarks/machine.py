"""What one durable commit costs, and how busy the machine is."""

import asyncio
import itertools
import os
from dataclasses import dataclass

import psycopg

from benchmarks.rows import percentile
from benchmarks.timing import timed
from marketsentry.bootstrap import System


@dataclass(frozen=True, slots=True)
class CommitFloor:
    """Seconds of single-row inserts, each durable, on a bare synchronous connection."""

    samples: tuple[float, ...]

    def ms(self, q: float) -> float:
        """The `q` quantile in ms."""
        return 1e3 * percentile(self.samples, q)


async def commit_floor(system: System, n: int = 300) -> CommitFloor:
    """Measure what no durable write on this database can be faster than."""
    async with system.database.connection() as connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_commits (id bigint PRIMARY KEY, at timestamptz NOT NULL)"
        )
        cursor = await connection.execute("SELECT coalesce(max(id), 0) FROM bench_commits")
        first = (await cursor.fetchone() or (0,))[0]
    numbers = itertools.count(first + 1)

    def bare() -> list[float]:
        with psycopg.connect(system.engines.database_url, autocommit=True) as connection:
            return timed(
                lambda: connection.execute("INSERT INTO bench_commits VALUES (%s, now())", (next(numbers),)),
                n,
            )

    return CommitFloor(tuple(await asyncio.to_thread(bare)))


def load_now() -> str:
    """Processes that wanted to run on this machine in the last minute, beside its cores."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
