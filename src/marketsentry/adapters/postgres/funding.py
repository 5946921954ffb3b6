"""Payments for positions in PostgreSQL: which are booked, and who held what when one was due."""

from collections.abc import Sequence
from datetime import datetime

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.account.entries import EntryKind
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.funding import Holding

_DUE_SINCE = """
SELECT coalesce(
    (SELECT max(at) FROM ledger_entries WHERE account_id = %(account_id)s AND kind = %(kind)s),
    (SELECT min(filled_at) FROM fills WHERE account_id = %(account_id)s)
)
"""

_BOOKED = """
SELECT DISTINCT reference FROM ledger_entries
WHERE account_id = %(account_id)s AND kind = %(kind)s AND reference = ANY(%(references)s::text[])
"""

_HELD_AT = """
WITH later AS (
    SELECT strategy_id, sum(CASE side WHEN 'buy' THEN qty ELSE -qty END) AS qty
    FROM fills
    WHERE account_id = %(account_id)s AND target = %(target)s AND filled_at > %(at)s
    GROUP BY strategy_id
)
SELECT strategy_id, track, positions.qty - coalesce(later.qty, 0) AS qty
FROM positions LEFT JOIN later USING (strategy_id)
WHERE account_id = %(account_id)s AND target = %(target)s AND positions.qty <> coalesce(later.qty, 0)
ORDER BY strategy_id
"""


class PostgresFundingStore:
    """`FundingStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def due_since(self, account_id: int) -> datetime | None:
        """Tell from when on payments may not be booked yet; see `FundingStore.due_since`."""
        given = {"account_id": account_id, "kind": EntryKind.FUNDING}
        due: list[tuple[datetime | None]] = await self._statements.tuples(_DUE_SINCE, given)
        return due[0][0]

    async def booked(self, account_id: int, references: Sequence[str]) -> frozenset[str]:
        """Tell which references have entries; see `FundingStore.booked`."""
        given = {"account_id": account_id, "kind": EntryKind.FUNDING, "references": list(references)}
        return frozenset(one for (one,) in await self._statements.tuples(_BOOKED, given))

    async def held_at(self, account_id: int, target: str, at: datetime) -> Sequence[Holding]:
        """Read who held a target at a time; see `FundingStore.held_at`."""
        given = {"account_id": account_id, "target": target, "at": at}
        rows = await self._statements.tuples(_HELD_AT, given)
        return [Holding(SubLedger(account_id, strategy, track), qty) for strategy, track, qty in rows]
