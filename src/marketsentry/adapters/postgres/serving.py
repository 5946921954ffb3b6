"""What a live prediction reads of the record: one statement for all symbols, arrays instead of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketsentry.adapters.postgres.bar_windows import BARS_OF_LINE, SERIES_LINE, window_of
from marketsentry.adapters.postgres.binary import array_of, epoch_ns
from marketsentry.adapters.postgres.newest_price import IS_NEWEST, NEWEST_PRICE, RECENT_PRICE
from marketsentry.adapters.postgres.served import add_predictions
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.features.context import EVENT_WINDOW_NS, FUNDING_MEAN_NS
from marketsentry.core.market.events import EVENT_TYPES, EventSeries
from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.market.symbols import base_of, perp_of
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.serving.cold_start import Price
from marketsentry.core.serving.explain import ContextEvent
from marketsentry.ports.predictions import PredictionRecord, StoredPrediction
from marketsentry.ports.serving import LiveSeries, TargetFacts

_ASKED = """ AS is_newest, known.price, known.at, known.named, about.ids, about.types, about.titles, about.times,
       about.urls
FROM unnest(%(symbols)s::text[], %(bases)s::text[]) AS asked (symbol, base)
LEFT JOIN LATERAL ("""

_ABOUT = """) AS known ON true
CROSS JOIN LATERAL (
    SELECT array_agg(id) AS ids, array_agg(event_type::text) AS types, array_agg(title) AS titles,
           array_agg(occurred_at) AS times, array_agg(source_url) AS urls
    FROM (
        SELECT id, event_type, title, occurred_at, source_url
        FROM events
        WHERE known_at <= %(as_of)s AND occurred_at <= %(as_of)s
          AND EXISTS (
            SELECT FROM event_links JOIN entities ON entities.id = event_links.entity_id
            WHERE event_links.event_id = events.id
              AND (lower(entities.name) IN (lower(asked.symbol), lower(asked.base))
                   OR upper(entities.symbol) IN (upper(asked.symbol), upper(asked.base))))
        ORDER BY occurred_at DESC, id DESC
        LIMIT %(max_events)s
    ) AS newest
) AS about
"""
_FACTS = "SELECT asked.symbol, true" + _ASKED + NEWEST_PRICE + _ABOUT
_RECENT_FACTS = "SELECT asked.symbol, " + IS_NEWEST + _ASKED + RECENT_PRICE + _ABOUT
_RECENT_NS = 30 * 86_400 * NS_PER_S

# Events: beside the window of the counts only the one that occurred last matters, and only where the window has none
# that is as new, for nothing is known before it occurs. Funding: beside the window of the mean only the rate before it
_SERIES = (
    "SELECT "  # noqa: S608 - fixed texts
    + SERIES_LINE
    + """, bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, quiet.ts AS quiet,
       told.occurred, told.known, told.kind, told.tier, told.importance, told.confidence, told.novelty,
       paid.source AS funding_source, paid.ts AS funding_ts, paid.rate AS funding_rate
FROM unnest(%(symbols)s::text[], %(bases)s::text[], %(perps)s::text[]) AS asked (symbol, base, perp)
JOIN market_series AS line ON line.symbol = asked.symbol AND line.timeframe = %(timeframe)s
"""
    + BARS_OF_LINE
    + """
CROSS JOIN LATERAL (
    SELECT array_send(array_agg(occurred_at)) AS occurred, array_send(array_agg(known_at)) AS known,
           array_send(array_agg((array_position(%(types)s::text[], event_type::text) - 1)::float8)) AS kind,
           array_send(array_agg(source_tier::float8)) AS tier,
           array_send(array_agg(event_importance)) AS importance,
           array_send(array_agg(confidence_score)) AS confidence, array_send(array_agg(novelty_score)) AS novelty
    FROM (
        SELECT id, occurred_at, known_at, event_type, source_tier, event_importance, confidence_score, novelty_score
        FROM events
        WHERE known_at >= %(counted)s AND known_at <= %(as_of)s
          AND EXISTS (SELECT FROM event_links JOIN entities ON entities.id = event_links.entity_id
                      WHERE event_links.event_id = events.id AND entities.symbol IN (asked.symbol, asked.base))
        UNION ALL
        (SELECT e.id, e.occurred_at, e.known_at, e.event_type, e.source_tier, e.event_importance, e.confidence_score,
                e.novelty_score
         FROM entities
         JOIN event_links ON event_links.entity_id = entities.id
         JOIN events AS e ON e.id = event_links.event_id
         WHERE entities.symbol IN (asked.symbol, asked.base) AND e.known_at < %(counted)s AND e.known_at <= %(as_of)s
           AND NOT EXISTS (
             SELECT FROM events AS recent
             WHERE recent.known_at >= %(counted)s AND recent.known_at <= %(since)s AND recent.known_at <= %(as_of)s
               AND recent.occurred_at >= %(counted)s
               AND EXISTS (SELECT FROM event_links JOIN entities ON entities.id = event_links.entity_id
                           WHERE event_links.event_id = recent.id
                             AND entities.symbol IN (asked.symbol, asked.base)))
         ORDER BY e.occurred_at DESC LIMIT 1)
        ORDER BY known_at, occurred_at, id
    ) AS found
) AS told
CROSS JOIN LATERAL (
    SELECT min(source) AS source, array_send(array_agg(ts)) AS ts, array_send(array_agg(funding_rate)) AS rate
    FROM (
        SELECT ts, funding_rate, source
        FROM funding_rates
        WHERE symbol = asked.perp AND ts > %(averaged)s AND known_at <= %(as_of)s
        UNION ALL
        (SELECT ts, funding_rate, source
         FROM funding_rates
         WHERE symbol = asked.perp AND ts <= %(averaged)s AND known_at <= %(as_of)s
         ORDER BY ts DESC LIMIT 1)
        ORDER BY ts
    ) AS found
) AS paid
"""
)


_SENT = (
    *("ts", "open", "high", "low", "close", "volume", "quiet"),
    *("occurred", "known", "kind", "tier", "importance", "confidence", "novelty"),
    *("funding_ts", "funding_rate"),
)
_NO_TIMES, _NO_CODES, _NO_VALUES = np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0)


class PostgresServingStore:
    """`ServingStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def facts(
        self, symbols: Sequence[str], *, as_of_ns: int, max_events: int
    ) -> Mapping[str, TargetFacts]:
        """Read price and events of each symbol: of recent bars, and of all where those do not tell."""
        given = {
            "symbols": list(symbols),
            "bases": [base_of(symbol) for symbol in symbols],
            "as_of": ns_to_datetime(as_of_ns),
            "since": ns_to_datetime(as_of_ns - _RECENT_NS),
            "max_events": max_events,
        }
        rows = await self._statements.rows(_RECENT_FACTS, given, is_binary=True)
        if not all(row["is_newest"] for row in rows):
            rows = await self._statements.rows(_FACTS, given, is_binary=True)
        return {row["symbol"]: _facts(row) for row in rows}

    async def series(
        self, symbols: Sequence[str], interval: Interval, *, start_ns: int, since_ns: int, as_of_ns: int
    ) -> Mapping[str, LiveSeries]:
        """Read the newest bars of each symbol with its manifest line and what contexts rest on."""
        given = {
            "symbols": list(symbols),
            "bases": [base_of(symbol) for symbol in symbols],
            "perps": [perp_of(symbol) for symbol in symbols],
            "timeframe": str(interval),
            "types": list(EVENT_TYPES),
            "start": ns_to_datetime(start_ns),
            "stop": ns_to_datetime(as_of_ns - interval.ns + 1 + 999),  # a bar is never known before it closes
            "since": ns_to_datetime(since_ns),
            "counted": ns_to_datetime(since_ns - EVENT_WINDOW_NS),
            "averaged": ns_to_datetime(since_ns - FUNDING_MEAN_NS),
            "as_of": ns_to_datetime(as_of_ns),
        }
        return {
            row["symbol"]: _live_series(row)
            for row in await self._statements.rows(_SERIES, given, is_binary=True)
        }

    async def add(self, predictions: Sequence[PredictionRecord]) -> Mapping[str, StoredPrediction]:
        """Append predictions by one statement; see `ServingStore.add`."""
        return await add_predictions(self._statements, predictions)


def _facts(row: Mapping[str, Any]) -> TargetFacts:
    events = zip(*(row[name] or () for name in ("ids", "types", "titles", "times", "urls")), strict=True)
    return TargetFacts(
        None if row["price"] is None else Price(row["price"], datetime_to_ns(row["at"]), row["named"]),
        tuple(
            ContextEvent(id_, kind, title, datetime_to_ns(at), url) for id_, kind, title, at, url in events
        ),
    )


def _live_series(row: Mapping[str, Any]) -> LiveSeries:
    window = window_of(row)
    symbol = window.info.symbol
    return LiveSeries(
        window.info,
        window.bars,
        window.no_trade_ts_ns,
        _events(symbol, row),
        _funding(perp_of(symbol), row),
        tuple([row[name] for name in _SENT]),
    )


def _events(symbol: str, row: Mapping[str, Any]) -> EventSeries:
    if row["known"] is None:
        return EventSeries(
            symbol, _NO_TIMES, _NO_TIMES, _NO_CODES, _NO_CODES, _NO_VALUES, _NO_VALUES, _NO_VALUES
        )
    return EventSeries(
        symbol,
        epoch_ns(array_of(row["occurred"], "i8")),
        epoch_ns(array_of(row["known"], "i8")),
        array_of(row["kind"], "f8").astype(np.int8),
        array_of(row["tier"], "f8").astype(np.int8),
        *(array_of(row[name], "f8") for name in ("importance", "confidence", "novelty")),
    )


def _funding(symbol: str, row: Mapping[str, Any]) -> FundingSeries:
    if row["funding_ts"] is None:
        return FundingSeries(symbol, "", _NO_TIMES, _NO_VALUES)
    times, rates = epoch_ns(array_of(row["funding_ts"], "i8")), array_of(row["funding_rate"], "f8")
    return FundingSeries(symbol, row["funding_source"], times, rates)
