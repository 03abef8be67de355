"""Where raw bytes are, how entries end, unmapped codes and what people said they mean, who did what."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _added() -> list[sa.Column[Any]]:
    return [
        sa.Column(
            "raw_kept", sa.Boolean, comment="whether quarantine.v1 has the bytes; null: from before it was written down"
        ),
        sa.Column(
            "raw_event", sa.String(36), comment="the entry whose record has them: this one or another of the message"
        ),
        sa.Column("raw_partition", sa.Integer),
        sa.Column("raw_offset", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger, comment="null while the entry is open"),
        sa.Column("resolved_by", sa.String(200)),
        sa.Column("resolution", sa.String(40)),
        sa.Column("comment", sa.Text),
        sa.Column("request", sa.String(200), comment="the request that resolved it"),
    ]


def upgrade() -> None:
    """Adds to both tables and creates four; every entry that is there is open."""
    op.add_column(
        "seen",
        sa.Column(
            "translation",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="highest reading that was published",
        ),
    )
    for column in _added():
        op.add_column("unusable", column)
    op.create_index("ix_unusable_hash", "unusable", ["hash"])
    op.create_index("ix_unusable_open", "unusable", ["resolved_at", "recorded_at", "event_id"])
    _codes()
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("what", sa.String(40), nullable=False, comment="resolved, reopened, redriven, mapped, withdrawn"),
        sa.Column("subject", sa.String(450), nullable=False, comment="an event id, or SENDER|CODE|SYSTEM"),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("request", sa.String(200), nullable=False),
    )
    op.create_index("ix_changes_at", "changes", ["at"])
    op.create_index("ix_changes_subject", "changes", ["subject"])


def _codes() -> None:
    op.create_table(
        "unmapped",
        sa.Column("sender", sa.String(200), primary_key=True),
        sa.Column("code", sa.String(200), primary_key=True),
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_unmapped_count", "unmapped", ["count"])
    op.create_table(
        "code_maps",
        sa.Column("sender", sa.String(200), primary_key=True),
        sa.Column(
            "revision", sa.BigInteger, nullable=False, comment="of the newest change; its row is the lock on them"
        ),
    )
    op.create_table(
        "mappings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("sender", sa.String(200), nullable=False),
        sa.Column("code", sa.String(200), nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("analyte", sa.String(80), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("mapped_at", sa.BigInteger, nullable=False),
        sa.Column("mapped_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request", sa.String(200), nullable=False),
        sa.Column("withdrawn_revision", sa.BigInteger, comment="null while the mapping stands"),
        sa.Column("withdrawn_at", sa.BigInteger),
        sa.Column("withdrawn_by", sa.String(200)),
        sa.Column("withdrawn_reason", sa.Text),
        sa.Column("withdrawn_request", sa.String(200)),
    )
    op.create_index("ix_mappings_code", "mappings", ["sender", "code", "system"])


def downgrade() -> None:
    """Drops what it added: mappings, resolutions and who did what are lost."""
    for table in ("changes", "mappings", "code_maps", "unmapped"):
        op.drop_table(table)
    op.drop_index("ix_unusable_open", "unusable")
    op.drop_index("ix_unusable_hash", "unusable")
    with op.batch_alter_table("unusable") as unusable:
        for column in reversed(_added()):
            unusable.drop_column(column.name)
    with op.batch_alter_table("seen") as seen:
        seen.drop_column("translation")
