"""The read model's tables: what the records on Kafka say, and (``TECHNICAL``) how far they were read.

All times are microseconds since 1970, all numbers with digits that matter are text, lists of codes are lines of one
text. A rebuild empties every table here and nothing else. Patients' numbers are compared byte by byte (collation C),
so that the beginning of a number is a range of an index in both databases.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql, sqlite

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = Text().with_variant(Text(collation="C"), "postgresql")
ID = String(36)

metadata = MetaData()

PATIENTS = Table(
    "patients",
    metadata,
    Column("patient_key", EXACT, primary_key=True),
    Column("chart_id", ID, nullable=False, unique=True),
    Column("authority", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("number", EXACT, nullable=False),
    Column("newest_fact_at", BigInteger, nullable=False),
    Column("sex", Text),
    Column("sex_told", Text, comment="recording time and id of the report that said it: the newest one counts"),
    Index("ix_patients_newest", "newest_fact_at", "chart_id"),
    Index("ix_patients_number", "number"),
)
REPORTS = Table(
    "reports",
    metadata,
    Column("report", ID, primary_key=True),
    Column("patient_key", EXACT, nullable=False),
    Column("processing", String(10), nullable=False),
    Column("sender", Text, nullable=False),
    Column("placer", Text, nullable=False),
    Column("filler", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("translation", BigInteger, nullable=False),
    Column("sex", Text),
    Column("versions", Text, nullable=False, comment="ids, one a line, in the order of the report"),
    Column("results", Text, nullable=False, comment="the result of each version"),
    Index("ix_reports_patient", "patient_key", "recorded_at", "report"),
)
VERSIONS = Table(
    "versions",
    metadata,
    Column("version", ID, primary_key=True),
    Column("patient_key", EXACT, primary_key=True),
    Column("processing", String(10), primary_key=True),
    Column("result", ID, nullable=False),
    Column("first_at", BigInteger, nullable=False, comment="earliest recording time of a record with it"),
    Column("newest_at", BigInteger, nullable=False, comment="latest recording time of a record with it"),
    Column("sender", Text, nullable=False),
    Column("report", ID, nullable=False),
    Column("translation", BigInteger, comment="of the reading that counts; null while only flags were seen"),
    Column("observation", Text, comment="JSON, as in lab-reports"),
    Column("flag_translation", BigInteger, comment="null while flagging has not spoken"),
    Column("flag_revision", BigInteger),
    Column("flag_event", ID),
    Column("flagged", Text, comment="JSON, as in flagged-reports"),
    Index("ix_versions_result", "result"),
)
RESULTS = Table(
    "results",
    metadata,
    Column("result", ID, primary_key=True),
    Column("patient_key", EXACT, primary_key=True),
    Column("processing", String(10), primary_key=True),
    Column("version", ID, nullable=False),
    Column("report", ID, nullable=False),
    Column("state", String(20), nullable=False),
    Column("subject", Text, nullable=False, comment="analyte, or the code as received"),
    Column("analyte", Text),
    Column("name", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("series", Text),
    Column("status", Text, nullable=False),
    Column("status_class", String(20), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("collected_at", BigInteger, nullable=False),
    Column("time_precision", String(20), nullable=False),
    Column("specimen", String(20), nullable=False),
    Column("method", Text, nullable=False),
    Column("lab", Text, nullable=False),
    Column("value_kind", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("number", Text),
    Column("unit", Text),
    Column("comparator", String(4)),
    Column("nominal", String(10)),
    Column("low", Text),
    Column("high", Text),
    Column("low_inclusive", Boolean),
    Column("high_inclusive", Boolean),
    Column("range_text", Text, nullable=False),
    Column("range_source", String(20), nullable=False),
    Column("interpretation", Text, nullable=False),
    Column("awaiting_flags", Boolean, nullable=False),
    Column("usable", Boolean, nullable=False),
    Column("held", Text, nullable=False),
    Column("quality", Text, nullable=False),
    Column("caveats", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("critical", String(10)),
    Column("review", String(20)),
    Column("repair_rule", Text),
    Column("change_percent", Text),
    Column("previous", ID),
    Column("versions", Integer, nullable=False),
    Column("corrected", Boolean, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("ix_results_newest", "patient_key", "processing", "collected_at", "result"),
    Index("ix_results_subject", "patient_key", "processing", "subject", "series", "collected_at"),
)
COURSES = Table(
    "courses",
    metadata,
    Column("patient_key", EXACT, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("event", ID, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)
MOMENTS = Table(
    "moments",
    metadata,
    Column("event", ID, primary_key=True),
    Column("patient_key", EXACT, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("calls", Text, nullable=False, comment="JSON: line:AXIS to the call in words"),
    Index("ix_moments_patient", "patient_key", "revision", "event"),
)
CARE_EVENTS = Table(
    "care_events",
    metadata,
    Column("event", ID, primary_key=True),
    Column("patient_key", EXACT, nullable=False, index=True),
    Column("recorded_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False, comment="JSON, as on Kafka"),
)
ALERT_EVENTS = Table(
    "alert_events",
    metadata,
    Column("event", ID, primary_key=True),
    Column("alert", ID, nullable=False, index=True),
    Column("patient_key", EXACT, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)
RETRACTED_WITH = Table(
    "retracted_with",
    metadata,
    Column("alert", ID, primary_key=True),
    Column("event", ID, primary_key=True, comment="the event of another alert that took this one back too"),
)
ACTIONS = Table(
    "alert_actions",
    metadata,
    Column("event", ID, primary_key=True),
    Column("alert", ID, nullable=False, index=True),
    Column("patient_key", EXACT, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)
ALERT_ROWS = Table(
    "alerts",
    metadata,
    Column("alert", ID, primary_key=True),
    Column("patient_key", EXACT, nullable=False),
    Column("number_of_patient", EXACT, nullable=False),
    Column("processing", String(10), nullable=False),
    Column("kind", Text, nullable=False),
    Column("tier", String(4), nullable=False),
    Column("due_hours", Integer),
    Column("urgency", SmallInteger, nullable=False, comment="order of the work list, most urgent first"),
    Column("subject", Text, nullable=False),
    Column("line", Integer),
    Column("text", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("fact_state", String(10), nullable=False),
    Column("notice", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("due_at", BigInteger),
    Column("assigned_to", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("acknowledged_by", Text, nullable=False),
    Column("acknowledged_at", BigInteger),
    Column("acknowledge_reason", Text, nullable=False),
    Column("snoozed_until", BigInteger),
    Column("events", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("what_changed", Text, nullable=False),
    Column("superseded_by", ID),
    Index("ix_alerts_urgent", "processing", "waiting", "urgency", "at", "alert"),
    Index("ix_alerts_newest", "processing", "waiting", "at", "alert"),
    Index("ix_alerts_counts", "processing", "waiting", "tier", "state", "due_at"),
    Index("ix_alerts_patient", "patient_key", "processing", "waiting", "urgency"),
    Index("ix_alerts_number", "number_of_patient"),
    Index("ix_alerts_assigned", "assigned_to", "waiting", "urgency", "at", "alert"),
)
DEAD_LETTERS = Table(
    "dead_letters",
    metadata,
    Column("id", EXACT, primary_key=True, comment="service-topic-partition-offset; the record stays on Kafka"),
    Column("service", String(40), nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("patient_key", EXACT, nullable=False, index=True, comment="its Kafka key, whatever that is"),
    Column("at", BigInteger, nullable=False),
    Index("ix_dead_letters_newest", "at", "id"),
)
REDRIVES = Table(
    "redrives",
    metadata,
    Column("id", EXACT, primary_key=True, comment="dead letter that came again as a record"),
)

OFFSETS = Table(
    "offsets",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False, comment="first offset that was not read"),
    Column("end", BigInteger, nullable=False, comment="end of the log when it was last seen"),
)
GOALS = Table(
    "goals",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("end", BigInteger, nullable=False, comment="end of the log when the rebuild began"),
)
CHANGES = Table(
    "changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("patient_key", EXACT, nullable=False, index=True),
    Column("what", String(20), nullable=False),
    Column("event", Text, nullable=False),
)
LOG = Table(
    "log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, comment="the Kafka log that everything here was read from"),
    Column("change", BigInteger, nullable=False, comment="number of the newest change; only grows"),
)

TECHNICAL = (OFFSETS, GOALS, CHANGES, LOG)
"""How far was read; everything else is a function of the set of records."""
READ_MODEL = tuple(table for table in metadata.sorted_tables if table not in TECHNICAL)


def insert(connection: Connection, table: Table) -> Any:
    """An insert that may say what to do on a conflict, in the dialect of the connection."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(stored: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return EPOCH + timedelta(microseconds=stored)
