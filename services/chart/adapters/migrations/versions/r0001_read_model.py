"""The read model: what the records on Kafka say, and how far they were read."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "patients",
    "reports",
    "versions",
    "results",
    "courses",
    "moments",
    "care_events",
    "alert_events",
    "retracted_with",
    "alert_actions",
    "alerts",
    "dead_letters",
    "redrives",
    "offsets",
    "goals",
    "changes",
    "log",
)


def upgrade() -> None:
    """Creates all tables; the services' records are then read from the start."""
    _results()
    _course()
    _alerts()
    _reading()


def downgrade() -> None:
    """Drops them; nothing is lost that Kafka does not have."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _exact() -> sa.types.TypeEngine[str]:
    """Text that both databases compare byte by byte."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _results() -> None:
    op.create_table(
        "patients",
        sa.Column("patient_key", _exact(), primary_key=True),
        sa.Column("chart_id", sa.String(36), nullable=False, unique=True),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("number", _exact(), nullable=False),
        sa.Column("newest_fact_at", sa.BigInteger, nullable=False),
        sa.Column("sex", sa.Text),
        sa.Column(
            "sex_told", sa.Text, comment="recording time and id of the report that said it: the newest one counts"
        ),
    )
    op.create_index("ix_patients_newest", "patients", ["newest_fact_at", "chart_id"])
    op.create_index("ix_patients_number", "patients", ["number"])
    op.create_table(
        "reports",
        sa.Column("report", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("processing", sa.String(10), nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("placer", sa.Text, nullable=False),
        sa.Column("filler", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("translation", sa.BigInteger, nullable=False),
        sa.Column("sex", sa.Text),
        sa.Column("versions", sa.Text, nullable=False, comment="ids, one a line, in the order of the report"),
        sa.Column("results", sa.Text, nullable=False, comment="the result of each version"),
    )
    op.create_index("ix_reports_patient", "reports", ["patient_key", "recorded_at", "report"])
    op.create_table(
        "versions",
        sa.Column("version", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), primary_key=True),
        sa.Column("processing", sa.String(10), primary_key=True),
        sa.Column("result", sa.String(36), nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False, comment="earliest recording time of a record with it"),
        sa.Column("newest_at", sa.BigInteger, nullable=False, comment="latest recording time of a record with it"),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("report", sa.String(36), nullable=False),
        sa.Column("translation", sa.BigInteger, comment="of the reading that counts; null while only flags were seen"),
        sa.Column("observation", sa.Text, comment="JSON, as in lab-reports"),
        sa.Column("flag_translation", sa.BigInteger, comment="null while flagging has not spoken"),
        sa.Column("flag_revision", sa.BigInteger),
        sa.Column("flag_event", sa.String(36)),
        sa.Column("flagged", sa.Text, comment="JSON, as in flagged-reports"),
    )
    op.create_index("ix_versions_result", "versions", ["result"])
    op.create_table(
        "results",
        sa.Column("result", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), primary_key=True),
        sa.Column("processing", sa.String(10), primary_key=True),
        sa.Column("version", sa.String(36), nullable=False),
        sa.Column("report", sa.String(36), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("subject", sa.Text, nullable=False, comment="analyte, or the code as received"),
        sa.Column("analyte", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("series", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("status_class", sa.String(20), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("collected_at", sa.BigInteger, nullable=False),
        sa.Column("time_precision", sa.String(20), nullable=False),
        sa.Column("specimen", sa.String(20), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("lab", sa.Text, nullable=False),
        sa.Column("value_kind", sa.String(20), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("number", sa.Text),
        sa.Column("unit", sa.Text),
        sa.Column("comparator", sa.String(4)),
        sa.Column("nominal", sa.String(10)),
        sa.Column("low", sa.Text),
        sa.Column("high", sa.Text),
        sa.Column("low_inclusive", sa.Boolean),
        sa.Column("high_inclusive", sa.Boolean),
        sa.Column("range_text", sa.Text, nullable=False),
        sa.Column("range_source", sa.String(20), nullable=False),
        sa.Column("interpretation", sa.Text, nullable=False),
        sa.Column("awaiting_flags", sa.Boolean, nullable=False),
        sa.Column("usable", sa.Boolean, nullable=False),
        sa.Column("held", sa.Text, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("caveats", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("critical", sa.String(10)),
        sa.Column("review", sa.String(20)),
        sa.Column("repair_rule", sa.Text),
        sa.Column("change_percent", sa.Text),
        sa.Column("previous", sa.String(36)),
        sa.Column("versions", sa.Integer, nullable=False),
        sa.Column("corrected", sa.Boolean, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_results_newest", "results", ["patient_key", "processing", "collected_at", "result"])
    op.create_index("ix_results_subject", "results", ["patient_key", "processing", "subject", "series", "collected_at"])


def _course() -> None:
    op.create_table(
        "courses",
        sa.Column("patient_key", _exact(), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(36), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "moments",
        sa.Column("event", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("calls", sa.Text, nullable=False, comment="JSON: line:AXIS to the call in words"),
    )
    op.create_index("ix_moments_patient", "moments", ["patient_key", "revision", "event"])
    op.create_table(
        "care_events",
        sa.Column("event", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False, comment="JSON, as on Kafka"),
    )
    op.create_index("ix_care_events_patient_key", "care_events", ["patient_key"])


def _alerts() -> None:
    op.create_table(
        "alert_events",
        sa.Column("event", sa.String(36), primary_key=True),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_events_alert", "alert_events", ["alert"])
    op.create_table(
        "retracted_with",
        sa.Column("alert", sa.String(36), primary_key=True),
        sa.Column(
            "event", sa.String(36), primary_key=True, comment="the event of another alert that took this one back too"
        ),
    )
    op.create_table(
        "alert_actions",
        sa.Column("event", sa.String(36), primary_key=True),
        sa.Column("alert", sa.String(36), nullable=False),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_actions_alert", "alert_actions", ["alert"])
    op.create_table(
        "alerts",
        sa.Column("alert", sa.String(36), primary_key=True),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("number_of_patient", _exact(), nullable=False),
        sa.Column("processing", sa.String(10), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tier", sa.String(4), nullable=False),
        sa.Column("due_hours", sa.Integer),
        sa.Column("urgency", sa.SmallInteger, nullable=False, comment="order of the work list, most urgent first"),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("line", sa.Integer),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("fact_state", sa.String(10), nullable=False),
        sa.Column("notice", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("assigned_to", sa.Text, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("acknowledged_by", sa.Text, nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("acknowledge_reason", sa.Text, nullable=False),
        sa.Column("snoozed_until", sa.BigInteger),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("what_changed", sa.Text, nullable=False),
        sa.Column("superseded_by", sa.String(36)),
    )
    op.create_index("ix_alerts_assigned", "alerts", ["assigned_to", "waiting", "urgency", "at", "alert"])
    op.create_index("ix_alerts_counts", "alerts", ["processing", "waiting", "tier", "state", "due_at"])
    op.create_index("ix_alerts_newest", "alerts", ["processing", "waiting", "at", "alert"])
    op.create_index("ix_alerts_number", "alerts", ["number_of_patient"])
    op.create_index("ix_alerts_patient", "alerts", ["patient_key", "processing", "waiting", "urgency"])
    op.create_index("ix_alerts_urgent", "alerts", ["processing", "waiting", "urgency", "at", "alert"])


def _reading() -> None:
    op.create_table(
        "dead_letters",
        sa.Column(
            "id", _exact(), primary_key=True, comment="service-topic-partition-offset; the record stays on Kafka"
        ),
        sa.Column("service", sa.String(40), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("patient_key", _exact(), nullable=False, comment="its Kafka key, whatever that is"),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_dead_letters_newest", "dead_letters", ["at", "id"])
    op.create_index("ix_dead_letters_patient_key", "dead_letters", ["patient_key"])
    op.create_table(
        "redrives",
        sa.Column("id", _exact(), primary_key=True, comment="dead letter that came again as a record"),
    )
    op.create_table(
        "offsets",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False, comment="first offset that was not read"),
        sa.Column("end", sa.BigInteger, nullable=False, comment="end of the log when it was last seen"),
    )
    op.create_table(
        "goals",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("end", sa.BigInteger, nullable=False, comment="end of the log when the rebuild began"),
    )
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("patient_key", _exact(), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
    )
    op.create_index("ix_changes_patient_key", "changes", ["patient_key"])
    op.create_table(
        "log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, comment="the Kafka log that everything here was read from"),
        sa.Column("change", sa.BigInteger, nullable=False, comment="number of the newest change; only grows"),
    )
    op.execute("insert into log (id, name, change) values (1, '', 0)")
