"""The books of the paper venue in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.binary import array_of
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.orders.documents import fill_document, fill_of
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.ports.paper import Basis, KnownMarket, KnownPrice, PaperOrder, Turnover
from marketsentry.ports.venue import LegStatus

_ADD = """
INSERT INTO paper_orders (client_order_id, venue, is_over, placed_at, state)
VALUES (%(client_order_id)s, %(venue)s, %(is_over)s, %(placed_at)s, %(state)s)
ON CONFLICT (client_order_id) DO NOTHING
RETURNING client_order_id
"""

_PUT = """
UPDATE paper_orders SET is_over = %(is_over)s, state = %(state)s, updated_at = now()
WHERE client_order_id = %(client_order_id)s
"""

_SELECT = "SELECT client_order_id, venue, placed_at, state FROM paper_orders "

_LOCK = _SELECT + "WHERE client_order_id = %(client_order_id)s FOR UPDATE"

_OPEN = _SELECT + "WHERE venue = %(venue)s AND NOT is_over ORDER BY placed_at, client_order_id"

_WITH_FILLS = (
    _SELECT
    + """WHERE venue = %(venue)s AND jsonb_array_length(state -> 'fills') > 0
  AND (%(since)s::timestamptz IS NULL OR (state #>> '{fills,-1,at}')::timestamptz >= %(since)s)
ORDER BY placed_at, client_order_id
"""
)

_TURNOVER = """
SELECT state ->> 'symbol' AS symbol, state ->> 'side' AS side, sum((fill ->> 'qty')::numeric) AS qty,
       sum((fill ->> 'qty')::numeric * (fill ->> 'price')::numeric) AS notional,
       sum((fill ->> 'fee')::numeric) AS fee
FROM paper_orders
CROSS JOIN LATERAL jsonb_array_elements(state -> 'fills') AS fill
WHERE venue = %(venue)s
GROUP BY 1, 2
ORDER BY 1, 2
"""

_SYMBOLS = """
WITH RECURSIVE priced AS (
    (SELECT symbol FROM prices ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT next.symbol FROM prices AS next WHERE next.symbol > priced.symbol ORDER BY next.symbol LIMIT 1)
    FROM priced WHERE priced.symbol IS NOT NULL
)
SELECT symbol FROM market_series
UNION SELECT symbol FROM priced WHERE symbol IS NOT NULL
UNION SELECT symbol FROM book_series
ORDER BY symbol
"""

_KNOWN_PRICE = """
    SELECT price, at
    FROM (
        (SELECT price::float8 AS price, timestamp AS at, source AS source, 0 AS place
         FROM prices
         WHERE symbol = %(symbol)s AND timestamp <= %(as_of)s AND timestamp >= %(since)s AND known_at <= %(as_of)s
         ORDER BY timestamp DESC, id DESC LIMIT 1)
        UNION ALL
        SELECT newest.close, newest.ts + series.timeframe::interval, newest.source || ' ' || series.timeframe, 1
        FROM market_series AS series
        CROSS JOIN LATERAL (
            SELECT ts, close, source
            FROM market_bars
            WHERE symbol = %(symbol)s AND timeframe = series.timeframe AND ts < %(as_of)s AND ts >= %(oldest)s
              AND known_at <= %(as_of)s
            ORDER BY ts DESC LIMIT 1
        ) AS newest
        WHERE series.symbol = %(symbol)s
    ) AS known
    WHERE at >= %(since)s
    ORDER BY at DESC, place, source LIMIT 1
"""  # `oldest` leaves one or two partitions of the bars

_MARKET = (
    """
SELECT known.price, known.at, bars.volume, bars.closes, bars.n < %(n_bars)s AND bars.first_ts < %(oldest)s AS is_short
FROM ("""  # noqa: S608 - fixed texts
    + _KNOWN_PRICE
    + """) AS known
LEFT JOIN LATERAL (
    SELECT shortest.first_ts, count(bar.ts) AS n, (array_agg(bar.volume ORDER BY bar.ts DESC NULLS LAST))[1] AS volume,
           array_send(array_agg(bar.close ORDER BY bar.ts) FILTER (WHERE bar.ts IS NOT NULL)) AS closes
    FROM (SELECT timeframe, first_ts FROM market_series WHERE symbol = %(symbol)s
          ORDER BY timeframe::interval LIMIT 1) AS shortest
    LEFT JOIN LATERAL (
        SELECT ts, close, volume
        FROM market_bars
        WHERE symbol = %(symbol)s AND timeframe = shortest.timeframe AND ts >= %(oldest)s
          AND ts <= %(as_of)s - shortest.timeframe::interval AND known_at <= %(as_of)s
        ORDER BY ts DESC LIMIT %(n_bars)s
    ) AS bar ON true
    GROUP BY shortest.first_ts
) AS bars ON true
"""
)

_HOLD = "SELECT pg_advisory_xact_lock(hashtextextended('paper:' || %(venue)s || ':' || %(symbol)s, 0))"

_TOOK = """
SELECT coalesce(sum((state ->> 'took')::numeric), 0)
FROM paper_orders
WHERE venue = %(venue)s AND state ->> 'symbol' = %(symbol)s AND state ->> 'seen_at' = %(seen_at)s
  AND state ->> 'side' = %(side)s
"""

_LONGEST_BAR = timedelta(days=31)  # longer ones price nothing
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresPaperStore:
    """`PaperStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(self, order: PaperOrder) -> bool:
        """Insert an order; see `PaperStore.add`."""
        return bool(await self._statements.rows(_ADD, _row(order)))

    async def lock(self, client_order_id: str) -> PaperOrder | None:
        """Read an order and hold it; see `PaperStore.lock`."""
        rows = await self._statements.rows(_LOCK, {"client_order_id": client_order_id})
        return _order(rows[0]) if rows else None

    async def put(self, order: PaperOrder) -> None:
        """Replace an order."""
        await self._statements.send(_PUT, _row(order))

    async def open(self, venue: str) -> Sequence[PaperOrder]:
        """List the orders that may still fill; see `PaperStore.open`."""
        return [_order(row) for row in await self._statements.rows(_OPEN, {"venue": venue})]

    async def with_fills(self, venue: str, *, since: datetime | None = None) -> Sequence[PaperOrder]:
        """List the orders that have fills; see `PaperStore.with_fills`."""
        rows = await self._statements.rows(_WITH_FILLS, {"venue": venue, "since": since})
        return [_order(row) for row in rows]

    async def turnover(self, venue: str) -> Sequence[Turnover]:
        """Add up all fills by symbol and side."""
        rows = await self._statements.rows(_TURNOVER, {"venue": venue})
        return [Turnover(**{**row, "side": Side(row["side"])}) for row in rows]

    async def hold_market(self, venue: str, symbol: str) -> None:
        """Let no other order of a market be matched; see `PaperStore.hold_market`."""
        await self._statements.send(_HOLD, {"venue": venue, "symbol": symbol})

    async def took_of(self, venue: str, symbol: str, side: Side, *, at: datetime) -> Decimal:
        """Add up what was taken of a book; see `PaperStore.took_of`."""
        given = {"venue": venue, "symbol": symbol, "side": str(side), "seen_at": at.isoformat()}
        rows = await self._statements.tuples(_TOOK, given)
        return Decimal(rows[0][0]) if rows else Decimal(0)

    async def price(self, symbol: str, *, as_of: datetime, since: datetime) -> KnownPrice | None:
        """Read the newest price that was known at a time; see `PaperStore.price`."""
        given = {"symbol": symbol, "as_of": as_of, "since": since, "oldest": since - _LONGEST_BAR}
        rows = await self._statements.tuples(_KNOWN_PRICE, given, is_binary=True)
        return KnownPrice(*rows[0]) if rows else None

    async def market(
        self, symbol: str, *, as_of: datetime, since: datetime, n_bars: int
    ) -> KnownMarket | None:
        """Read the market as it was known at a time; see `PaperStore.market`."""
        given = {"symbol": symbol, "as_of": as_of, "since": since, "n_bars": n_bars}
        for oldest in (since - _LONGEST_BAR, _EVER):
            rows = await self._statements.tuples(_MARKET, {**given, "oldest": oldest}, is_binary=True)
            if not rows:
                return None
            price, at, volume, closes, is_short = rows[0]
            if not is_short:
                break
        return KnownMarket(price, at, volume, array_of(closes, "f8"))

    async def priced_symbols(self) -> Sequence[str]:
        """List the symbols of which the record has a price, a bar or a book."""
        return [row["symbol"] for row in await self._statements.rows(_SYMBOLS, {})]


def _row(order: PaperOrder) -> dict[str, Any]:
    state: dict[str, Any] = {
        "symbol": order.symbol,
        "side": str(order.side),
        "kind": str(order.kind),
        "qty": str(order.qty),
        "limit_price": str(order.limit_price),
        "time_in_force": str(order.time_in_force),
        "fee_bps": str(order.fee_bps),
        "seen_at": order.seen_at.isoformat(),
        "status": str(order.status),
        "fills": [fill_document(fill) for fill in order.fills],
        "basis": str(order.basis),
    }
    if order.basis is Basis.BOOK:
        state |= {
            "ahead": None if order.ahead is None else str(order.ahead),
            "took": str(order.took),
            "traded_to": None if order.traded_to is None else order.traded_to.isoformat(),
        }
    return {
        "client_order_id": order.client_order_id,
        "venue": order.venue,
        "is_over": order.status.is_over,
        "placed_at": order.placed_at,
        "state": Jsonb(state),
    }


def _order(row: Mapping[str, Any]) -> PaperOrder:
    state = row["state"]
    return PaperOrder(
        client_order_id=row["client_order_id"],
        venue=row["venue"],
        symbol=state["symbol"],
        side=Side(state["side"]),
        kind=LegKind(state["kind"]),
        qty=Decimal(state["qty"]),
        limit_price=Decimal(state["limit_price"]),
        time_in_force=TimeInForce(state["time_in_force"]),
        fee_bps=Decimal(state["fee_bps"]),
        placed_at=row["placed_at"],
        seen_at=datetime.fromisoformat(state["seen_at"]),
        status=LegStatus(state["status"]),
        fills=tuple(fill_of(one) for one in state["fills"]),
        basis=Basis(state.get("basis", Basis.BARS)),
        ahead=None if state.get("ahead") is None else Decimal(state["ahead"]),
        took=Decimal(state.get("took", 0)),
        traded_to=datetime.fromisoformat(state["traded_to"]) if state.get("traded_to") else None,
    )
