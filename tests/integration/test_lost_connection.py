"""A connection that PostgreSQL ends leaves nothing behind in the event loop: its number goes to whatever opens next.

A loop that still held the number of the closed socket never heard the next one: a server that had come back, a venue
or a client was waited for without end.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import psycopg
import pytest
import uvloop

from marketsentry.adapters.postgres.database import Database

_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def _lose_a_connection(database: Database, database_url: str) -> int:
    """Lose the connection while an answer is waited for; the number that its socket had."""
    async with database.connection() as connection:
        number = connection.fileno()
        asleep = asyncio.create_task(connection.statements().rows("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        with psycopg.connect(database_url) as other:
            other.execute(_END_OTHERS)
        with pytest.raises(psycopg.OperationalError):
            await asleep
        assert connection.closed
    return number


@contextmanager
def _socket_with(number: int) -> Iterator[socket.socket]:
    """Open sockets until one has that number; yield the other end of it."""
    opened: list[socket.socket] = []
    try:
        while number not in [one.fileno() for one in opened]:
            opened += socket.socketpair()
        place = [one.fileno() for one in opened].index(number)
        yield opened[place ^ 1]
    finally:
        for one in opened:
            one.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["verbs", "roles"])
def test_the_next_socket_of_the_same_number_is_heard(
    database_url: str, run: Callable[[Coroutine[None, None, None]], None]
) -> None:
    async def lose_and_listen() -> None:
        async with Database(database_url) as database:
            number = await _lose_a_connection(database, database_url)
            loop, heard = asyncio.get_running_loop(), asyncio.Event()
            with _socket_with(number) as other_end:
                loop.add_reader(number, heard.set)
                other_end.send(b"here I am")
                async with asyncio.timeout(5):
                    await heard.wait()
                loop.remove_reader(number)

    run(lose_and_listen())
