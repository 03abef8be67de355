"""Bodies seen, and the work list of what could not be used."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates both tables."""
    op.create_table(
        "seen",
        sa.Column("log", sa.String(120), primary_key=True, comment="the Kafka log it was written to"),
        sa.Column(
            "body", sa.String(64), primary_key=True, comment="hash of sender and message, without what a resend changes"
        ),
        sa.Column("seen_at", sa.BigInteger, nullable=False, comment="seconds since 1970"),
    )
    op.create_index("ix_seen_seen_at", "seen", ["seen_at"])
    op.create_table(
        "unusable",
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("recorded_at", sa.BigInteger, nullable=False, comment="microseconds since 1970"),
        sa.Column("sender", sa.String(200), nullable=False),
        sa.Column("listener", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("place", sa.String(80), nullable=False),
        sa.Column("whole_message", sa.Boolean, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_unusable_recorded_at", "unusable", ["recorded_at"])


def downgrade() -> None:
    """Drops both: what was seen before is then seen as new, and the work list starts empty."""
    op.drop_table("unusable")
    op.drop_table("seen")
