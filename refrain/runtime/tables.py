"""The tables of a service's ledger: one definition for SQLite and PostgreSQL.

Every row carries the id of the Kafka cluster its facts came from: another cluster, or a wiped log, starts with a
ledger of its own, and offsets, issued alerts and duplicates of the old one are not believed.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, false

METADATA = MetaData()

Position = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""

PATIENTS = Table(
    "patients",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("patient_key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("issued", Text),
)
"""``version`` grows with every commit and is checked in the next; ``issued`` is what everybody was told, as JSON."""

FACTS = Table(
    "facts",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("patient_key", Text, primary_key=True),
    Column("topic", String(120), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("fact_id", String(36), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""The input as it came from Kafka. Of one subject the highest revision stays; a plain fact is its own subject."""

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("position", Position, primary_key=True, autoincrement=True),
    Column("cluster", String(64), nullable=False),
    Column("patient_key", Text, nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("topic", String(120), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("sent", Boolean, nullable=False, server_default=false()),
)
"""Every output, encoded once. Sent ones stay for ``Explain``; of a view (a flagged report, a course) the newest,
because each snapshot repeats the ones before and the log keeps them all."""

Index("outbox_of_patient", OUTBOX.c.cluster, OUTBOX.c.patient_key, OUTBOX.c.topic, OUTBOX.c.subject)
Index(
    "outbox_unsent",
    OUTBOX.c.cluster,
    OUTBOX.c.patient_key,
    sqlite_where=OUTBOX.c.sent.is_(False),
    postgresql_where=OUTBOX.c.sent.is_(False),
)

MENTIONS = Table(
    "mentions",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("patient_key", Text, primary_key=True),
)
"""Whose ledger an event, alert, report or result id belongs to."""

UNREADABLE = Table(
    "unreadable",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("record", String(200), primary_key=True),
    Column("patient_key", Text, nullable=False, index=True),
    Column("cause", String(120), nullable=False),
)
"""Dead letters by patient key: this ledger lacks a fact, and the next assessment has to say so."""

HOLES = Table(
    "holes",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("topic", String(120), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("expected", BigInteger, primary_key=True),
    Column("found", BigInteger, nullable=False),
)
"""Offsets that the consumer skipped. The worker that saw one has exited, so its successor counts from here."""
