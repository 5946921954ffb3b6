"""A lent database is as a fresh copy of the template, whatever the test before did to it."""

import psycopg
import pytest

from lent_databases import LentDatabases
from marketsentry.adapters.embedded import Engines

EVENT = """
INSERT INTO risk_events (severity, code, message) VALUES ('info', 'test', 'left behind') RETURNING id
"""
LEFT = "SELECT count(*) FROM risk_events"


@pytest.fixture
def lender(engines: Engines, databases: LentDatabases) -> LentDatabases:
    """A lender that has no databases yet."""
    assert databases
    return LentDatabases(engines.database_url, "ms_template")


def test_rows_are_gone_past_the_triggers_that_keep_them_and_numbers_begin_again(
    lender: LentDatabases,
) -> None:
    with lender.lend() as first, psycopg.connect(first) as connection:
        (number,) = connection.execute(EVENT).fetchone() or (0,)
    with lender.lend() as again, psycopg.connect(again) as connection:
        assert connection.execute(LEFT).fetchone() == (0,)
        assert connection.execute(EVENT).fetchone() == (number,)
        connection.commit()
        with pytest.raises(psycopg.errors.RestrictViolation, match="risk_events is append-only"):
            connection.execute("DELETE FROM risk_events")
    assert first == again


def test_orders_begin_at_the_number_of_the_template(lender: LentDatabases) -> None:
    started = "SELECT last_value, is_called FROM orders_sim_id_seq"
    with lender.lend() as first, psycopg.connect(first) as connection:
        before = connection.execute(started).fetchone()
        connection.execute("SELECT nextval('orders_sim_id_seq')")
    with lender.lend() as again, psycopg.connect(again) as connection:
        assert connection.execute(started).fetchone() == before
    assert first == again


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id int)",
        "DROP TABLE outbox",
        "ALTER TABLE trials DISABLE TRIGGER trials_are_append_only",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_a_changed_schema_is_not_lent_again(lender: LentDatabases, change: str) -> None:
    with lender.lend() as first, psycopg.connect(first, autocommit=True) as connection:
        connection.execute(change)
    with lender.lend() as second:
        assert first != second


def test_a_database_that_somebody_still_uses_is_not_lent_again(lender: LentDatabases) -> None:
    with lender.lend() as first:
        left = psycopg.connect(first)
    with lender.lend() as second:
        assert first != second
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
