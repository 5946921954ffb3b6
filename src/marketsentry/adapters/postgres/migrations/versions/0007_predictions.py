"""What a prediction is worth: who answered, why nobody did, whether it may trade, and what its parts add up to.

An abstention has no score: it is no zero. The record itself refuses a tradeable answer that no model gave.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

CHANGES = """
ALTER TABLE predictions_v2
    ALTER score DROP NOT NULL,
    ALTER confidence DROP NOT NULL,
    ADD source varchar(16) NOT NULL DEFAULT 'heuristic' CHECK (source IN ('model', 'heuristic')),
    ADD tradeable boolean NOT NULL DEFAULT false,
    ADD reason varchar(64),
    ADD CONSTRAINT predictions_v2_abstention CHECK ((score IS NULL) = (confidence IS NULL)),
    -- NaN sorts above infinity, so it fails the upper bound
    ADD CONSTRAINT predictions_v2_finite CHECK (score > '-Infinity' AND score < 'Infinity'
        AND confidence BETWEEN 0 AND 1),
    ADD CONSTRAINT predictions_v2_tradeable CHECK (NOT tradeable OR (source = 'model' AND score IS NOT NULL
        AND model_id IS NOT NULL AND feature_snapshot_id IS NOT NULL)),
    ADD FOREIGN KEY (lineage_id) REFERENCES lineages;
CREATE INDEX predictions_v2_target ON predictions_v2 (track, target, id DESC);
ALTER TABLE prediction_explanations ADD attribution jsonb, ALTER model_version TYPE varchar(200);
"""

BACK = """
ALTER TABLE prediction_explanations DROP attribution,
    ALTER model_version TYPE varchar(64) USING left(model_version, 64);
DROP INDEX predictions_v2_target;
DELETE FROM predictions_v2 WHERE score IS NULL;
ALTER TABLE predictions_v2
    DROP CONSTRAINT predictions_v2_lineage_id_fkey,
    DROP CONSTRAINT predictions_v2_tradeable,
    DROP CONSTRAINT predictions_v2_finite,
    DROP CONSTRAINT predictions_v2_abstention,
    DROP reason,
    DROP tradeable,
    DROP source,
    ALTER confidence SET NOT NULL,
    ALTER score SET NOT NULL;
"""


def upgrade() -> None:
    """Change the tables."""
    op.execute(CHANGES)


def downgrade() -> None:
    """Change them back; abstentions, which the older tables cannot hold, are lost."""
    op.execute(BACK)
