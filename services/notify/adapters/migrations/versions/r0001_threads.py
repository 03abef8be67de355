"""Threads, their changes, the place in the log, deliveries, actions, requests, channels, work that is held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _threads()
    _deliveries()
    _actions()
    op.create_table(
        "request",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("request", sa.String(36), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
    )
    op.create_index("request_at", "request", ["at"])
    op.create_table(
        "channel",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("down_since", sa.BigInteger),
        sa.Column("last_success", sa.BigInteger),
    )
    op.create_table(
        "hold",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("work", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _threads() -> None:
    op.create_table(
        "thread",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("alert", sa.String(36), primary_key=True),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("tier", sa.String(8), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("assigned_to", sa.String(200), nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("wake_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
    )
    urgency = ["cluster", "rank", "raised_at", "alert"]
    live = sa.column("live", sa.Boolean).is_(sa.true())
    _partial("thread_urgency", "thread", urgency, live)
    _partial("thread_waiting", "thread", urgency, sa.column("waiting", sa.Boolean).is_(sa.true()))
    _partial("thread_waking", "thread", ["cluster", "wake_at"], sa.column("wake_at").is_not(None))
    held = sa.column("assigned_to", sa.String) != ""
    _partial("thread_held", "thread", ["cluster", "assigned_to", *urgency[1:]], held)
    op.create_index("thread_patient", "thread", ["cluster", "patient_key", *urgency[1:]])
    _partial("thread_change", "thread", ["cluster", "change"], live)
    op.create_table(
        "changes",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("newest", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "position",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("topic", sa.String(120), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("following", sa.BigInteger, nullable=False),
    )


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("cluster", sa.String(64), primary_key=True),
        sa.Column("delivery", sa.String(36), primary_key=True),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("channel", sa.String(200), nullable=False),
        sa.Column("tier", sa.String(8), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("bundle", sa.String(36)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("next_try_at", sa.BigInteger, nullable=False),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("leased_by", sa.String(36)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    unsent = sa.column("state", sa.String) == "waiting"
    _partial("delivery_due", "delivery", ["cluster", "next_try_at"], unsent)
    _partial("delivery_together", "delivery", ["cluster", "person", "channel", "tier", "patient_key"], unsent)
    _partial("delivery_bundle", "delivery", ["cluster", "bundle"], unsent)
    op.create_index("delivery_alert", "delivery", ["cluster", "alert"])


def _actions() -> None:
    op.create_table(
        "action",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger),
    )
    op.create_index("action_number", "action", ["cluster", "alert", "number"], unique=True)
    op.create_index("action_event", "action", ["cluster", "event_id"], unique=True)
    _partial("action_unpublished", "action", ["cluster", "position"], sa.column("published_at").is_(None))


def _partial(name: str, table: str, columns: list[str], where: sa.ColumnElement[bool]) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for table in ("hold", "channel", "request", "action", "delivery", "position", "changes", "thread"):
        op.drop_table(table)
