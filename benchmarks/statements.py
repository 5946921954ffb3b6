"""How many statements a piece of work sends, and what one durable commit costs on the same database."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from benchmarks.rows import percentile
from benchmarks.timing import timed
from marketsentry.bootstrap import System


@dataclass(slots=True)
class Statements:
    """Counted while `counted` lasts. `texts` are the statements in their order."""

    texts: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """How many there were."""
        return len(self.texts)


@contextmanager
def counted() -> Iterator[Statements]:
    """Count the statements of every connection of this process; BEGIN and COMMIT are not among them."""
    found = Statements()
    kept = psycopg.AsyncCursor.execute, psycopg.AsyncCursor.executemany

    async def execute(self, query, params=None, **options):  # type: ignore[no-untyped-def]  # as the driver has it
        found.texts.append(str(query))
        return await kept[0](self, query, params, **options)

    async def executemany(self, query, params_seq, **options):  # type: ignore[no-untyped-def]
        rows = list(params_seq)
        found.texts.extend([str(query)] * len(rows))
        return await kept[1](self, query, rows, **options)

    psycopg.AsyncCursor.execute, psycopg.AsyncCursor.executemany = execute, executemany  # type: ignore[method-assign]
    try:
        yield found
    finally:
        psycopg.AsyncCursor.execute, psycopg.AsyncCursor.executemany = kept  # type: ignore[method-assign]


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
