"""Trials cannot be uncounted: not by TRUNCATE, and not in a session that switches ordinary triggers off."""

from alembic import op

revision = "0006"
down_revision = "0005"

RULES = """
CREATE TRIGGER trials_are_not_truncated BEFORE TRUNCATE ON trials
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE trials ENABLE ALWAYS TRIGGER trials_are_append_only;
ALTER TABLE trials ENABLE ALWAYS TRIGGER trials_are_not_truncated;
"""

DROP = """
DROP TRIGGER trials_are_not_truncated ON trials;
ALTER TABLE trials ENABLE TRIGGER trials_are_append_only;
"""


def upgrade() -> None:
    """Add the rules."""
    op.execute(RULES)


def downgrade() -> None:
    """Go back to refusing updates and deletes alone."""
    op.execute(DROP)
