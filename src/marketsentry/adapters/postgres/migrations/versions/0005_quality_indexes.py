"""Indexes for reading quality records by time, and the few snapshots that were served."""

from alembic import op

revision = "0005"
down_revision = "0004"

INDEXES = """
CREATE INDEX data_quality_audit_newest ON data_quality_audit (audited_at DESC, id DESC);
CREATE INDEX data_quality_review_logs_time ON data_quality_review_logs (created_at, id);
CREATE INDEX feature_snapshots_served ON feature_snapshots (track, target, event_time)
    WHERE lineage_id LIKE 'infer-%';
"""

DROP = "DROP INDEX feature_snapshots_served, data_quality_review_logs_time, data_quality_audit_newest"


def upgrade() -> None:
    """Build the indexes."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Drop them."""
    op.execute(DROP)
