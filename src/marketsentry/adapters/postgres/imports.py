"""What was imported, in PostgreSQL."""

from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.records import DataKind
from marketsentry.ports.imports import ImportedFile

_COLUMNS = """
SELECT path, sha256, size_bytes, kind, layout, symbol, timeframe, source, n_rows, n_rejected, block_hashes
FROM import_files
"""

_BY_CONTENT = _COLUMNS + "WHERE sha256 = %(sha256)s ORDER BY imported_at DESC, id DESC"

_BY_PATH = (
    _COLUMNS
    + """
WHERE path = %(path)s AND kind = %(kind)s AND symbol = %(symbol)s AND timeframe = %(timeframe)s
  AND source = %(source)s
ORDER BY imported_at DESC, id DESC
LIMIT 1
"""
)

_RECORD = """
INSERT INTO import_files (path, sha256, size_bytes, kind, layout, symbol, timeframe, source, n_rows,
                          n_rejected, block_hashes)
VALUES (%(path)s, %(sha256)s, %(size_bytes)s, %(kind)s, %(layout)s, %(symbol)s, %(timeframe)s, %(source)s,
        %(n_rows)s, %(n_rejected)s, %(block_hashes)s)
ON CONFLICT (sha256, symbol, timeframe, kind) DO UPDATE
SET path = excluded.path, size_bytes = excluded.size_bytes, layout = excluded.layout,
    source = excluded.source, n_rows = excluded.n_rows, n_rejected = excluded.n_rejected,
    block_hashes = excluded.block_hashes, imported_at = now()
"""

_HAS_ROWS = {
    DataKind.BARS: """
        SELECT EXISTS (SELECT FROM market_series
                       WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s AND source = %(source)s)
    """,
    DataKind.FUNDING: """
        SELECT EXISTS (SELECT FROM funding_rates WHERE symbol = %(symbol)s AND source = %(source)s)
    """,
    DataKind.TRADES: """
        SELECT EXISTS (SELECT FROM trades_ticks WHERE symbol = %(symbol)s AND source = %(source)s)
    """,
    DataKind.BOOK: """
        SELECT EXISTS (SELECT FROM orderbook_depth WHERE symbol = %(symbol)s AND source = %(source)s)
    """,
    DataKind.QUOTES: """
        SELECT EXISTS (SELECT FROM orderbook_l2 WHERE symbol = %(symbol)s AND source = %(source)s)
    """,
    DataKind.NEWS: "SELECT EXISTS (SELECT FROM events)",
}


class PostgresImportStore:
    """Imported files of one open transaction; see `ports.imports.ImportStore`.

    Parameters
    ----------
    statements : Statements
        Of a transaction that somebody else ends.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def same_content(self, sha256: str) -> tuple[ImportedFile, ...]:
        """Find imports of exactly these bytes."""
        return tuple(map(_imported, await self._statements.rows(_BY_CONTENT, {"sha256": sha256})))

    async def last_of_path(
        self, path: str, kind: DataKind, symbol: str, timeframe: str, source: str
    ) -> ImportedFile | None:
        """Find the newest import of a path into one series."""
        given = {"path": path, "kind": kind, "symbol": symbol, "timeframe": timeframe, "source": source}
        row = await self._statements.row(_BY_PATH, given)
        return _imported(row) if row else None

    async def record(self, imported: ImportedFile) -> None:
        """Remember an import."""
        await self._statements.send(
            _RECORD,
            {
                "path": imported.path,
                "sha256": imported.sha256,
                "size_bytes": imported.size_bytes,
                "kind": imported.kind,
                "layout": imported.layout,
                "symbol": imported.symbol,
                "timeframe": imported.timeframe,
                "source": imported.source,
                "n_rows": imported.n_rows,
                "n_rejected": imported.n_rejected,
                "block_hashes": Jsonb(list(imported.block_hashes)),
            },
        )

    async def has_rows(self, imported: ImportedFile) -> bool:
        """Tell whether the series that the file went into still exists."""
        given = {"symbol": imported.symbol, "timeframe": imported.timeframe, "source": imported.source}
        rows = await self._statements.tuples(_HAS_ROWS[imported.kind], given)
        return bool(rows and rows[0][0])


def _imported(row: dict[str, Any]) -> ImportedFile:
    return ImportedFile(
        **{**row, "kind": DataKind(row["kind"]), "block_hashes": tuple(row["block_hashes"])},
    )
