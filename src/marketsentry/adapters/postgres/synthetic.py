"""Origins of synthetic series in PostgreSQL, kept where the origins of imported files are."""

import hashlib

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE, perp_of

LAYOUT = "synthetic-recipe"

_ORIGIN = """
    SELECT path FROM import_files
    WHERE symbol = %(symbol)s AND layout = %(layout)s
    ORDER BY imported_at DESC, id DESC
    LIMIT 1
"""

_FORGET_ORIGIN = "DELETE FROM import_files WHERE symbol = %(symbol)s AND layout = %(layout)s"

_RECORD = """
    INSERT INTO import_files (
        path, sha256, size_bytes, kind, layout, symbol, timeframe, source, n_rows, n_rejected
    ) VALUES (
        %(recipe)s, %(sha256)s, 0, 'bars', %(layout)s, %(symbol)s, %(timeframe)s, %(source)s, %(n_bars)s, 0
    )
"""

_ERASE = (
    """
    DELETE FROM no_trade_bars b USING market_series s
    WHERE s.symbol = %(symbol)s AND s.is_synthetic AND b.symbol = s.symbol AND b.timeframe = s.timeframe
    """,
    "DELETE FROM market_series WHERE symbol = %(symbol)s AND is_synthetic",
    "DELETE FROM events WHERE payload ->> 'synthetic_symbol' = %(symbol)s",
    "DELETE FROM funding_rates WHERE symbol = %(perp)s AND source = %(source)s",
    "DELETE FROM import_files WHERE symbol = %(symbol)s AND source = %(source)s",
)

_ERASE_BARS = "DELETE FROM market_bars WHERE symbol = %(symbol)s AND source = %(source)s"


class PostgresSyntheticStore:
    """`SyntheticStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def origin(self, symbol: str) -> str | None:
        """Read the recipe of a symbol's synthetic market."""
        rows = await self._statements.tuples(_ORIGIN, {"symbol": symbol, "layout": LAYOUT})
        return str(rows[0][0]) if rows else None

    async def record(self, symbol: str, interval: Interval, recipe: str, *, n_bars: int) -> None:
        """Remember what made a symbol's market, in place of what was remembered before."""
        values = {
            "recipe": recipe,
            "sha256": hashlib.sha256(recipe.encode()).hexdigest(),
            "layout": LAYOUT,
            "symbol": symbol,
            "timeframe": interval.name,
            "source": SYNTHETIC_SOURCE,
            "n_bars": n_bars,
        }
        await self._statements.send(_FORGET_ORIGIN, values)
        await self._statements.send(_RECORD, values)

    async def erase(self, symbol: str) -> int:
        """Delete a symbol's synthetic market; see `SyntheticStore.erase`."""
        values = {"symbol": symbol, "perp": perp_of(symbol), "source": SYNTHETIC_SOURCE}
        n_bars = await self._statements.count(_ERASE_BARS, values)
        for statement in _ERASE:
            await self._statements.send(statement, values)
        return n_bars
