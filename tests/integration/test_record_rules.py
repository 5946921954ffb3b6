"""What must be true of the record is held by the schema, whoever writes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

BAR = {
    "symbol": "BTC",
    "timeframe": "5m",
    "ts": datetime(2024, 3, 1, tzinfo=UTC),
    "open": 10.0,
    "high": 12.0,
    "low": 9.0,
    "close": 11.0,
    "volume": 1.0,
    "known_at": datetime(2024, 3, 1, 0, 5, tzinfo=UTC),
}


def insert(connection: psycopg.Connection[Any], table: str, **values: object) -> int:
    columns = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id"
    row = connection.execute(statement.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def connection(module_database_url: str) -> Any:
    with psycopg.connect(module_database_url) as opened:
        yield opened
        opened.rollback()


@pytest.mark.parametrize(
    ("year", "partition"),
    [
        (2010, "market_bars_2010"),
        (2024, "market_bars_2024"),
        (2035, "market_bars_2035"),
        (1999, "market_bars_other"),
    ],
)
def test_bars_lie_in_the_partition_of_their_year(
    connection: psycopg.Connection[Any], year: int, partition: str
) -> None:
    ts = datetime(year, 6, 1, tzinfo=UTC)
    insert(connection, "market_bars", **BAR | {"ts": ts, "known_at": ts + timedelta(minutes=5)})
    assert connection.execute("SELECT tableoid::regclass::text FROM market_bars").fetchall() == [(partition,)]


MONEY = ("decisions", "orders_sim", "fills", "ledger_entries", "cash_balances", "positions", "round_trips")


def test_money_and_quantities_are_decimals_and_name_their_currency(
    connection: psycopg.Connection[Any],
) -> None:
    """K-12."""
    types = connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = ANY(%s)",
        [[*MONEY, "equity_snapshots", "accounts"]],
    ).fetchall()
    assert [row for row in types if row[2] in ("double precision", "real")] == []
    decimals = {f"{row[0]}.{row[1]}" for row in types if row[2] == "numeric"}
    assert decimals >= {
        *("decisions.capital", "orders_sim.quantity", "orders_sim.base_quantity", "orders_sim.notional"),
        *("orders_sim.est_price", "orders_sim.filled_qty", "fills.qty", "fills.price", "fills.fee"),
        *("fills.fee_quote", "ledger_entries.amount", "cash_balances.amount", "positions.qty"),
        *("positions.average_price", "positions.realised_quote", "round_trips.gain_quote"),
        *("equity_snapshots.equity_quote", "equity_snapshots.cash_quote"),
    }
    currencies = {f"{row[0]}.{row[1]}": row[3] for row in types if row[1].endswith("currency")}
    assert currencies == dict.fromkeys(
        ("accounts.currency", "fills.fee_currency", "ledger_entries.currency", "cash_balances.currency"), "NO"
    )


def test_a_read_of_one_month_touches_one_partition(connection: psycopg.Connection[Any]) -> None:
    plan = connection.execute(
        "EXPLAIN SELECT ts FROM market_bars WHERE symbol = 'BTC' AND timeframe = '5m' "
        "AND ts >= '2024-03-01+00' AND ts < '2024-04-01+00'"
    ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "market_bars_2024" in text
    assert "market_bars_2023" not in text
    assert "market_bars_other" not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": -1.0},
        {"low": 0.0},
        {"low": 13.0},
        {"high": float("nan")},
        {"close": float("nan")},
        {"open": float("inf")},
        {"close": 0.0},
        {"volume": -1.0},
        {"volume": float("nan")},
        {"known_at": BAR["ts"]},
    ],
    ids=str,
)
def test_a_bar_that_cannot_be_is_refused(
    connection: psycopg.Connection[Any], wrong: dict[str, object]
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(connection, "market_bars", **BAR | wrong)


def test_a_bar_is_stored_once(connection: psycopg.Connection[Any]) -> None:
    insert(connection, "market_bars", **BAR)
    with pytest.raises(errors.UniqueViolation):
        insert(connection, "market_bars", **BAR | {"source": "elsewhere"})


def test_the_chain_from_prediction_to_data_is_made_of_foreign_keys(
    connection: psycopg.Connection[Any],
) -> None:
    rows = connection.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint "
        "WHERE contype = 'f' AND conparentid = 0"
    ).fetchall()
    assert {
        ("prediction_explanations", "predictions_v2"),
        ("predictions_v2", "feature_snapshots"),
        ("predictions_v2", "model_registry"),
        ("model_registry", "datasets"),
        ("model_registry", "lineages"),
        ("feature_snapshots", "datasets"),
        ("backtest_runs", "model_registry"),
        ("event_links", "events"),
        ("event_links", "entities"),
        ("data_quality_audit", "events"),
        ("data_quality_review_logs", "data_quality_audit"),
    } <= set(rows)


def test_a_model_of_an_unknown_lineage_is_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        insert(
            connection,
            "model_registry",
            model_name="m",
            track="liquid",
            model_version="1",
            artifact_path="p",
            artifact_sha256="0" * 64,
            train_lineage_id="nobody",
        )


@pytest.mark.parametrize("change", ["UPDATE trials SET kind = 'x'", "DELETE FROM trials", "TRUNCATE trials"])
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_trials_only_grow_whoever_owns_them(
    connection: psycopg.Connection[Any], change: str, role: str
) -> None:
    insert(connection, "trials", track="liquid", kind="train", model_name="m", params_hash="h")
    owner = connection.execute("SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'trials'")
    assert owner.fetchone() == (True,), "revoking a right would not bind the owner"
    connection.execute(f"SET LOCAL session_replication_role = {role}".encode())
    with pytest.raises(errors.RestrictViolation, match="trials is append-only"):
        connection.execute(change.encode())


def test_the_newest_indicators_are_one_row_per_symbol(connection: psycopg.Connection[Any]) -> None:
    for symbol, hour in (("BTC", 1), ("BTC", 3), ("BTC", 2), ("ETH", 1)):
        insert(
            connection,
            "technical_indicators",
            symbol=symbol,
            timestamp=datetime(2024, 1, 1, hour, tzinfo=UTC),
        )
    rows = connection.execute(
        "SELECT symbol, extract(hour FROM timestamp)::int FROM technical_indicators_latest"
    )
    assert sorted(rows.fetchall()) == [("BTC", 3), ("ETH", 1)]
