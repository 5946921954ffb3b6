"""Everything of one account in PostgreSQL, read to be added up again, and replaced by what it adds up to."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from marketsentry.adapters.postgres.fill_rows import fill_of_row
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.account.differences import StoredBook
from marketsentry.core.account.entries import Entry, EntryKind
from marketsentry.core.account.equity import Equity
from marketsentry.core.account.position import Position
from marketsentry.core.account.rebuild import Marked, Rebuilt, RebuiltMark, Record, Trip
from marketsentry.core.orders.order import Side
from marketsentry.ports.accounts import GLOBAL

_RECORDS = """
SELECT entry.id, entry.strategy_id, entry.track, entry.kind, entry.target, entry.currency, entry.amount, entry.fill_id,
       entry.reference, entry.at, fills.side, fills.venue_trade_id, fills.qty, fills.price, fills.fee,
       fills.fee_currency, fills.fee_quote, fills.filled_at
FROM ledger_entries AS entry LEFT JOIN fills ON fills.id = entry.fill_id
WHERE entry.account_id = %(account_id)s AND entry.id > %(after_id)s
ORDER BY entry.id
LIMIT %(limit)s
"""

_MARKS = """
SELECT id, strategy_id, track, at, ledger_id, marks, cash_quote, gross_quote, equity_quote, peak_quote, day_start_quote
FROM equity_snapshots WHERE account_id = %(account_id)s ORDER BY id
"""

_POSITIONS = """
SELECT strategy_id, target, qty, average_price, realised_quote, fee_quote, funding_quote, trip_quote, n_trips,
       losing_streak
FROM positions WHERE account_id = %(account_id)s
"""

_CASH = "SELECT strategy_id, currency, amount FROM cash_balances WHERE account_id = %(account_id)s"

_TRIPS = """
SELECT strategy_id, track, target, fill_id, gain_quote, ended_at
FROM round_trips WHERE account_id = %(account_id)s ORDER BY id
"""

_DROP_POSITIONS = """
DELETE FROM positions
WHERE account_id = %(account_id)s
  AND (strategy_id, target) NOT IN (SELECT * FROM unnest(%(strategy_ids)s::text[], %(targets)s::text[]))
"""

_PUT_POSITIONS = """
INSERT INTO positions (account_id, strategy_id, target, track, qty, average_price, realised_quote, fee_quote,
                       funding_quote, trip_quote, n_trips, losing_streak)
SELECT %(account_id)s, built.*
FROM unnest(%(strategy_ids)s::text[], %(targets)s::text[], %(tracks)s::text[], %(qty)s::numeric[],
            %(average_price)s::numeric[], %(realised_quote)s::numeric[], %(fee_quote)s::numeric[],
            %(funding_quote)s::numeric[], %(trip_quote)s::numeric[], %(n_trips)s::integer[],
            %(losing_streak)s::integer[]) AS built
ON CONFLICT (account_id, strategy_id, target) DO UPDATE
SET qty = excluded.qty, average_price = excluded.average_price, realised_quote = excluded.realised_quote,
    fee_quote = excluded.fee_quote, funding_quote = excluded.funding_quote, trip_quote = excluded.trip_quote,
    n_trips = excluded.n_trips, losing_streak = excluded.losing_streak, updated_at = now()
"""

_DROP_CASH = "DELETE FROM cash_balances WHERE account_id = %(account_id)s"

_PUT_CASH = """
INSERT INTO cash_balances (account_id, strategy_id, track, currency, amount)
SELECT %(account_id)s, built.*
FROM unnest(%(strategy_ids)s::text[], %(tracks)s::text[], %(currencies)s::text[], %(amounts)s::numeric[]) AS built
"""

_DROP_TRIPS = "DELETE FROM round_trips WHERE account_id = %(account_id)s"

_PUT_TRIPS = """
INSERT INTO round_trips (account_id, strategy_id, track, target, fill_id, gain_quote, ended_at)
SELECT %(account_id)s, built.strategy_id, built.track, built.target, built.fill_id, built.gain_quote, built.ended_at
FROM unnest(%(strategy_ids)s::text[], %(tracks)s::text[], %(targets)s::text[], %(fill_ids)s::bigint[],
            %(gains)s::numeric[], %(times)s::timestamptz[]) WITH ORDINALITY
     AS built (strategy_id, track, target, fill_id, gain_quote, ended_at, place)
ORDER BY built.place
"""

_PUT_MARKS = """
UPDATE equity_snapshots AS stored
SET cash_quote = built.cash_quote, gross_quote = built.gross_quote, equity_quote = built.equity_quote,
    peak_quote = built.peak_quote, day_start_quote = built.day_start_quote
FROM unnest(%(ids)s::bigint[], %(cash)s::numeric[], %(gross)s::numeric[], %(equities)s::numeric[],
            %(peaks)s::numeric[], %(day_starts)s::numeric[])
     AS built (id, cash_quote, gross_quote, equity_quote, peak_quote, day_start_quote)
WHERE stored.id = built.id AND stored.account_id = %(account_id)s
"""

_POSITION_COLUMNS = (
    "qty",
    "average_price",
    "realised_quote",
    "fee_quote",
    "funding_quote",
    "trip_quote",
    "n_trips",
    "losing_streak",
)


class PostgresAccountAudit:
    """`AccountAudit` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def records(self, account_id: int, *, after_id: int, limit: int) -> Sequence[Record]:
        """Read ledger entries with the fills behind them; see `AccountAudit.records`."""
        given = {"account_id": account_id, "after_id": after_id, "limit": limit}
        return [ledger_record(row) for row in await self._statements.rows(_RECORDS, given)]

    async def marked(self, account_id: int) -> Sequence[Marked]:
        """Read when equity was marked, by id."""
        return [
            Marked(
                id=row["id"],
                strategy_id=None if row["strategy_id"] == GLOBAL else row["strategy_id"],
                track=row["track"],
                at=row["at"],
                ledger_id=row["ledger_id"],
                marks={name: Decimal(price) for name, price in row["marks"].items()},
            )
            for row in await self._statements.rows(_MARKS, {"account_id": account_id})
        ]

    async def stored(self, account_id: int) -> StoredBook:
        """Read positions, cash, round trips and equity as they are."""
        given = {"account_id": account_id}
        return StoredBook(
            positions={
                (row.pop("strategy_id"), row.pop("target")): Position(**row)
                for row in await self._statements.rows(_POSITIONS, given)
            },
            cash={
                (row["strategy_id"], row["currency"]): row["amount"]
                for row in await self._statements.rows(_CASH, given)
            },
            trips=[Trip(**row) for row in await self._statements.rows(_TRIPS, given)],
            marks={
                row["id"]: RebuiltMark(
                    Equity(row["at"], row["equity_quote"], row["peak_quote"], row["day_start_quote"]),
                    row["cash_quote"],
                    row["gross_quote"],
                )
                for row in await self._statements.rows(_MARKS, given)
            },
        )

    async def replace(self, account_id: int, built: Rebuilt) -> None:
        """Write what was rebuilt; see `AccountAudit.replace`."""
        await self._replace_positions(account_id, built)
        cash = [
            (strategy_id, book.track, currency, amount)
            for strategy_id, book in built.books.items()
            for currency, amount in book.cash.items()
        ]
        await self._statements.send(_DROP_CASH, {"account_id": account_id})
        await self._statements.send(
            _PUT_CASH,
            {"account_id": account_id, **_columns(("strategy_ids", "tracks", "currencies", "amounts"), cash)},
        )
        await self._statements.send(_DROP_TRIPS, {"account_id": account_id})
        await self._statements.send(
            _PUT_TRIPS,
            {
                "account_id": account_id,
                "strategy_ids": [trip.strategy_id for trip in built.trips],
                "tracks": [trip.track for trip in built.trips],
                "targets": [trip.target for trip in built.trips],
                "fill_ids": [trip.fill_id for trip in built.trips],
                "gains": [trip.gain_quote for trip in built.trips],
                "times": [trip.ended_at for trip in built.trips],
            },
        )
        marks = [
            (
                number,
                mark.cash_quote,
                mark.gross_quote,
                mark.equity.equity_quote,
                mark.equity.peak_quote,
                mark.equity.day_start_quote,
            )
            for number, mark in built.marks.items()
            if mark is not None
        ]
        names = ("ids", "cash", "gross", "equities", "peaks", "day_starts")
        await self._statements.send(_PUT_MARKS, {"account_id": account_id, **_columns(names, marks)})

    async def _replace_positions(self, account_id: int, built: Rebuilt) -> None:
        held = [
            (strategy_id, target, book.track, *(getattr(position, name) for name in _POSITION_COLUMNS))
            for strategy_id, book in built.books.items()
            for target, position in book.positions.items()
        ]
        names = ("strategy_ids", "targets", "tracks", *_POSITION_COLUMNS)
        given = {"account_id": account_id, **_columns(names, held)}
        await self._statements.send(_DROP_POSITIONS, given)
        await self._statements.send(_PUT_POSITIONS, given)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def ledger_record(row: Mapping[str, Any]) -> Record:
    """Make an entry of a row that has its columns, with the fill behind a trade or a fee."""
    entry = Entry(
        EntryKind(row["kind"]),
        row["currency"],
        row["amount"],
        row["reference"],
        row["at"],
        row["target"],
        row["fill_id"],
    )
    if row["fill_id"] is None:
        return Record(row["id"], row["strategy_id"], row["track"], entry)
    return Record(row["id"], row["strategy_id"], row["track"], entry, Side(row["side"]), fill_of_row(row))
