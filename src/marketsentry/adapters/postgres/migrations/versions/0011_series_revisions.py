"""Which transaction last changed what a series already held: who has read it once need only read what follows.

The default serves a new line, and a line that a previous release adds: a series that was erased and made again is
another one.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the mark; what is there counts as revised now."""
    op.execute("ALTER TABLE market_series ADD revised_in xid8 NOT NULL DEFAULT pg_current_xact_id()")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE market_series DROP revised_in")
