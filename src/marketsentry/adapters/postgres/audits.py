"""Results of the data-quality gate and download checkpoints in PostgreSQL."""

from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.ports.audits import AuditRecord, Checkpoint, DownloadKey

_ADD_AUDIT = """
    INSERT INTO data_audits (symbol, timeframe, source, as_of, passed, reasons, result)
    VALUES (%(symbol)s, %(timeframe)s, %(source)s, %(as_of)s, %(passed)s, %(reasons)s, %(result)s)
    RETURNING id
"""

_LAST_AUDIT = """
    SELECT source, as_of, passed, reasons, result
    FROM data_audits
    WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s
    ORDER BY created_at DESC, id DESC
    LIMIT 1
"""

_CHECKPOINT = """
    SELECT next_ts, n_bars, state
    FROM download_checkpoints
    WHERE venue = %(venue)s AND symbol = %(symbol)s AND timeframe = %(timeframe)s
      AND since_ts = %(since)s AND until_ts = %(until)s
    FOR UPDATE
"""

_SAVE_CHECKPOINT = """
    INSERT INTO download_checkpoints (venue, symbol, timeframe, since_ts, until_ts, next_ts, n_bars, state)
    VALUES (%(venue)s, %(symbol)s, %(timeframe)s, %(since)s, %(until)s, %(next)s, %(n_bars)s, %(state)s)
    ON CONFLICT (venue, symbol, timeframe, since_ts, until_ts) DO UPDATE SET
        next_ts = EXCLUDED.next_ts, n_bars = EXCLUDED.n_bars, state = EXCLUDED.state, updated_at = now()
"""


class PostgresAuditStore:
    """`AuditStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add_audit(self, record: AuditRecord) -> int:
        """Append a judgement; returns its id."""
        given = {
            "symbol": record.symbol,
            "timeframe": record.interval.name,
            "source": record.source,
            "as_of": record.as_of,
            "passed": record.passed,
            "reasons": list(record.reasons),
            "result": Jsonb(dict(record.result)),
        }
        ((number,),) = await self._statements.tuples(_ADD_AUDIT, given)
        return int(number)

    async def last_audit(self, symbol: str, interval: Interval) -> AuditRecord | None:
        """Read the newest judgement of a series."""
        row = await self._statements.row(_LAST_AUDIT, {"symbol": symbol, "timeframe": interval.name})
        if row is None:
            return None
        return AuditRecord(
            symbol=symbol,
            interval=interval,
            source=row["source"],
            as_of=row["as_of"],
            passed=row["passed"],
            reasons=tuple(row["reasons"]),
            result=row["result"],
        )

    async def checkpoint(self, key: DownloadKey) -> Checkpoint | None:
        """Read how far a download came; see `AuditStore.checkpoint`."""
        row = await self._statements.row(_CHECKPOINT, _key_values(key))
        if row is None:
            return None
        return Checkpoint(key, datetime_to_ns(row["next_ts"]), row["n_bars"], row["state"] == "done")

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store how far a download came."""
        values = _key_values(checkpoint.key) | {
            "next": ns_to_datetime(checkpoint.next_ns),
            "n_bars": checkpoint.n_bars,
            "state": "done" if checkpoint.is_done else "running",
        }
        await self._statements.send(_SAVE_CHECKPOINT, values)


def _key_values(key: DownloadKey) -> dict[str, Any]:
    return {
        "venue": key.venue,
        "symbol": key.symbol,
        "timeframe": key.interval.name,
        "since": ns_to_datetime(key.since_ns),
        "until": ns_to_datetime(key.until_ns),
    }
