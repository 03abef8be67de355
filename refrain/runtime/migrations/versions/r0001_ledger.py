"""The ledger: patients, facts, outbox, mentions, unreadable records, offset holes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patients",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("patient_key", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("issued", sa.Text),
    )
    op.create_table(
        "facts",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("patient_key", sa.Text, primary_key=True),
        sa.Column("topic", sa.String(120), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("fact_id", sa.String(36), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    _outbox()
    op.create_table(
        "mentions",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("patient_key", sa.Text, primary_key=True),
    )
    op.create_table(
        "unreadable",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("record", sa.String(200), primary_key=True),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("cause", sa.String(120), nullable=False),
    )
    op.create_index("ix_unreadable_patient_key", "unreadable", ["patient_key"])
    op.create_table(
        "holes",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("topic", sa.String(120), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("expected", sa.BigInteger, primary_key=True),
        sa.Column("found", sa.BigInteger, nullable=False),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("topic", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("sent", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("outbox_of_patient", "outbox", ["cluster", "patient_key", "topic", "subject"])
    unsent = sa.column("sent", sa.Boolean).is_(sa.false())
    op.create_index("outbox_unsent", "outbox", ["cluster", "patient_key"], sqlite_where=unsent, postgresql_where=unsent)


def downgrade() -> None:
    for table in ("holes", "unreadable", "mentions", "outbox", "facts", "patients"):
        op.drop_table(table)
