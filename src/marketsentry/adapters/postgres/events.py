"""Events, funding rates and trades in PostgreSQL: a few set-based statements per call, never one per row."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.market.events import (
    AUDIT_NOTE,
    EVENT_TYPES,
    Event,
    EventSeries,
    Mention,
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

# Rows travel as one JSON text: much quicker to encode than an array of each column
_ADD_EVENTS = """
INSERT INTO events (event_type, title, occurred_at, known_at, source_url, source_name, source_timezone,
                    source_tier, confidence_score, event_importance, novelty_score, entity_confidence, latency_ms,
                    dedup_cluster_id, payload, fingerprint)
SELECT event_type, title, occurred_at, known_at, source_url, source_name, source_timezone, source_tier,
       confidence_score, event_importance, novelty_score, entity_confidence, latency_ms, dedup_cluster_id, payload,
       fingerprint
FROM json_to_recordset(%(rows)s::json) AS given (
    event_type text, title text, occurred_at timestamptz, known_at timestamptz, source_url text, source_name text,
    source_timezone text, source_tier smallint, confidence_score float8, event_importance float8,
    novelty_score float8, entity_confidence float8, latency_ms bigint, dedup_cluster_id text, payload jsonb,
    fingerprint text)
ON CONFLICT (fingerprint) DO NOTHING
RETURNING id, fingerprint
"""

_EVENT_IDS = "SELECT fingerprint, id FROM events WHERE fingerprint = ANY(%(fingerprint)s::text[])"

_ADD_ENTITIES = """
INSERT INTO entities (entity_type, name, symbol, country, sector, metadata)
SELECT entity_type, name, symbol, country, sector, metadata
FROM json_to_recordset(%(rows)s::json) AS given (
    entity_type text, name text, symbol text, country text, sector text, metadata jsonb)
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
FROM json_to_recordset(%(rows)s::json) AS given (event_id bigint, entity_type text, name text)
JOIN entities ON entities.entity_type = given.entity_type AND entities.name = given.name
ON CONFLICT (event_id, entity_id, role) DO NOTHING
"""

_ADD_QUALITY = """
INSERT INTO data_quality_audit (event_id, source_name, freshness_sec, entity_coverage, quality_score, notes)
SELECT event_id, source_name, freshness_sec, entity_coverage, quality_score, %(notes)s
FROM json_to_recordset(%(rows)s::json) AS given (
    event_id bigint, source_name text, freshness_sec bigint, entity_coverage float8, quality_score float8)
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
    statements : Statements
        Of a transaction that somebody else ends.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

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
        columns = list(zip(*await self._statements.tuples(_LOAD_EVENTS, given), strict=True)) or [()] * 7
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
        await self._statements.send(_LOCK_FUNDING, {"symbol": series.symbol})
        row = await self._statements.row(_FUNDING_SOURCE, {"symbol": series.symbol})
        if row is not None and row["source"] != series.source:
            raise ConflictError(
                f"{series.symbol} holds funding rates of {row['source']}, these are of {series.source}; "
                f"keep both by naming the new one, as in --as {base_of(series.symbol)}-OTHER-PERP"
            )
        rows = await self._statements.tuples(
            _ADD_FUNDING,
            {
                "symbol": series.symbol,
                "source": series.source,
                "ts": [ns_to_datetime(ns) for ns in series.ts_ns.tolist()],
                "rate": series.rate.tolist(),
            },
        )
        fresh = [bool(row[0]) for row in rows]
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
        given = {"symbol": symbol, **_window(start_ns, stop_ns, as_of_ns)}
        columns = list(zip(*await self._statements.tuples(_LOAD_FUNDING, given), strict=True)) or [()] * 3
        source = columns[2][0] if columns[2] else ""
        return FundingSeries(symbol, source, _ns(columns[0]), np.array(columns[1], dtype=np.float64))

    async def add_trades(self, block: TradeBlock) -> MergeCounts:
        """Insert trades whose ids are new."""
        n_rows = int(block.ts_ns.size)
        if n_rows == 0:
            return MergeCounts()
        n_new = await self._statements.count(
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
        return MergeCounts(n_new, 0, n_rows - n_new)

    async def _insert(self, distinct: dict[str, Event]) -> dict[str, int]:
        rows = [_event_row(event, fingerprint) for fingerprint, event in distinct.items()]
        added = await self._statements.tuples(_ADD_EVENTS, {"rows": json.dumps(rows)})
        return {str(row[1]): int(row[0]) for row in added}

    async def _ids(self, fingerprints: list[str]) -> dict[str, int]:
        if not fingerprints:
            return {}
        found = await self._statements.tuples(_EVENT_IDS, {"fingerprint": fingerprints})
        return {str(row[0]): int(row[1]) for row in found}

    async def _link(self, events: list[tuple[int, Event]]) -> None:
        pairs = [(id_, mention) for id_, event in events for mention in event.mentions]
        if not pairs:
            return
        merged = merge_mentions(mention for _, mention in pairs)
        entities = [_entity_row(merged[key]) for key in sorted(merged)]  # in one order for everybody, too
        await self._statements.send(_ADD_ENTITIES, {"rows": json.dumps(entities)})
        links = [
            {"event_id": id_, "entity_type": mention.entity_type, "name": mention.name}
            for id_, mention in pairs
        ]
        await self._statements.send(_ADD_LINKS, {"rows": json.dumps(links)})

    async def _judge(self, events: list[tuple[int, Event]], now_ns: int) -> None:
        if not events:
            return
        rows = [
            {"event_id": id_, "source_name": event.source_name, **asdict(judge_event(event, now_ns=now_ns))}
            for id_, event in events
        ]
        await self._statements.send(_ADD_QUALITY, {"rows": json.dumps(rows), "notes": AUDIT_NOTE})


def _event_row(event: Event, fingerprint: str) -> dict[str, Any]:
    return {
        "event_type": event.event_type,
        "title": event.title,
        "occurred_at": ns_to_datetime(event.occurred_at_ns).isoformat(),
        "known_at": ns_to_datetime(event.known_at_ns).isoformat(),
        "source_url": event.source_url,
        "source_name": event.source_name,
        "source_timezone": event.source_timezone,
        "source_tier": event.source_tier,
        "confidence_score": event.confidence_score,
        "event_importance": event.event_importance,
        "novelty_score": event.novelty_score,
        "entity_confidence": event.entity_confidence,
        "latency_ms": event.latency_ms,
        "dedup_cluster_id": event.dedup_cluster_id,
        "payload": dict(event.payload),
        "fingerprint": fingerprint,
    }


def _entity_row(entity: Mention) -> dict[str, Any]:
    return {
        "entity_type": entity.entity_type,
        "name": entity.name,
        "symbol": entity.symbol,
        "country": entity.country,
        "sector": entity.sector,
        "metadata": dict(entity.metadata),
    }


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
