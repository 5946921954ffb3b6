"""Pages of positions, fills, ledger entries and equity in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from marketsentry.adapters.postgres.accounts import equity_mark, held_position
from marketsentry.adapters.postgres.fill_rows import fill_of_row
from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.core.account.entries import Entry, EntryKind
from marketsentry.core.orders.order import Side
from marketsentry.ports.account_lists import (
    BookedEntry,
    BookedFill,
    ListedMark,
    ListedPosition,
    PositionKey,
    Wanted,
)
from marketsentry.ports.accounts import SubLedger

_POSITIONS = (
    ANEW
    + """
SELECT account_id, strategy_id, track, target, qty, average_price, realised_quote, fee_quote, funding_quote,
       trip_quote, n_trips, losing_streak, mark_price, marked_at, updated_at
FROM positions
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (qty <> 0 OR NOT %(open_only)s)
  AND (%(after_account)s::bigint IS NULL
       OR (account_id, strategy_id, target) > (%(after_account)s, %(after_strategy)s::text, %(after_target)s::text))
ORDER BY account_id, strategy_id, target
LIMIT %(limit)s
"""
)

_FILLS = (
    ANEW
    + """
SELECT id, account_id, strategy_id, track, order_id, decision_id, target, side, qty, price, fee, fee_currency,
       fee_quote, reference_price, liquidity, client_order_id, venue_trade_id, filled_at
FROM fills
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(decision_id)s::text IS NULL OR decision_id = %(decision_id)s)
  AND (%(order_id)s::bigint IS NULL OR order_id = %(order_id)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)

_ENTRIES = (
    ANEW
    + """
SELECT id, account_id, strategy_id, track, kind, target, currency, amount, fill_id, reference, at
FROM ledger_entries
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)

_EQUITY = (
    ANEW
    + """
SELECT id, at, equity_quote, peak_quote, day_start_quote, cash_quote, gross_quote, ledger_id, marks, decision_id
FROM equity_snapshots
WHERE account_id = %(account_id)s AND track = %(track)s AND strategy_id = %(strategy_id)s
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)


class PostgresAccountLists:
    """`AccountLists` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def positions(
        self, wanted: Wanted, *, open_only: bool, after: PositionKey | None, limit: int
    ) -> Sequence[ListedPosition]:
        """List positions by account, strategy and target; see `AccountLists.positions`."""
        given = {
            **_filter(wanted),
            "open_only": open_only,
            "after_account": None if after is None else after.account_id,
            "after_strategy": None if after is None else after.strategy_id,
            "after_target": None if after is None else after.target,
            "limit": limit,
        }
        rows = await self._statements.rows(_POSITIONS, given)
        return [ListedPosition(held_position(row), row["updated_at"]) for row in rows]

    async def fills(
        self,
        wanted: Wanted,
        *,
        decision_id: str | None,
        order_id: int | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[BookedFill]:
        """List fills, newest first."""
        given = {
            **_filter(wanted),
            "decision_id": decision_id,
            "order_id": order_id,
            "before_id": before_id,
            "limit": limit,
        }
        return [_fill(row) for row in await self._statements.rows(_FILLS, given)]

    async def entries(self, wanted: Wanted, *, before_id: int | None, limit: int) -> Sequence[BookedEntry]:
        """List ledger entries, newest first."""
        given = {**_filter(wanted), "before_id": before_id, "limit": limit}
        return [
            BookedEntry(
                row["id"],
                _ledger(row),
                Entry(
                    EntryKind(row["kind"]),
                    row["currency"],
                    row["amount"],
                    row["reference"],
                    row["at"],
                    row["target"],
                    row["fill_id"],
                ),
            )
            for row in await self._statements.rows(_ENTRIES, given)
        ]

    async def equity(self, ledger: SubLedger, *, before_id: int | None, limit: int) -> Sequence[ListedMark]:
        """List what a sub-ledger was worth, newest first."""
        given = {
            "account_id": ledger.account_id,
            "strategy_id": ledger.strategy_id,
            "track": ledger.track,
            "before_id": before_id,
            "limit": limit,
        }
        return [
            ListedMark(row["id"], ledger, equity_mark(row))
            for row in await self._statements.rows(_EQUITY, given)
        ]


def _filter(wanted: Wanted) -> dict[str, Any]:
    return {
        "account_id": wanted.account_id,
        "track": wanted.track,
        "strategy_id": wanted.strategy_id,
        "target": wanted.target,
    }


def _ledger(row: Mapping[str, Any]) -> SubLedger:
    return SubLedger(row["account_id"], row["strategy_id"], row["track"])


def _fill(row: Mapping[str, Any]) -> BookedFill:
    return BookedFill(
        row["id"],
        _ledger(row),
        row["order_id"],
        row["decision_id"],
        row["target"],
        Side(row["side"]),
        row["client_order_id"],
        fill_of_row(row),
        row["fee_quote"],
    )
