"""The statements of the order store."""

from marketsentry.adapters.postgres.statements import ANEW

_SHAPE = """
    id, decision_id, signal_id, target, track, side, quantity, base_quantity, notional, est_price, price_ts,
    est_cost_bps, reduce_only AS is_reduce_only, status, adapter, venue, time_in_force, max_slippage_bps, strategy_id,
    account_id, plan, filled_qty, reject_reason, metadata, version, lease_owner, lease_until, created_at, updated_at
"""

_SELECT = "SELECT" + _SHAPE + "FROM orders_sim\n"

_TOLD = """jsonb_build_object(
    'order_id', id, 'decision_id', decision_id, 'track', track, 'target', target, 'strategy_id', strategy_id,
    'side', side, 'status', status, 'filled_qty', filled_qty::text, 'reject_reason', reject_reason,
    'version', version)
"""

_PUBLISHED = (
    """), published AS (
    INSERT INTO outbox (topic, key, payload)
    SELECT 'orders', id::text, """  # noqa: S608 - fixed texts
    + _TOLD
    + """    FROM moved ORDER BY id
)
"""
)

ADD = (
    """
WITH given AS MATERIALIZED (
SELECT nextval('orders_sim_id_seq') AS id, told.*
FROM ROWS FROM (jsonb_to_recordset(%(orders)s) AS (
    decision_id text, signal_id bigint, target text, track text, side text, quantity numeric, base_quantity numeric,
    notional numeric, est_price numeric, price_ts timestamptz, est_cost_bps numeric, reduce_only boolean, status text,
    adapter text, venue text, time_in_force text, max_slippage_bps numeric, strategy_id text, account_id bigint,
    plan jsonb, reject_reason text, metadata jsonb, version integer, has_signal boolean))
    WITH ORDINALITY AS told
ORDER BY ordinality
), moved AS (
INSERT INTO orders_sim (id, decision_id, signal_id, target, track, side, quantity, base_quantity, notional, est_price,
                        price_ts, est_cost_bps, reduce_only, status, adapter, venue, time_in_force, max_slippage_bps,
                        strategy_id, account_id, plan, reject_reason, metadata, version, lease_owner, lease_until)
OVERRIDING SYSTEM VALUE
SELECT id, decision_id,
       CASE WHEN has_signal
            THEN (SELECT max(id) FROM signal_candidates AS told
                  WHERE told.decision_id = given.decision_id AND told.target = given.target)
            ELSE signal_id END,
       target, track, side, quantity, base_quantity, notional, est_price, price_ts, est_cost_bps, reduce_only, status,
       adapter, venue, time_in_force, max_slippage_bps, strategy_id, account_id, plan, reject_reason, metadata, version,
       lease.owner, lease.until
FROM given
LEFT JOIN (SELECT %(holder)s::text AS owner,
                  clock_timestamp() + make_interval(secs => %(lease_s)s::float8) AS until) AS lease
     ON given.status = 'executing'
ORDER BY id
RETURNING *
), logged AS (
    INSERT INTO order_events (order_id, version, kind, client_order_id, at, payload)
    SELECT given.id, told.version, kind, client_order_id, at, payload
    FROM jsonb_to_recordset(%(events)s) AS told(
        order_id bigint, version integer, kind text, client_order_id text, at timestamptz, payload jsonb)
    JOIN given ON given.ordinality = told.order_id + 1
    ORDER BY given.id, told.version
"""  # noqa: S608 - fixed texts
    + _PUBLISHED
    + "SELECT"
    + _SHAPE
    + "FROM moved ORDER BY id"
)

GET = _SELECT + "WHERE id = %(order_id)s"

OF_DECISION = _SELECT + "WHERE decision_id = %(decision_id)s ORDER BY id LIMIT %(limit)s"

PAGE = (
    ANEW
    + _SELECT
    + """
WHERE (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s::text[]))
  AND (%(track)s::text IS NULL OR track = %(track)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(strategy_id)s::text IS NULL OR strategy_id = %(strategy_id)s)
  AND (%(decision_id)s::text IS NULL OR decision_id = %(decision_id)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)

OPEN = (
    _SELECT
    + """
WHERE status IN ('executing', 'unknown')
  AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(track)s::text IS NULL OR track = %(track)s)
ORDER BY id
"""
)

LOCK = OF_DECISION + " FOR UPDATE"

EVENTS = """
SELECT order_id, version, kind, at, payload
FROM order_events
WHERE order_id = ANY(%(order_ids)s)
ORDER BY order_id, version
"""

MOVE = (
    """
WITH moved AS (
UPDATE orders_sim AS stored
SET status = given.status, version = given.version, filled_qty = given.filled_qty,
    reject_reason = given.reject_reason,
    account_id = coalesce(given.account_id, stored.account_id), plan = coalesce(given.plan, stored.plan),
    adapter = coalesce(given.adapter, stored.adapter), venue = coalesce(given.venue, stored.venue),
    time_in_force = coalesce(given.time_in_force, stored.time_in_force),
    max_slippage_bps = coalesce(given.max_slippage_bps, stored.max_slippage_bps),
    base_quantity = coalesce(given.base_quantity, stored.base_quantity),
    notional = coalesce(given.notional, stored.notional),
    reduce_only = coalesce(given.reduce_only, stored.reduce_only),
    metadata = stored.metadata || given.metadata,
    lease_owner = CASE WHEN given.is_over THEN NULL ELSE coalesce(%(holder)s, stored.lease_owner) END,
    lease_until = CASE WHEN given.is_over THEN NULL
                       ELSE coalesce(clock_timestamp() + make_interval(secs => %(lease_s)s::float8),
                                     stored.lease_until) END,
    updated_at = clock_timestamp()
FROM jsonb_to_recordset(%(orders)s) AS given(
    id bigint, before_version integer, version integer, status text, is_over boolean, filled_qty numeric,
    reject_reason text, account_id bigint, plan jsonb, adapter text, venue text, time_in_force text,
    max_slippage_bps numeric, base_quantity numeric, notional numeric, reduce_only boolean, metadata jsonb)
WHERE stored.id = given.id AND stored.version = given.before_version
  AND (%(owner)s::text IS NULL OR (stored.lease_owner = %(owner)s AND stored.lease_until > clock_timestamp()))
RETURNING stored.*
), logged AS (
    INSERT INTO order_events (order_id, version, kind, client_order_id, at, payload)
    SELECT order_id, given.version, kind, client_order_id, at, payload
    FROM jsonb_to_recordset(%(events)s) AS given(
        order_id bigint, version integer, kind text, client_order_id text, at timestamptz, payload jsonb)
    JOIN moved ON moved.id = given.order_id
    ORDER BY order_id, given.version
"""  # noqa: S608 - fixed texts
    + _PUBLISHED
    + "SELECT"
    + _SHAPE
    + "FROM moved ORDER BY id"
)

_DRIVE = """
SET status = %(status)s, version = %(version)s, filled_qty = %(filled_qty)s, reject_reason = %(reject_reason)s,
    metadata = metadata || %(metadata)s, updated_at = clock_timestamp(), """

_DRIVEN = (
    """
RETURNING id, decision_id, track, target, strategy_id, side, status, filled_qty, reject_reason, version
), logged AS (
    INSERT INTO order_events (order_id, version, kind, client_order_id, at, payload)
    SELECT moved.id, given.version, kind, client_order_id, at, payload
    FROM moved
    CROSS JOIN jsonb_to_recordset(%(events)s) AS given(
        version integer, kind text, client_order_id text, at timestamptz, payload jsonb)
    ORDER BY given.version
"""  # noqa: S608 - fixed texts
    + _PUBLISHED
)

MOVE_HELD = (
    "WITH moved AS (UPDATE orders_sim"  # noqa: S608 - fixed texts
    + _DRIVE
    + """
    lease_owner = CASE WHEN %(is_over)s THEN NULL ELSE lease_owner END,
    lease_until = CASE WHEN %(is_over)s THEN NULL ELSE lease_until END
WHERE id = %(id)s AND version = %(before_version)s AND lease_owner = %(owner)s AND lease_until > clock_timestamp()
"""
    + _DRIVEN
    + "SELECT id FROM moved"
)

_FILL_SHAPE = """
    id, order_id, account_id, decision_id, strategy_id, track, target, side, qty, price, fee, fee_currency, fee_quote,
    reference_price, liquidity, client_order_id, venue_trade_id, filled_at
"""

FILLS = (
    ANEW
    + "SELECT"
    + _FILL_SHAPE
    + """FROM fills
WHERE (%(decision_id)s::text IS NULL OR decision_id = %(decision_id)s)
  AND (%(order_id)s::bigint IS NULL OR order_id = %(order_id)s)
ORDER BY id
"""
)

OUTCOMES = """
SELECT coalesce(sum(CASE newest.side WHEN 'buy' THEN told.qty ELSE -told.qty END
                    * (newest.est_price - told.price)), 0) AS edge_quote,
       coalesce(sum(told.qty * abs(newest.est_price)), 0) AS notional_quote
FROM (
    SELECT id, side, est_price
    FROM orders_sim
    WHERE track = %(track)s AND status IN ('filled', 'partially_filled') AND created_at >= %(since)s
          AND NOT (starts_with(venue, %(drill)s) OR starts_with(venue, %(parity)s))
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
) AS newest
JOIN fills AS told ON told.order_id = newest.id
"""  # an order has filled what its fills add up to

KNOWN_LEGS = """
SELECT client_order_id, order_id
FROM order_events
WHERE kind = 'leg_sending' AND client_order_id = ANY(%(client_order_ids)s)
"""

KNOWN_TRADES = """
SELECT venue_trade_id
FROM fills
WHERE account_id = %(account_id)s AND venue_trade_id = ANY(%(trade_ids)s)
"""

CHAIN_SIGNALS = """
SELECT id, track, target, horizon, score, confidence, action, policy, strategy_bucket, strategy_id, decision_id,
       prediction_id, expires_at, metadata, created_at
FROM signal_candidates
WHERE decision_id = %(decision_id)s
   OR id IN (SELECT signal_id FROM orders_sim WHERE decision_id = %(decision_id)s)
ORDER BY id
"""

CHAIN_PREDICTIONS = """
SELECT id, track, target, score, confidence, outputs, horizon, model_id, feature_set_id, feature_snapshot_id,
       lineage_id, source, tradeable, reason, created_at
FROM predictions_v2
WHERE id = ANY(%(ids)s::bigint[])
ORDER BY id
"""

CHAIN_SNAPSHOTS = """
SELECT id, target, track, as_of, as_of_ts, event_time, feature_version, feature_payload, data_version, lineage_id,
       schema_hash, created_at
FROM feature_snapshots
WHERE id = ANY(%(ids)s::bigint[])
ORDER BY id
"""

CHAIN_MODELS = """
SELECT id, model_name, track, model_version, artifact_path, artifact_sha256, metrics, train_lineage_id, code_version,
       created_at
FROM model_registry
WHERE id = ANY(%(ids)s::bigint[])
ORDER BY id
"""

_TAKE = """
UPDATE orders_sim
SET lease_owner = %(owner)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT id
    FROM orders_sim
    WHERE status IN ('executing', 'unknown')
      AND (lease_until IS NULL OR lease_until <= clock_timestamp() OR lease_owner = %(owner)s
           OR lease_until > clock_timestamp() + interval '5 minutes') -- of a clock that has been set back
      AND (%(order_ids)s::bigint[] IS NULL OR id = ANY(%(order_ids)s::bigint[]))
    ORDER BY id
    FOR UPDATE SKIP LOCKED
    LIMIT %(limit)s)
"""

# a lease that a crash of the server loses is one that somebody else may take: neither waits for the disk
CLAIM = (
    "WITH taken AS ("
    + _TAKE
    + "RETURNING *) SELECT"
    + _SHAPE
    + ", set_config('synchronous_commit', 'off', true) AS commits_late FROM taken ORDER BY id"
)

RENEW = """
WITH renewed AS (
    UPDATE orders_sim
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE id = ANY(%(order_ids)s) AND lease_owner = %(owner)s
    RETURNING id
)
SELECT id, set_config('synchronous_commit', 'off', true) AS commits_late FROM renewed
"""

RELEASE = """
UPDATE orders_sim
SET lease_owner = NULL, lease_until = NULL
WHERE id = ANY(%(order_ids)s) AND lease_owner = %(owner)s
"""
