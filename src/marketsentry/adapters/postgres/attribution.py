"""What the attribution of profit reads of PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from marketsentry.adapters.postgres.account_audit import ledger_record
from marketsentry.adapters.postgres.accounts import equity_mark
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.ports.accounts import EquityMark, SubLedger
from marketsentry.ports.attribution import DecidedWeights, OrderCount, OrderWindow, TradedRecord

_RECORDS = """
SELECT entry.id, entry.strategy_id, entry.track, entry.kind, entry.target, entry.currency, entry.amount, entry.fill_id,
       entry.reference, entry.at, fills.side, fills.venue_trade_id, fills.qty, fills.price, fills.fee,
       fills.fee_currency, fills.fee_quote, fills.filled_at, orders_sim.est_price
FROM ledger_entries AS entry
     LEFT JOIN fills ON fills.id = entry.fill_id
     LEFT JOIN orders_sim ON orders_sim.id = fills.order_id
WHERE entry.account_id = %(account_id)s AND entry.track = %(track)s AND entry.strategy_id = %(strategy_id)s
  AND entry.id > %(after_id)s
ORDER BY entry.id
"""

_MARKS = """
SELECT at, equity_quote, peak_quote, day_start_quote, cash_quote, gross_quote, ledger_id, marks, decision_id
FROM equity_snapshots
WHERE account_id = %(account_id)s AND track = %(track)s AND strategy_id = %(strategy_id)s
  AND (%(after)s::timestamptz IS NULL OR at > %(after)s)
ORDER BY at
"""

_DECIDED = """
WITH decided AS (
    SELECT decision.as_of, decision.created_at, decision.metadata -> 'unconstrained' AS unconstrained, book.weights
    FROM decisions AS decision
         CROSS JOIN LATERAL (
             SELECT jsonb_object_agg(target, weight) AS weights FROM positions_snapshots
             WHERE positions_snapshots.decision_id = decision.decision_id AND positions_snapshots.track = %(track)s
         ) AS book
    WHERE decision.track = %(track)s AND decision.strategy_id = %(strategy_id)s AND decision.is_approved
      AND book.weights IS NOT NULL
)
SELECT as_of, weights, unconstrained
FROM decided
WHERE as_of >= coalesce((SELECT max(as_of) FROM decided WHERE as_of <= %(since)s), '-infinity')
ORDER BY as_of, created_at
"""

_ORDER_COUNTS = """
SELECT target, count(*) AS orders, count(*) FILTER (WHERE status = 'rejected') AS rejected
FROM orders_sim
WHERE track = %(track)s AND created_at >= %(since)s AND created_at <= %(until)s
  AND (account_id IS NULL OR account_id = ANY(%(account_ids)s::bigint[]))
GROUP BY target ORDER BY target
"""


class PostgresAttributionStore:
    """`AttributionStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def records(self, ledger: SubLedger, *, after_id: int) -> Sequence[TradedRecord]:
        """List the entries of a strategy; see `AttributionStore.records`."""
        rows = await self._statements.rows(_RECORDS, {**_key(ledger), "after_id": after_id})
        return [TradedRecord(ledger_record(row), row["est_price"]) for row in rows]

    async def marks(self, ledger: SubLedger, *, after: datetime | None) -> Sequence[EquityMark]:
        """List marks of equity; see `AttributionStore.marks`."""
        return [
            equity_mark(row) for row in await self._statements.rows(_MARKS, {**_key(ledger), "after": after})
        ]

    async def decided(self, ledger: SubLedger, *, since: datetime) -> Sequence[DecidedWeights]:
        """List decided weights; see `AttributionStore.decided`."""
        rows = await self._statements.rows(_DECIDED, {**_key(ledger), "since": since})
        return [DecidedWeights(**row) for row in rows]

    async def order_counts(self, window: OrderWindow) -> Sequence[OrderCount]:
        """Count orders by target; see `AttributionStore.order_counts`."""
        given = {
            "track": window.track,
            "since": window.since,
            "until": window.until,
            "account_ids": list(window.account_ids),
        }
        return [OrderCount(**row) for row in await self._statements.rows(_ORDER_COUNTS, given)]


def _key(ledger: SubLedger) -> dict[str, Any]:
    return {"account_id": ledger.account_id, "strategy_id": ledger.strategy_id, "track": ledger.track}
