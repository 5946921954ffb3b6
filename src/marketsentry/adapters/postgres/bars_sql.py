"""The statements of the bar store."""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bars:' || %(symbol)s || ':' || %(timeframe)s, 0))"

SERIES_COLUMNS = """
SELECT symbol, timeframe, source, is_synthetic, first_ts, last_ts, n_bars, n_missing, n_no_trade, gaps,
       revised_in::text::bigint AS revision
FROM market_series
"""

ONE_SERIES = SERIES_COLUMNS + "WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s"

SOME_SERIES = SERIES_COLUMNS + "WHERE symbol = ANY(%(symbols)s::text[]) AND timeframe = %(timeframe)s"

OF_SYMBOL = SERIES_COLUMNS + "WHERE symbol = %(symbol)s"

SAVE_SERIES = """
INSERT INTO market_series (symbol, timeframe, source, is_synthetic, first_ts, last_ts, n_bars, n_missing,
                           n_no_trade, gaps)
VALUES (%(symbol)s, %(timeframe)s, %(source)s, %(is_synthetic)s, %(first_ts)s, %(last_ts)s, %(n_bars)s,
        %(n_missing)s, %(n_no_trade)s, %(gaps)s)
ON CONFLICT (symbol, timeframe) DO UPDATE
SET first_ts = excluded.first_ts, last_ts = excluded.last_ts, n_bars = excluded.n_bars,
    n_missing = excluded.n_missing, n_no_trade = excluded.n_no_trade, gaps = excluded.gaps, updated_at = now(),
    revised_in = CASE WHEN %(is_revised)s THEN pg_current_xact_id() ELSE market_series.revised_in END
"""

COPY = """
COPY market_bars (symbol, timeframe, ts, open, high, low, close, volume, trades_count, source, known_at)
FROM STDIN (FORMAT BINARY)
"""

_KNOWN = """ array_send(array_agg(ts)), array_send(array_agg(open)), array_send(array_agg(high)),
       array_send(array_agg(low)), array_send(array_agg(close)), array_send(array_agg(volume))
FROM (
    SELECT ts, open, high, low, close, volume
    FROM market_bars
    WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s AND ts >= %(start)s AND ts < %(stop)s
      AND known_at <= %(as_of)s
"""

READ = "SELECT" + _KNOWN + "ORDER BY ts) AS bars"

READ_LAST = "SELECT" + _KNOWN + "ORDER BY ts DESC LIMIT %(n_bars)s) AS bars"

UPDATE = """
UPDATE market_bars AS bar
SET open = given.open, high = given.high, low = given.low, close = given.close, volume = given.volume
FROM unnest(%(ts)s::timestamptz[], %(open)s::float8[], %(high)s::float8[], %(low)s::float8[],
            %(close)s::float8[], %(volume)s::float8[]) AS given (ts, open, high, low, close, volume)
WHERE bar.symbol = %(symbol)s AND bar.timeframe = %(timeframe)s AND bar.ts = given.ts
"""

READ_NO_TRADE = """
SELECT array_send(array_agg(ts ORDER BY ts))
FROM no_trade_bars
WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s AND ts >= %(start)s AND ts < %(stop)s
"""

ADD_NO_TRADE = """
INSERT INTO no_trade_bars (symbol, timeframe, ts, source)
SELECT %(symbol)s, %(timeframe)s, given.ts, %(source)s FROM unnest(%(ts)s::timestamptz[]) AS given (ts)
"""

DROP_NO_TRADE = """
DELETE FROM no_trade_bars
WHERE symbol = %(symbol)s AND timeframe = %(timeframe)s AND ts = ANY(%(ts)s::timestamptz[])
"""
