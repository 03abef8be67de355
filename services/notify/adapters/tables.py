"""The tables of notify: one definition for SQLite and PostgreSQL. Times are microseconds since 1970, in UTC.

Every row carries the id of the Kafka cluster its alerts came from: another cluster, or a wiped log, starts with threads
of its own, and nobody is told of what the old one said.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
)

METADATA = MetaData()
Position = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

THREADS = Table(
    "thread",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("alert", String(36), primary_key=True),
    Column("patient_key", Text, nullable=False),
    Column("kind", String(80), nullable=False),
    Column("tier", String(8), nullable=False),
    Column("rank", Integer, nullable=False),  # urgency, 0 the most urgent
    Column("state", String(16), nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),  # not of a test message or a training system
    Column("assigned_to", String(200), nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("wake_at", BigInteger),
    Column("version", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),  # position among all changes of this cluster
    Column("thread", Text, nullable=False),
)
"""One alert with people: ``thread`` is the whole of it as JSON, the columns are what is asked for. ``version`` is
checked by every write, so that two replicas, two people and a timer that fires twice are one case."""

LIVE: ColumnElement[bool] = THREADS.c.live.is_(True)
WAITS: ColumnElement[bool] = THREADS.c.waiting.is_(True)
HELD: ColumnElement[bool] = THREADS.c.assigned_to != literal_column("''")
"""Conditions of partial indexes: a query says them in the same words, never as a bound parameter, else it is slow."""
_wakes = THREADS.c.wake_at.is_not(None)
_urgency = (THREADS.c.cluster, THREADS.c.rank, THREADS.c.raised_at, THREADS.c.alert)
Index("thread_urgency", *_urgency, sqlite_where=LIVE, postgresql_where=LIVE)
Index("thread_waiting", *_urgency, sqlite_where=WAITS, postgresql_where=WAITS)
Index("thread_waking", THREADS.c.cluster, THREADS.c.wake_at, sqlite_where=_wakes, postgresql_where=_wakes)
Index("thread_held", THREADS.c.cluster, THREADS.c.assigned_to, *_urgency[1:], sqlite_where=HELD, postgresql_where=HELD)
Index("thread_patient", THREADS.c.cluster, THREADS.c.patient_key, *_urgency[1:])
Index("thread_change", THREADS.c.cluster, THREADS.c.change, sqlite_where=LIVE, postgresql_where=LIVE)

CHANGES = Table(
    "changes",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("newest", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # when a process last found this cluster
)
"""The newest change number. Whoever takes numbers holds the row until its commit: numbers appear in order."""

POSITIONS = Table(
    "position",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("topic", String(120), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("following", BigInteger, nullable=False),
)
"""Where reading goes on: written with the threads, so that a database that was lost or restored reads again what it
lacks, whatever the consumer group remembers."""

DELIVERIES = Table(
    "delivery",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("delivery", String(36), primary_key=True),
    Column("alert", String(36), nullable=False),
    Column("person", String(200), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("tier", String(8), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("patient_key", Text, nullable=False),  # empty for a digest, which is one over all patients
    Column("bundle", String(36)),  # the key under which it went together with others
    Column("state", String(16), nullable=False),  # waiting, sent, failed or withdrawn
    Column("not_before", BigInteger, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("leased_until", BigInteger),
    Column("leased_by", String(36)),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("reason", String(80), nullable=False),
    Column("message", Text, nullable=False),
)
"""One message to one person over one channel: the delivery log, and what is still to be sent."""

UNSENT: ColumnElement[bool] = DELIVERIES.c.state == literal_column("'waiting'")
Index("delivery_due", DELIVERIES.c.cluster, DELIVERIES.c.next_try_at, sqlite_where=UNSENT, postgresql_where=UNSENT)
Index(
    "delivery_together", DELIVERIES.c.cluster, DELIVERIES.c.person, DELIVERIES.c.channel, DELIVERIES.c.tier,
    DELIVERIES.c.patient_key, sqlite_where=UNSENT, postgresql_where=UNSENT,
)  # fmt: skip
Index("delivery_bundle", DELIVERIES.c.cluster, DELIVERIES.c.bundle, sqlite_where=UNSENT, postgresql_where=UNSENT)
Index("delivery_alert", DELIVERIES.c.cluster, DELIVERIES.c.alert)

ACTIONS = Table(
    "action",
    METADATA,
    Column("position", Position, primary_key=True, autoincrement=True),
    Column("cluster", String(64), nullable=False),
    Column("alert", String(36), nullable=False),
    Column("number", Integer, nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("type", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("why", String(200), nullable=False),
    Column("event", Text, nullable=False),  # the AlertAction as it is put on Kafka
    Column("published_at", BigInteger),
)
"""What was done about alerts: the audit and the outbox in one. Rows are never changed but for ``published_at``."""

UNPUBLISHED: ColumnElement[bool] = ACTIONS.c.published_at.is_(None)
Index("action_number", ACTIONS.c.cluster, ACTIONS.c.alert, ACTIONS.c.number, unique=True)
Index("action_event", ACTIONS.c.cluster, ACTIONS.c.event_id, unique=True)
Index(
    "action_unpublished", ACTIONS.c.cluster, ACTIONS.c.position, sqlite_where=UNPUBLISHED,
    postgresql_where=UNPUBLISHED,
)  # fmt: skip

REQUESTS = Table(
    "request",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("request", String(36), primary_key=True),
    Column("hash", String(64), nullable=False),  # of what was asked: another request may not use the id
    Column("at", BigInteger, nullable=False),
    Column("thread", Text, nullable=False),  # the answer: the alert as the change left it
)
"""Changes that people asked for and that were made, so that asking again gives the same answer."""
Index("request_at", REQUESTS.c.at)

CHANNELS = Table(
    "channel",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("failures", Integer, nullable=False),  # since its last success
    Column("down_since", BigInteger),
    Column("last_success", BigInteger),
)
"""How each channel fares, shared by all replicas."""

HOLDS = Table(
    "hold",
    METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("work", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""Work that one replica does at a time, and until when it may be its own."""


def microseconds(moment: datetime) -> int:
    """An aware time as it is stored."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(stored: int) -> datetime:
    """The inverse, in UTC."""
    return EPOCH + timedelta(microseconds=stored)
