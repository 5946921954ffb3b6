"""The PostgreSQL of simulations: its clock is virtual, it is emptied between runs, its connections serve many runs."""

import os
import select
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from marketsentry.ports import Clock
from simulation.connection import Connection, Line, Messages
from simulation.loop import START

TABLES = (
    "accounts", "decisions", "signal_candidates", "orders_sim", "order_events", "fills", "ledger_entries",
    "round_trips", "positions", "cash_balances", "equity_snapshots", "positions_snapshots", "trader_states", "outbox",
    "paper_orders", "risk_events", "risk_control_state", "kill_switch_events",
)  # fmt: skip
_GUARDED = ("order_events", "fills", "ledger_entries", "kill_switch_events", "risk_events")
# Found before those of the catalogue, so that leases and switches live on the clock of the simulation: a file that
# the server reads, which tells the time after a wait for a lock, too.
_CLOCK = """
CREATE SCHEMA sim;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_read_file({file})::timestamptz $$;
CREATE FUNCTION sim.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_read_file({file})::timestamptz $$;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_read_file({file})::timestamptz $$
"""
_EMPTY = """
CREATE FUNCTION sim.empty() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica
    AS $$ BEGIN {deletes} {restarts} END $$
"""
_SEQUENCES = """
SELECT s.seqrelid::regclass::text, s.seqstart
FROM pg_sequence AS s JOIN pg_depend AS d ON d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
WHERE d.refobjid = ANY(%(tables)s::regclass[])
"""
_PRICE = """
INSERT INTO prices (symbol, price, timestamp, source, known_at)
SELECT symbol, price, at, 'test', at
FROM (VALUES ('BTC', 100.0), ('ETH', 20.0)) AS known (symbol, price),
     generate_series(%(start)s - interval '63 minutes', %(start)s, interval '1 minute') AS at
"""
_OPTIONS = "-c search_path=sim,public,pg_catalog -c timezone=UTC -c synchronous_commit=off -c client_min_messages=error"
# A schedule is that of its seed: nothing tidies up beside it. The rest is told for nobody, with every statement.
_NOT_NEEDED = ("autovacuum", "track_counts", "track_activities", "update_process_title")
_PATIENCE_MS = 2
_BLOCKED = b"SELECT cardinality(pg_blocking_pids($1::int)) > 0"
_IS_THERE = "SELECT count(*) FROM pg_stat_get_activity(%s)"
_RUNS_UNTIL_TRUNCATED = 100  # what is deleted still takes room


def prepare(url: str) -> None:
    """Give a migrated database the clock of simulations and a market; its rows may be emptied between runs."""
    with psycopg.connect(url, autocommit=True) as connection:
        file = sql.Literal(_clock_file(connection).name)
        connection.execute(sql.SQL(_CLOCK).format(file=file))
        connection.execute(_PRICE, {"start": START})
        for table in _GUARDED:  # they guard against the product, not against what empties its tables
            connection.execute(f"DROP TRIGGER {table}_are_not_truncated ON {table}")
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_are_append_only")
        sequences = connection.execute(_SEQUENCES, {"tables": list(TABLES)}).fetchall()
        deletes = " ".join(f"DELETE FROM {table};" for table in TABLES)
        restarts = " ".join(f"PERFORM setval('{name}', {first}, false);" for name, first in sequences)
        connection.execute(_EMPTY.format(deletes=deletes, restarts=restarts))
        for name in _NOT_NEEDED:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


def _clock_file(connection: psycopg.Connection[Any]) -> Path:
    row = connection.execute("SELECT current_setting('data_directory'), current_database()").fetchone()
    assert row is not None
    return Path(row[0]) / f"virtual-clock-{row[1]}"


class Desk:
    """A prepared database, and one connection to it that sees everything and takes no time.

    Parameters
    ----------
    url
        Of the database; nobody else uses it.
    """

    def __init__(self, url: str) -> None:
        self._url = make_conninfo(url, options=_OPTIONS)
        self.monitor = psycopg.connect(self._url, autocommit=True)
        self._clock_file = os.open(_clock_file(self.monitor), os.O_WRONLY | os.O_CREAT, 0o644)
        self._clock: Clock | None = None
        self._told: datetime | None = None
        self._free: list[Connection] = []
        self._taken: dict[Connection, None] = {}
        self._blocked: dict[Messages, None] = {}
        self._n_runs = 0
        self._is_rested, self._is_freeing = True, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (*self._free, *self._taken):
            connection.pgconn.finish()
        self.monitor.close()
        os.close(self._clock_file)

    def begin(self, clock: Clock) -> None:
        """Begin a run on an empty record."""
        self._blocked.clear()
        for connection in list(self._taken):  # of those who never came to their end
            self.throw_away(connection)
        self._clock = clock
        self.tell_time()
        if self._n_runs % _RUNS_UNTIL_TRUNCATED == 0:
            self.monitor.execute(f"TRUNCATE {', '.join(TABLES)}")
        self._n_runs += 1
        self.monitor.execute("SELECT sim.empty()")

    def take(self, line: Line) -> Connection:
        """A connection that nobody uses."""
        connection = self._free.pop() if self._free else self._connected()
        connection.line = line
        self._taken[connection] = None
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a connection without a transaction for the next one."""
        del self._taken[connection]
        self._free.append(connection)

    def undo(self, connection: Connection) -> None:
        """Undo what a connection had begun that nobody uses any more, and take it for the next one."""
        server = connection.pgconn
        if server.pipeline_status:
            server.exit_pipeline_mode()
        if server.transaction_status != pq.TransactionStatus.IDLE:
            server.exec_(b"ROLLBACK")
        connection.plans = None
        self.give_back(connection)
        self._free_others()

    def throw_away(self, connection: Connection) -> None:
        """Close a connection, and wait for real until the server has undone what it had begun."""
        del self._taken[connection]
        self._blocked = {one: None for one in self._blocked if one.connection is not connection}
        server = connection.pgconn
        pid = server.backend_pid
        server.get_cancel().cancel()
        server.finish()
        while self.monitor.execute(_IS_THERE, (pid,)).fetchone() != (0,):
            pass
        self._free_others()

    def tell_time(self) -> None:
        """Set the clock of the server."""
        assert self._clock is not None
        now = self._clock.now()
        if now != self._told:
            os.pwrite(self._clock_file, now.isoformat(timespec="microseconds").encode(), 0)
            self._told = now

    def has_answer(self, connection: Connection) -> bool:
        """Wait for real until there is something to read, or say that it waits for another transaction."""
        look = select.poll()
        look.register(connection.pgconn.socket, select.POLLIN)
        while not look.poll(_PATIENCE_MS):
            pid = b"%d" % connection.pgconn.backend_pid
            if self.monitor.pgconn.exec_params(_BLOCKED, [pid]).get_value(0, 0) == b"t":
                return False
        return True

    def wait_until_rested(self, statements: Messages) -> None:
        """Wait for real until a message is done or waits for a lock, and let those go on that it kept from it."""
        if not statements.go_on():
            self._blocked[statements] = None
        self._free_others()

    def waits(self, statements: Messages) -> bool:
        """Whether a message waits for a lock."""
        return statements in self._blocked

    def _free_others(self) -> None:
        """Let those go on whose lock was given, until nobody more can."""
        self._is_rested = False
        if self._is_freeing:
            return
        self._is_freeing = True
        while not self._is_rested:
            self._is_rested = True
            for statements in list(self._blocked):
                if statements in self._blocked and statements.go_on():
                    self._blocked.pop(statements)
                    self._is_rested = False
        self._is_freeing = False

    def _connected(self) -> Connection:
        raw = pq.PGconn.connect(self._url.encode())
        if raw.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(raw.get_error_message())
        raw.nonblocking = 1
        made = Connection(raw)
        made.server = self
        return made
