"""Events, funding rates and trades in PostgreSQL: a few set-based statements per call, never one per row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from marketsentry.core.market.events import (
    AUDIT_NOTE,
    EVENT_TYPES,
    Event,
    EventSeries,
    event_fingerprint,
    judge_event,
    merge_mentions,
)
from marketsentry.core.market.records import FundingSeries, TradeBlock
from marketsentry.core.market.symbols import base_of
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.exceptions import ConflictError
from marketsentry.ports.bars import MergeCounts
from marketsentry.ports.events import AddedEvents

_ADD_EVENTS = """
INSERT INTO events (event_type, title, occurred_at, known_at, source_url, source_name, source_timezone,
                    source_tier, confidence_score, event_importance, novelty_score, entity_confidence, latency_ms,
                    dedup_cluster_id, payload, fingerprint)
SELECT * FROM unnest(%(event_type)s::text[], %(title)s::text[], %(occurred_at)s::timestamptz[],
                     %(known_at)s::timestamptz[], %(source_url)s::text[], %(source_name)s::text[],
                     %(source_timezone)s::text[], %(source_tier)s::smallint[], %(confidence_score)s::float8[],
                     %(event_importance)s::float8[], %(novelty_score)s::float8[], %(entity_confidence)s::float8[],
                     %(latency_ms)s::bigint[], %(dedup_cluster_id)s::text[], %(payload)s::jsonb[],
                     %(fingerprint)s::text[])
ON CONFLICT (fingerprint) DO NOTHING
RETURNING id, fingerprint
"""

_EVENT_IDS = "SELECT fingerprint, id FROM events WHERE fingerprint = ANY(%(fingerprint)s::text[])"

_ADD_ENTITIES = """
INSERT INTO entities (entity_type, name, symbol, country, sector, metadata)
SELECT * FROM unnest(%(entity_type)s::text[], %(name)s::text[], %(symbol)s::text[], %(country)s::text[],
                     %(sector)s::text[], %(metadata)s::jsonb[])
ON CONFLICT (entity_type, name) DO UPDATE
SET symbol = coalesce(excluded.symbol, entities.symbol),
    country = coalesce(excluded.country, entities.country),
    sector = coalesce(excluded.sector, entities.sector),
    metadata = entities.metadata || excluded.metadata,
    updated_at = now()
WHERE (entities.symbol, entities.country, entities.sector, entities.metadata) IS DISTINCT FROM
      (coalesce(excluded.symbol, entities.symbol), coalesce(excluded.country, entities.country),
       coalesce(excluded.sector, entities.sector), entities.metadata || excluded.metadata)
"""

_ADD_LINKS = """
INSERT INTO event_links (event_id, entity_id)
SELECT given.event_id, entities.id
FROM unnest(%(event_id)s::bigint[], %(entity_type)s::text[], %(name)s::text[])
    AS given (event_id, entity_type, name)
JOIN entities ON entities.entity_type = given.entity_type AND entities.name = given.name
ON CONFLICT (event_id, entity_id, role) DO NOTHING
"""

_ADD_QUALITY = """
INSERT INTO data_quality_audit (event_id, source_name, freshness_sec, entity_coverage, quality_score, notes)
SELECT given.*, %(notes)s
FROM unnest(%(event_id)s::bigint[], %(source_name)s::text[], %(freshness_sec)s::bigint[],
            %(entity_coverage)s::float8[], %(quality_score)s::float8[]) AS given
"""

_LOAD_EVENTS = """
SELECT occurred_at, known_at, event_type, source_tier, event_importance, confidence_score, novelty_score
FROM events
WHERE known_at >= %(start)s AND known_at < %(stop)s AND known_at <= %(as_of)s
  AND EXISTS (SELECT FROM event_links JOIN entities ON entities.id = event_links.entity_id
              WHERE event_links.event_id = events.id AND entities.symbol = ANY(%(symbols)s::text[]))
ORDER BY known_at, occurred_at, id
"""

_FUNDING_SOURCE = "SELECT source FROM funding_rates WHERE symbol = %(symbol)s LIMIT 1"

_LOCK_FUNDING = "SELECT pg_advisory_xact_lock(hashtextextended('funding:' || %(symbol)s, 0))"

_ADD_FUNDING = """
INSERT INTO funding_rates (symbol, ts, funding_rate, source, known_at)
SELECT %(symbol)s, given.ts, given.rate, %(source)s, given.ts
FROM unnest(%(ts)s::timestamptz[], %(rate)s::float8[]) AS given (ts, rate)
ON CONFLICT (symbol, ts) DO UPDATE SET funding_rate = excluded.funding_rate
WHERE funding_rates.funding_rate <> excluded.funding_rate
RETURNING xmax = 0
"""

_LOAD_FUNDING = """
SELECT ts, funding_rate, source
FROM funding_rates
WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(stop)s AND known_at <= %(as_of)s
ORDER BY ts
"""

_ADD_TRADES = """
INSERT INTO trades_ticks (symbol, ts, price, size, side, source, venue_trade_id, known_at)
SELECT %(symbol)s, timestamptz 'epoch' + given.ts_us * interval '1 microsecond', given.price, given.size,
       CASE given.side WHEN 1 THEN 'buy' WHEN -1 THEN 'sell' END, %(source)s, given.trade_id,
       timestamptz 'epoch' + given.known_us * interval '1 microsecond'
FROM unnest(%(trade_id)s::text[], %(ts_us)s::bigint[], %(known_us)s::bigint[], %(price)s::float8[],
            %(size)s::float8[], %(side)s::int[]) AS given (trade_id, ts_us, known_us, price, size, side)
ON CONFLICT (source, symbol, venue_trade_id) DO NOTHING
"""


class PostgresEventStore:
    """Events of one open transaction; see `ports.events.EventStore`.

    Parameters
    ----------
    connection : AsyncConnection
        In a transaction that somebody else ends.
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def add_events(self, events: Sequence[Event], *, now_ns: int) -> AddedEvents:
        """Insert events, their entities, their links, and a quality row for each that is new."""
        if not events:
            return AddedEvents(0, 0, ())
        names = [event_fingerprint(event) for event in events]
        first = dict(zip(reversed(names), reversed(events), strict=True))
        distinct = dict(
            sorted(first.items())
        )  # one order for everybody: two calls cannot wait for each other
        inserted = await self._insert(distinct)
        ids = {**inserted, **await self._ids([name for name in distinct if name not in inserted])}
        await self._link([(ids[name], event) for name, event in zip(names, events, strict=True)])
        await self._judge([(id_, distinct[name]) for name, id_ in inserted.items()], now_ns)
        return AddedEvents(len(inserted), len(events) - len(inserted), tuple(ids[name] for name in names))

    async def load_events(
        self,
        symbol: str,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
    ) -> EventSeries:
        """Read events that name a symbol or its base asset."""
        given = {"symbols": [symbol, base_of(symbol)], **_window(start_ns, stop_ns, as_of_ns)}
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(_LOAD_EVENTS, given)
            columns = list(zip(*await cursor.fetchall(), strict=True)) or [()] * 7
        return EventSeries(
            symbol,
            _ns(columns[0]),
            _ns(columns[1]),
            np.array([EVENT_TYPES.index(kind) for kind in columns[2]], dtype=np.int8),
            np.array(columns[3], dtype=np.int8),
            *(np.array(column, dtype=np.float64) for column in columns[4:]),
        )

    async def add_funding(self, series: FundingSeries) -> MergeCounts:
        """Insert or correct funding rates of one perpetual."""
        if series.ts_ns.size == 0:
            return MergeCounts()
        await self._connection.execute(_LOCK_FUNDING, {"symbol": series.symbol})
        cursor = await self._connection.execute(_FUNDING_SOURCE, {"symbol": series.symbol})
        row = await cursor.fetchone()
        if row is not None and row[0] != series.source:
            raise ConflictError(
                f"{series.symbol} holds funding rates of {row[0]}, these are of {series.source}; "
                f"keep both by naming the new one, as in --as {base_of(series.symbol)}-OTHER-PERP"
            )
        cursor = await self._connection.execute(
            _ADD_FUNDING,
            {
                "symbol": series.symbol,
                "source": series.source,
                "ts": [ns_to_datetime(ns) for ns in series.ts_ns.tolist()],
                "rate": series.rate.tolist(),
            },
        )
        fresh = [bool(row[0]) for row in await cursor.fetchall()]
        return MergeCounts(sum(fresh), len(fresh) - sum(fresh), series.ts_ns.size - len(fresh))

    async def load_funding(
        self,
        symbol: str,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
    ) -> FundingSeries:
        """Read funding rates of one perpetual."""
        async with self._connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(_LOAD_FUNDING, {"symbol": symbol, **_window(start_ns, stop_ns, as_of_ns)})
            columns = list(zip(*await cursor.fetchall(), strict=True)) or [()] * 3
        source = columns[2][0] if columns[2] else ""
        return FundingSeries(symbol, source, _ns(columns[0]), np.array(columns[1], dtype=np.float64))

    async def add_trades(self, block: TradeBlock) -> MergeCounts:
        """Insert trades whose ids are new."""
        n_rows = int(block.ts_ns.size)
        if n_rows == 0:
            return MergeCounts()
        cursor = await self._connection.execute(
            _ADD_TRADES,
            {
                "symbol": block.symbol,
                "source": block.source,
                "trade_id": block.trade_id.tolist(),
                "ts_us": (block.ts_ns // 1_000).tolist(),
                "known_us": (-(-block.known_at_ns // 1_000)).tolist(),
                "price": block.price.tolist(),
                "size": block.size.tolist(),
                "side": block.side.tolist(),
            },
        )
        return MergeCounts(cursor.rowcount, 0, n_rows - cursor.rowcount)

    async def _insert(self, distinct: dict[str, Event]) -> dict[str, int]:
        """Insert what is new; returns its ids by fingerprint, in the order given."""
        events = list(distinct.values())
        cursor = await self._connection.execute(
            _ADD_EVENTS,
            {
                "event_type": [event.event_type for event in events],
                "title": [event.title for event in events],
                "occurred_at": [ns_to_datetime(event.occurred_at_ns) for event in events],
                "known_at": [ns_to_datetime(event.known_at_ns) for event in events],
                "source_url": [event.source_url for event in events],
                "source_name": [event.source_name for event in events],
                "source_timezone": [event.source_timezone for event in events],
                "source_tier": [event.source_tier for event in events],
                "confidence_score": [event.confidence_score for event in events],
                "event_importance": [event.event_importance for event in events],
                "novelty_score": [event.novelty_score for event in events],
                "entity_confidence": [event.entity_confidence for event in events],
                "latency_ms": [event.latency_ms for event in events],
                "dedup_cluster_id": [event.dedup_cluster_id for event in events],
                "payload": [Jsonb(dict(event.payload)) for event in events],
                "fingerprint": list(distinct),
            },
        )
        return {str(row[1]): int(row[0]) for row in await cursor.fetchall()}

    async def _ids(self, fingerprints: list[str]) -> dict[str, int]:
        if not fingerprints:
            return {}
        cursor = await self._connection.execute(_EVENT_IDS, {"fingerprint": fingerprints})
        return {str(row[0]): int(row[1]) for row in await cursor.fetchall()}

    async def _link(self, events: list[tuple[int, Event]]) -> None:
        pairs = [(id_, mention) for id_, event in events for mention in event.mentions]
        if not pairs:
            return
        merged = merge_mentions(mention for _, mention in pairs)
        entities = [merged[key] for key in sorted(merged)]  # in one order for everybody, as the events are
        await self._connection.execute(
            _ADD_ENTITIES,
            {
                "entity_type": [entity.entity_type for entity in entities],
                "name": [entity.name for entity in entities],
                "symbol": [entity.symbol for entity in entities],
                "country": [entity.country for entity in entities],
                "sector": [entity.sector for entity in entities],
                "metadata": [Jsonb(dict(entity.metadata)) for entity in entities],
            },
        )
        await self._connection.execute(
            _ADD_LINKS,
            {
                "event_id": [id_ for id_, _ in pairs],
                "entity_type": [mention.entity_type for _, mention in pairs],
                "name": [mention.name for _, mention in pairs],
            },
        )

    async def _judge(self, events: list[tuple[int, Event]], now_ns: int) -> None:
        if not events:
            return
        judged = [judge_event(event, now_ns=now_ns) for _, event in events]
        await self._connection.execute(
            _ADD_QUALITY,
            {
                "event_id": [id_ for id_, _ in events],
                "source_name": [event.source_name for _, event in events],
                "freshness_sec": [quality.freshness_sec for quality in judged],
                "entity_coverage": [quality.entity_coverage for quality in judged],
                "quality_score": [quality.quality_score for quality in judged],
                "notes": AUDIT_NOTE,
            },
        )


def _window(start_ns: int | None, stop_ns: int | None, as_of_ns: int | None) -> dict[str, Any]:
    return {
        "start": "-infinity" if start_ns is None else ns_to_datetime(start_ns),
        "stop": "infinity"
        if stop_ns is None
        else ns_to_datetime(stop_ns + 999),  # rounded up to what is told apart
        "as_of": "infinity" if as_of_ns is None else ns_to_datetime(as_of_ns),
    }


def _ns(times: Sequence[Any]) -> NDArray[np.int64]:
    return np.array([datetime_to_ns(at) for at in times], dtype=np.int64)
