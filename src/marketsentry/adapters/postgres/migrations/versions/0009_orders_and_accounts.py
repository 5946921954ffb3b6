"""Signals, decisions, orders with their events and fills, and the accounts that they move.

What happened is append-only: order events, fills, ledger entries. `orders_sim.status`, `positions` and
`equity_snapshots` are what those add up to, kept beside them so that a decision reads one row; `ms status --rebuild`
adds them up again from nothing. Money, prices and quantities are exact decimals without a fixed scale.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter varchar(32) NOT NULL,
    venue varchar(64) NOT NULL,
    name varchar(64) NOT NULL DEFAULT 'main',
    currency varchar(16) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (adapter, venue, name)
);

CREATE TABLE decisions (
    decision_id varchar(64) PRIMARY KEY,
    track varchar(16) NOT NULL CHECK (track IN ('vc', 'liquid')),
    strategy_id varchar(64) NOT NULL,
    source varchar(32) NOT NULL CHECK (source IN ('rebalance', 'orders', 'signal', 'trader')),
    as_of timestamptz NOT NULL,
    is_approved boolean NOT NULL,
    capital numeric CHECK (capital > 0 AND capital < 'Infinity'),
    violations jsonb NOT NULL DEFAULT '[]',
    metadata jsonb NOT NULL DEFAULT '{}',
    idempotency_key varchar(255) UNIQUE,
    request_hash varchar(64),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE INDEX decisions_newest ON decisions (track, strategy_id, created_at DESC);

CREATE TABLE signal_candidates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    track varchar(16) NOT NULL CHECK (track IN ('vc', 'liquid')),
    target text NOT NULL,
    horizon varchar(16) NOT NULL,
    score double precision,
    confidence double precision,
    action varchar(16) NOT NULL CHECK (action IN ('buy', 'sell', 'hold')),
    policy varchar(64) NOT NULL,
    strategy_bucket varchar(32) NOT NULL,
    strategy_id varchar(64) NOT NULL,
    decision_id varchar(64) NOT NULL REFERENCES decisions,
    prediction_id bigint REFERENCES predictions_v2,
    expires_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((score IS NULL) = (confidence IS NULL)),
    CHECK (score > '-Infinity' AND score < 'Infinity' AND confidence BETWEEN 0 AND 1),
    CHECK (action = 'hold' OR score IS NOT NULL)
);
CREATE INDEX signal_candidates_newest ON signal_candidates (track, target, created_at DESC);
CREATE INDEX signal_candidates_decision ON signal_candidates (decision_id);

CREATE TABLE orders_sim (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id varchar(64) NOT NULL REFERENCES decisions,
    signal_id bigint REFERENCES signal_candidates,
    target text NOT NULL,
    track varchar(16) NOT NULL CHECK (track IN ('vc', 'liquid')),
    side varchar(8) NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric NOT NULL CHECK (quantity > 0 AND quantity < 'Infinity'),
    base_quantity numeric CHECK (base_quantity > 0 AND base_quantity < 'Infinity'),
    notional numeric CHECK (notional > 0 AND notional < 'Infinity'),
    est_price numeric CHECK (est_price > 0 AND est_price < 'Infinity'),
    price_ts timestamptz,
    est_cost_bps numeric NOT NULL DEFAULT 0 CHECK (est_cost_bps < 'Infinity'),
    reduce_only boolean NOT NULL DEFAULT false,
    status varchar(32) NOT NULL DEFAULT 'simulated' CHECK (status IN ('simulated', 'submitted', 'executing',
        'unknown', 'blocked', 'filled', 'partially_filled', 'rejected', 'canceled', 'expired')),
    adapter varchar(32) NOT NULL DEFAULT 'paper',
    venue varchar(64) NOT NULL DEFAULT 'coinbase',
    time_in_force varchar(16) NOT NULL DEFAULT 'IOC' CHECK (time_in_force IN ('GTC', 'IOC', 'FOK')),
    max_slippage_bps numeric NOT NULL DEFAULT 20 CHECK (max_slippage_bps BETWEEN 0 AND 2000),
    strategy_id varchar(64) NOT NULL DEFAULT 'default-liquid-v1',
    account_id bigint REFERENCES accounts,
    plan jsonb,
    filled_qty numeric NOT NULL DEFAULT 0 CHECK (filled_qty >= 0 AND filled_qty < 'Infinity'),
    reject_reason text,
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 0,
    lease_owner varchar(64),
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- an order that may reach a venue says which account it moves and how it is to be executed
    CHECK (status NOT IN ('executing', 'unknown') OR (account_id IS NOT NULL AND plan IS NOT NULL))
);
CREATE INDEX orders_sim_decision ON orders_sim (decision_id, id);
CREATE INDEX orders_sim_newest ON orders_sim (track, status, created_at DESC);
CREATE INDEX orders_sim_open ON orders_sim (lease_until) WHERE status IN ('executing', 'unknown');
CREATE INDEX orders_sim_strategy ON orders_sim (track, strategy_id, id DESC);

-- Client order ids are `ms-{order}-l`, and a venue keeps them for good. A second installation on the same account must
-- not begin at 1 again, or the venue answers with the order of the first; where ids meet all the same it is refused.
DO $$ BEGIN
    EXECUTE format('ALTER TABLE orders_sim ALTER id RESTART WITH %s', 1000000 + floor(random() * 8000000)::bigint);
END $$;

CREATE TABLE order_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders_sim,
    version integer NOT NULL CHECK (version > 0),
    kind varchar(32) NOT NULL,
    client_order_id varchar(64),
    at timestamptz NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, version)
);
-- one client order id is one leg of one order, forever
CREATE UNIQUE INDEX order_events_leg ON order_events (client_order_id) WHERE kind = 'leg_sending';

CREATE TABLE fills (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders_sim,
    account_id bigint NOT NULL REFERENCES accounts,
    decision_id varchar(64) NOT NULL REFERENCES decisions,
    strategy_id varchar(64) NOT NULL,
    track varchar(16) NOT NULL,
    target text NOT NULL,
    side varchar(8) NOT NULL CHECK (side IN ('buy', 'sell')),
    qty numeric NOT NULL CHECK (qty > 0 AND qty < 'Infinity'),
    price numeric NOT NULL CHECK (price > 0 AND price < 'Infinity'),
    fee numeric NOT NULL CHECK (fee > '-Infinity' AND fee < 'Infinity'),
    fee_currency varchar(16) NOT NULL,
    fee_quote numeric NOT NULL CHECK (fee_quote > '-Infinity' AND fee_quote < 'Infinity'),
    reference_price numeric CHECK (reference_price > 0 AND reference_price < 'Infinity'),
    liquidity varchar(8) NOT NULL DEFAULT '',
    client_order_id varchar(64) NOT NULL,
    venue_trade_id text NOT NULL,
    filled_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, target, venue_trade_id)
);
CREATE INDEX fills_order ON fills (order_id);
CREATE INDEX fills_newest ON fills (track, filled_at DESC);

CREATE TABLE ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    strategy_id varchar(64) NOT NULL,
    track varchar(16) NOT NULL,
    kind varchar(16) NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'trade', 'fee', 'funding', 'borrow',
        'adjustment')),
    target text,
    currency varchar(16) NOT NULL,
    amount numeric NOT NULL CHECK (amount > '-Infinity' AND amount < 'Infinity'),
    fill_id bigint REFERENCES fills,
    reference varchar(128) NOT NULL,
    at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, strategy_id, kind, reference)
);
CREATE INDEX ledger_entries_newest ON ledger_entries (account_id, id DESC);
CREATE INDEX ledger_entries_flows ON ledger_entries (account_id, id) WHERE kind IN ('deposit', 'withdrawal');

-- A round trip begins when a position leaves zero; `gain_quote` is net of its fees and funding.
CREATE TABLE round_trips (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    strategy_id varchar(64) NOT NULL,
    track varchar(16) NOT NULL,
    target text NOT NULL,
    fill_id bigint NOT NULL UNIQUE REFERENCES fills,
    gain_quote numeric NOT NULL CHECK (gain_quote > '-Infinity' AND gain_quote < 'Infinity'),
    ended_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX round_trips_newest ON round_trips (account_id, track, strategy_id, id DESC);

CREATE TABLE positions (
    account_id bigint NOT NULL REFERENCES accounts,
    strategy_id varchar(64) NOT NULL,
    target text NOT NULL,
    track varchar(16) NOT NULL,
    qty numeric NOT NULL,
    average_price numeric NOT NULL,
    realised_quote numeric NOT NULL,
    fee_quote numeric NOT NULL,
    funding_quote numeric NOT NULL,
    trip_quote numeric NOT NULL,
    n_trips integer NOT NULL,
    losing_streak integer NOT NULL,
    mark_price numeric,
    marked_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, strategy_id, target)
);

CREATE TABLE cash_balances (
    account_id bigint NOT NULL REFERENCES accounts,
    strategy_id varchar(64) NOT NULL,
    track varchar(16) NOT NULL,
    currency varchar(16) NOT NULL,
    amount numeric NOT NULL CHECK (amount > '-Infinity' AND amount < 'Infinity'),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, strategy_id, currency)
);

CREATE TABLE equity_snapshots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    strategy_id varchar(64) NOT NULL,
    track varchar(16) NOT NULL,
    at timestamptz NOT NULL,
    cash_quote numeric NOT NULL,
    equity_quote numeric NOT NULL,
    peak_quote numeric NOT NULL,
    day_start_quote numeric NOT NULL,
    gross_quote numeric NOT NULL,
    ledger_id bigint NOT NULL, -- the newest entry that counts; 0 before the first
    marks jsonb NOT NULL, -- price of each target that was held, as decimal text
    decision_id varchar(64) REFERENCES decisions,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, track, strategy_id, at)
);

CREATE TABLE positions_snapshots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id varchar(64) NOT NULL REFERENCES decisions,
    target text NOT NULL,
    track varchar(16) NOT NULL,
    weight double precision NOT NULL CHECK (weight > '-Infinity' AND weight < 'Infinity'),
    sector text,
    style_bucket text,
    reason varchar(64) NOT NULL DEFAULT 'rebalance',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX positions_snapshots_decision ON positions_snapshots (decision_id);

CREATE TABLE trader_states (
    strategy_id varchar(64) NOT NULL,
    account_id bigint NOT NULL REFERENCES accounts,
    bar_end timestamptz NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (strategy_id, account_id)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic varchar(64) NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL;

-- What the paper venue knows of the orders handed to it: its own side, that outlives the program like a real venue's.
CREATE TABLE paper_orders (
    client_order_id varchar(64) PRIMARY KEY,
    venue varchar(64) NOT NULL,
    is_over boolean NOT NULL,
    placed_at timestamptz NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX paper_orders_newest ON paper_orders (venue, placed_at);
CREATE INDEX paper_orders_open ON paper_orders (venue) WHERE NOT is_over;

CREATE TRIGGER order_events_are_append_only BEFORE UPDATE OR DELETE ON order_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_events_are_not_truncated BEFORE TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE order_events ENABLE ALWAYS TRIGGER order_events_are_append_only;
ALTER TABLE order_events ENABLE ALWAYS TRIGGER order_events_are_not_truncated;
CREATE TRIGGER fills_are_append_only BEFORE UPDATE OR DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fills_are_not_truncated BEFORE TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_are_append_only;
ALTER TABLE fills ENABLE ALWAYS TRIGGER fills_are_not_truncated;
CREATE TRIGGER ledger_entries_are_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entries_are_not_truncated BEFORE TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_are_append_only;
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_are_not_truncated;
"""

DROP = """
DROP TABLE paper_orders, outbox, trader_states, positions_snapshots, equity_snapshots, cash_balances, positions,
    round_trips, ledger_entries, fills, order_events, orders_sim, signal_candidates, decisions, accounts;
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the tables, with every order and account in them."""
    op.execute(DROP)
