"""Intake's tables: bodies seen, the work list, codes that lead nowhere and what people said they mean, who did what.

Times are microseconds since 1970 unless a column says otherwise. No patient data, save what a person writes into a
comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData()
SEEN = Table(
    "seen",
    metadata,
    Column("log", String(120), primary_key=True, comment="the Kafka log it was written to"),
    Column("body", String(64), primary_key=True, comment="hash of sender and message, without what a resend changes"),
    Column("seen_at", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
    Column("translation", BigInteger, nullable=False, server_default="0", comment="highest reading that was published"),
)
UNUSABLE = Table(
    "unusable",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("recorded_at", BigInteger, nullable=False, index=True),
    Column("sender", String(200), nullable=False),
    Column("listener", String(200), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("place", String(80), nullable=False),
    Column("whole_message", Boolean, nullable=False),
    Column("hash", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("raw_kept", Boolean, comment="whether quarantine.v1 has the bytes; null: from before it was written down"),
    Column("raw_event", String(36), comment="the entry whose record has them: this one or another of the message"),
    Column("raw_partition", Integer),
    Column("raw_offset", BigInteger),
    Column("resolved_at", BigInteger, comment="null while the entry is open"),
    Column("resolved_by", String(200)),
    Column("resolution", String(40)),
    Column("comment", Text),
    Column("request", String(200), comment="the request that resolved it"),
    Index("ix_unusable_open", "resolved_at", "recorded_at", "event_id"),
)
UNMAPPED = Table(
    "unmapped",
    metadata,
    Column("sender", String(200), primary_key=True),
    Column("code", String(200), primary_key=True),
    Column("system", String(200), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Index("ix_unmapped_count", "count"),
)
CODE_MAPS = Table(
    "code_maps",
    metadata,
    Column("sender", String(200), primary_key=True),
    Column("revision", BigInteger, nullable=False, comment="of the newest change; its row is the lock on them"),
)
MAPPINGS = Table(
    "mappings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sender", String(200), nullable=False),
    Column("code", String(200), nullable=False),
    Column("system", String(200), nullable=False),
    Column("analyte", String(80), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("mapped_at", BigInteger, nullable=False),
    Column("mapped_by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("request", String(200), nullable=False),
    Column("withdrawn_revision", BigInteger, comment="null while the mapping stands"),
    Column("withdrawn_at", BigInteger),
    Column("withdrawn_by", String(200)),
    Column("withdrawn_reason", Text),
    Column("withdrawn_request", String(200)),
    Index("ix_mappings_code", "sender", "code", "system"),
)
CHANGES = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", String(200), nullable=False),
    Column("what", String(40), nullable=False, comment="resolved, reopened, redriven, mapped, withdrawn"),
    Column("subject", String(450), nullable=False, index=True, comment="an event id, or SENDER|CODE|SYSTEM"),
    Column("why", Text, nullable=False),
    Column("request", String(200), nullable=False),
)


def upsert(connection: Connection, table: Table) -> Any:
    """An insert that may say what to do on a conflict, in the dialect of the connection."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


@dataclass(frozen=True, slots=True)
class Act:
    """What a person asked for: who, when, and the request's own id (may be empty)."""

    actor: str
    at: datetime
    request: str = ""


def audit(connection: Connection, act: Act, what: str, subject: str, why: str) -> None:
    """Writes down who did what, when and why: in the transaction of the change itself, never changed again."""
    row = {"at": microseconds(act.at), "actor": act.actor, "what": what, "subject": subject, "why": why}
    connection.execute(CHANGES.insert().values(row | {"request": act.request}))


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(stored: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return EPOCH + timedelta(microseconds=stored)
