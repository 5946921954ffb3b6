"""The statements of the account store."""

from marketsentry.adapters.postgres.newest_price import NEWEST_PRICE

OPEN = """
INSERT INTO accounts (adapter, venue, name, currency)
VALUES (%(adapter)s, %(venue)s, %(name)s, %(currency)s)
ON CONFLICT (adapter, venue, name) DO NOTHING
"""

ACCOUNT = "SELECT id, adapter, venue, name, currency FROM accounts "

GET = ACCOUNT + "WHERE id = %(account_id)s"

LOCK = GET + " FOR NO KEY UPDATE"

FIND = ACCOUNT + "WHERE adapter = %(adapter)s AND venue = %(venue)s AND name = %(name)s"

LIST = ACCOUNT + "ORDER BY id"

SUB_LEDGERS = """
SELECT DISTINCT account_id, strategy_id, track
FROM cash_balances
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(track)s::text IS NULL OR track = %(track)s)
ORDER BY account_id, strategy_id, track
"""

ADD_FILLS = """
INSERT INTO fills (order_id, account_id, decision_id, strategy_id, track, target, side, qty, price, fee, fee_currency,
                   fee_quote, reference_price, liquidity, client_order_id, venue_trade_id, filled_at)
SELECT %(order_id)s, %(account_id)s, %(decision_id)s, %(strategy_id)s, %(track)s, %(target)s, %(side)s, told.qty,
       told.price, told.fee, told.fee_currency, told.fee_quote, told.reference_price, told.liquidity,
       %(client_order_id)s, told.trade_id, told.filled_at
FROM unnest(%(trade_ids)s::text[], %(qtys)s::numeric[], %(prices)s::numeric[], %(fees)s::numeric[],
            %(fee_currencies)s::text[], %(fees_quote)s::numeric[], %(references)s::numeric[],
            %(liquidities)s::text[], %(times)s::timestamptz[]) WITH ORDINALITY
     AS told (trade_id, qty, price, fee, fee_currency, fee_quote, reference_price, liquidity, filled_at, place)
ORDER BY told.place
ON CONFLICT (account_id, target, venue_trade_id) DO NOTHING
RETURNING id, venue_trade_id
"""

ADD_ENTRIES = """
WITH added AS (
    INSERT INTO ledger_entries (account_id, strategy_id, track, kind, target, currency, amount, fill_id, reference, at)
    SELECT %(account_id)s, %(strategy_id)s, %(track)s, given.kind, given.target, given.currency, given.amount,
           given.fill_id, given.reference, given.at
    FROM unnest(%(kinds)s::text[], %(targets)s::text[], %(currencies)s::text[], %(amounts)s::numeric[],
                %(fill_ids)s::bigint[], %(references)s::text[], %(times)s::timestamptz[]) WITH ORDINALITY
         AS given (kind, target, currency, amount, fill_id, reference, at, place)
    ORDER BY given.place
    ON CONFLICT (account_id, strategy_id, kind, reference) DO NOTHING
    RETURNING id, currency, amount, reference
), moved AS (
    INSERT INTO cash_balances (account_id, strategy_id, track, currency, amount)
    SELECT %(account_id)s, %(strategy_id)s, %(track)s, currency, sum(amount)
    FROM added GROUP BY currency ORDER BY currency
    ON CONFLICT (account_id, strategy_id, currency) DO UPDATE
    SET amount = cash_balances.amount + excluded.amount, updated_at = now()
)
SELECT reference, id FROM added
"""

POSITIONS = """
SELECT account_id, strategy_id, track, target, qty, average_price, realised_quote, fee_quote, funding_quote,
       trip_quote, n_trips, losing_streak, mark_price, marked_at
FROM positions
WHERE account_id = %(account_id)s AND track = %(track)s AND (%(is_whole)s OR strategy_id = %(strategy_id)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
ORDER BY strategy_id, target
"""

PUT_POSITIONS = """
INSERT INTO positions (account_id, strategy_id, target, track, qty, average_price, realised_quote, fee_quote,
                       funding_quote, trip_quote, n_trips, losing_streak, mark_price, marked_at)
SELECT *
FROM unnest(%(account_ids)s::bigint[], %(strategy_ids)s::text[], %(targets)s::text[], %(tracks)s::text[],
            %(qty)s::numeric[], %(average_price)s::numeric[], %(realised_quote)s::numeric[], %(fee_quote)s::numeric[],
            %(funding_quote)s::numeric[], %(trip_quote)s::numeric[], %(n_trips)s::integer[],
            %(losing_streak)s::integer[], %(mark_price)s::numeric[], %(marked_at)s::timestamptz[])
ON CONFLICT (account_id, strategy_id, target) DO UPDATE
SET qty = excluded.qty, average_price = excluded.average_price, realised_quote = excluded.realised_quote,
    fee_quote = excluded.fee_quote, funding_quote = excluded.funding_quote, trip_quote = excluded.trip_quote,
    n_trips = excluded.n_trips, losing_streak = excluded.losing_streak, mark_price = excluded.mark_price,
    marked_at = excluded.marked_at, updated_at = now()
"""

ADD_TRIPS = """
INSERT INTO round_trips (account_id, strategy_id, track, target, fill_id, gain_quote, ended_at)
SELECT %(account_id)s, %(strategy_id)s, %(track)s, ended.target, ended.fill_id, ended.gain_quote, ended.ended_at
FROM unnest(%(targets)s::text[], %(fill_ids)s::bigint[], %(gains)s::numeric[], %(times)s::timestamptz[])
     WITH ORDINALITY AS ended (target, fill_id, gain_quote, ended_at, place)
ORDER BY ended.place
"""

TRIPS = """
SELECT target, fill_id, gain_quote, ended_at
FROM round_trips
WHERE account_id = %(account_id)s AND track = %(track)s AND (%(is_whole)s OR strategy_id = %(strategy_id)s)
  AND ended_at >= %(since)s
ORDER BY id DESC
LIMIT %(limit)s
"""

CASH = """
SELECT currency, sum(amount) AS amount
FROM cash_balances
WHERE account_id = %(account_id)s AND track = %(track)s AND (%(is_whole)s OR strategy_id = %(strategy_id)s)
GROUP BY currency ORDER BY currency
"""

OF_TRACK = """
SELECT id, adapter, venue, name, currency
FROM accounts
WHERE id IN (SELECT account_id FROM cash_balances WHERE track = %(track)s)
  AND (%(account_id)s::bigint IS NULL OR id = %(account_id)s)
ORDER BY id
"""

MOVE_MARKS = """
UPDATE positions
SET mark_price = told.price, marked_at = told.at, updated_at = now()
FROM unnest(%(targets)s::text[], %(prices)s::numeric[], %(times)s::timestamptz[]) AS told (target, price, at)
WHERE account_id = %(account_id)s AND track = %(track)s AND positions.target = told.target
  AND (marked_at IS NULL OR marked_at <= told.at)
"""

KNOWN_PRICES = (
    """
SELECT asked.symbol AS target, known.exact AS price, known.at, known.source
FROM unnest(%(targets)s::text[]) AS asked (symbol)
CROSS JOIN LATERAL ("""
    + NEWEST_PRICE
    + ") AS known"
)

NEWEST_MARK = """
SELECT at, equity_quote, peak_quote, day_start_quote, cash_quote, gross_quote, ledger_id, marks, decision_id
FROM equity_snapshots
WHERE account_id = %(account_id)s AND track = %(track)s AND strategy_id = %(strategy_id)s
  AND (%(before)s::timestamptz IS NULL OR at <= %(before)s)
ORDER BY at DESC LIMIT 1
"""

ADD_MARKS = """
INSERT INTO equity_snapshots (account_id, strategy_id, track, at, cash_quote, equity_quote, peak_quote,
                              day_start_quote, gross_quote, ledger_id, marks, decision_id)
SELECT *
FROM unnest(%(account_ids)s::bigint[], %(strategy_ids)s::text[], %(tracks)s::text[], %(times)s::timestamptz[],
            %(cash)s::numeric[], %(equities)s::numeric[], %(peaks)s::numeric[], %(day_starts)s::numeric[],
            %(gross)s::numeric[], %(ledger_ids)s::bigint[], %(marks)s::jsonb[], %(decision_ids)s::text[])
"""
