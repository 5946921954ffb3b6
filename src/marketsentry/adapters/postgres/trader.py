"""States of traders in PostgreSQL."""

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.exceptions import ConflictError
from marketsentry.ports.trader import TraderState

_GET = """
SELECT bar_end, state FROM trader_states WHERE strategy_id = %(strategy_id)s AND account_id = %(account_id)s
"""

_PUT = """
INSERT INTO trader_states AS kept (strategy_id, account_id, bar_end, state)
VALUES (%(strategy_id)s, %(account_id)s, %(bar_end)s, %(state)s)
ON CONFLICT (strategy_id, account_id) DO UPDATE
SET bar_end = excluded.bar_end, state = excluded.state, updated_at = now()
WHERE kept.bar_end < excluded.bar_end
RETURNING 1
"""


class PostgresTraderStore:
    """`TraderStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get(self, strategy_id: str, account_id: int) -> TraderState | None:
        """Read the state; see `TraderStore.get`."""
        row = await self._statements.row(_GET, {"strategy_id": strategy_id, "account_id": account_id})
        return None if row is None else TraderState(bar_end=row["bar_end"], document=row["state"])

    async def put(self, strategy_id: str, account_id: int, state: TraderState) -> None:
        """Replace the state; see `TraderStore.put`."""
        given = {
            "strategy_id": strategy_id,
            "account_id": account_id,
            "bar_end": state.bar_end,
            "state": Jsonb(dict(state.document)),
        }
        if await self._statements.row(_PUT, given) is None:
            raise ConflictError(
                f"strategy {strategy_id} has traded the bar that ended at {state.bar_end:%Y-%m-%dT%H:%MZ} before: "
                "another trader runs it"
            )
