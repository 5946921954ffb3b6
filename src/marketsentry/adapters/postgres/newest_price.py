"""The newest known price of a symbol, as SQL: a spot price, or the close of a bar where that is newer."""

_PRICE = """
    (SELECT price::float8 AS price, price::numeric AS exact, timestamp AS at, source::text AS source,
            source::text AS named, 0 AS place
     FROM prices
     WHERE symbol = asked.symbol AND timestamp <= %(as_of)s AND known_at <= %(as_of)s
     ORDER BY timestamp DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT newest.close, newest.close::numeric, newest.ts + series.timeframe::interval, newest.source,
           newest.source || ' ' || series.timeframe, 1
    FROM market_series AS series
    CROSS JOIN LATERAL (
        SELECT bar.ts, bar.close, bar.source
        FROM market_bars AS bar
        WHERE bar.symbol = series.symbol AND bar.timeframe = series.timeframe AND bar.ts < %(as_of)s
          AND bar.known_at <= %(as_of)s{bound}
        ORDER BY bar.ts DESC LIMIT 1
    ) AS newest
    WHERE series.symbol = asked.symbol
    ORDER BY at DESC, place, named LIMIT 1
"""

NEWEST_PRICE = _PRICE.format(bound="")
"""Body of a lateral query beside `asked (symbol)`: `price`, and `exact`ly where it is a spot price,
`at`, `source`, and `named`, which names the bars, too."""

RECENT_PRICE = _PRICE.format(bound=" AND bar.ts >= %(since)s")
"""The same of bars that open at `since` or later alone: without a bound each partition of the bars is looked into."""

IS_NEWEST = """known.at IS NOT NULL AND NOT EXISTS (
           SELECT FROM market_series AS series
           WHERE series.symbol = asked.symbol AND %(since)s::timestamptz + series.timeframe::interval > known.at)"""
"""Whether the recent price, `known`, is the newest of all: no bar before `since` can end after it."""
