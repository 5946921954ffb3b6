"""Recorded order books, what each symbol has of them, the paper orders of one book, and costs fitted on own fills."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
-- One book at one time, as far as it is kept; its best prices are in `orderbook_l2` too. Measurements, so floats.
CREATE TABLE orderbook_depth (
    symbol varchar(32) NOT NULL,
    source varchar(64) NOT NULL,
    ts timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    bid_px float8[] NOT NULL,
    bid_sz float8[] NOT NULL,
    ask_px float8[] NOT NULL,
    ask_sz float8[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, source, ts),
    CHECK (known_at >= ts),
    CHECK (cardinality(bid_px) > 0 AND cardinality(bid_px) = cardinality(bid_sz)),
    CHECK (cardinality(ask_px) > 0 AND cardinality(ask_px) = cardinality(ask_sz)),
    CHECK (bid_px[1] <= ask_px[1])
);
CREATE INDEX orderbook_depth_newest ON orderbook_depth (symbol, ts DESC);

-- The books of a symbol come from one source; the figures are kept so that a list reads no book.
CREATE TABLE book_series (
    symbol varchar(32) PRIMARY KEY,
    source varchar(64) NOT NULL,
    first_ts timestamptz NOT NULL,
    last_ts timestamptz NOT NULL,
    n_quotes bigint NOT NULL DEFAULT 0 CHECK (n_quotes >= 0),
    n_books bigint NOT NULL DEFAULT 0 CHECK (n_books >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX paper_orders_of_look ON paper_orders (venue, (state ->> 'symbol'), (state ->> 'seen_at'));

CREATE TABLE cost_fits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter varchar(32) NOT NULL,
    symbol text NOT NULL,
    n_orders integer NOT NULL CHECK (n_orders > 0),
    first_fill_at timestamptz NOT NULL,
    last_fill_at timestamptz NOT NULL,
    half_spread_bps float8 NOT NULL CHECK (half_spread_bps >= 0 AND half_spread_bps < 'Infinity'),
    impact_coefficient float8 NOT NULL CHECK (impact_coefficient >= 0 AND impact_coefficient < 'Infinity'),
    fee_bps float8 NOT NULL CHECK (fee_bps > '-Infinity' AND fee_bps < 'Infinity'),
    own_share float8 NOT NULL CHECK (own_share BETWEEN 0 AND 1),
    spread_of_errors_bps float8 NOT NULL CHECK (spread_of_errors_bps >= 0 AND spread_of_errors_bps < 'Infinity'),
    prior jsonb NOT NULL,
    fitted_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cost_fits_newest ON cost_fits (adapter, symbol, fitted_at DESC);
"""

APPEND_ONLY = ("orderbook_depth", "cost_fits")

RULES = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_is_append_only;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_is_not_truncated;
"""

DROP = """
DROP INDEX paper_orders_of_look;
DROP TABLE cost_fits, book_series, orderbook_depth;
"""


def upgrade() -> None:
    """Build the tables."""
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(RULES.format(table=table))


def downgrade() -> None:
    """Drop them, with all their rows."""
    op.execute(DROP)
