"""The risk plane: events, the kill switch with its history, and the limits that were in force (K-07, K-37, K-43).

Events, history and limits only grow. A block is never without the time at which it began.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
CREATE TABLE risk_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id text,
    severity varchar(16) NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    code text NOT NULL,
    message text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX risk_events_severity ON risk_events (severity, created_at DESC);
-- an index holds at most 2.7 kB of a key, and a code of any length has to be stored
CREATE INDEX risk_events_code ON risk_events (left(code, 200), created_at DESC);
CREATE INDEX risk_events_decision ON risk_events (left(decision_id, 200)) WHERE decision_id IS NOT NULL;

CREATE TABLE risk_control_state (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    track varchar(16) NOT NULL,
    strategy_id varchar(64) NOT NULL DEFAULT 'global',
    state varchar(16) NOT NULL DEFAULT 'armed' CHECK (state IN ('armed', 'triggered')),
    reason text NOT NULL DEFAULT 'init',
    source varchar(16) NOT NULL CHECK (source IN ('manual', 'automatic')),
    mode varchar(16) NOT NULL DEFAULT 'reduce_only' CHECK (mode IN ('no_new', 'reduce_only', 'flatten')),
    until_cleared text[] NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    triggered_at timestamptz,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL,
    UNIQUE (track, strategy_id),
    CHECK ((state = 'triggered') = (triggered_at IS NOT NULL)),
    CHECK (state = 'triggered' OR (expires_at IS NULL AND until_cleared = '{}'))
);
CREATE INDEX risk_control_state_track ON risk_control_state (track, state, updated_at DESC);

CREATE TABLE kill_switch_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    track varchar(16) NOT NULL,
    strategy_id varchar(64) NOT NULL,
    action varchar(16) NOT NULL
        CHECK (action IN ('triggered', 'extended', 'kept', 'released', 'reset')),
    reason text NOT NULL,
    source varchar(16) NOT NULL,
    actor text NOT NULL,
    request_id text,
    state varchar(16) NOT NULL,
    mode varchar(16) NOT NULL,
    until_cleared text[] NOT NULL,
    expires_at timestamptz,
    before jsonb,
    created_at timestamptz NOT NULL
);
CREATE INDEX kill_switch_events_scope ON kill_switch_events (track, strategy_id, id DESC);

CREATE TABLE risk_limit_versions (
    version varchar(64) PRIMARY KEY,
    limits jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX entities_symbol_upper ON entities (upper(symbol)) WHERE symbol IS NOT NULL;
CREATE INDEX entities_name_lower ON entities (lower(name));
"""

APPEND_ONLY = ("risk_events", "kill_switch_events", "risk_limit_versions")

RULES = """
CREATE TRIGGER {table}_are_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER {table}_are_not_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_are_append_only;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_are_not_truncated;
"""

DROP = """
DROP INDEX entities_symbol_upper, entities_name_lower;
DROP TABLE risk_limit_versions, kill_switch_events, risk_control_state, risk_events;
"""


def upgrade() -> None:
    """Build the tables."""
    op.execute(TABLES)
    for table in APPEND_ONLY:
        op.execute(RULES.format(table=table))


def downgrade() -> None:
    """Drop them, with all their rows."""
    op.execute(DROP)
