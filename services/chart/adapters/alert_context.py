"""What notify needs to word an alert: where its page is, the course in sentences, the value before."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from refrain.contracts.events import Evidence
from refrain.contracts.topics import ALERTS
from services.chart.adapters import alerts, courses
from services.chart.adapters.rows import result_of_row
from services.chart.adapters.tables import ALERT_EVENTS, RESULTS
from services.chart.domain.alert_context import course_sentences
from services.chart.domain.alerts import by_sequence
from services.chart.domain.views import AlertContext, AlertRow, ResultRow


def context(connection: Connection, alert: UUID) -> AlertContext | None:
    """None for an alert that is not here (yet)."""
    row = alerts.by_id(connection, alert)
    if row is None:
        return None
    assessment = courses.course(connection, row.key)
    return AlertContext(
        chart_id=row.chart_id, path=f"/alerts/{alert}",
        course=course_sentences(assessment, row.line) if assessment is not None else (),
        previous=_previous(connection, row),
    )  # fmt: skip


def _previous(connection: Connection, row: AlertRow) -> str:
    """The result before the newest one that the alert rests on, in the same series; empty when there is none."""
    payloads = connection.scalars(select(ALERT_EVENTS.c.payload).where(ALERT_EVENTS.c.alert == str(row.alert)))
    newest = by_sequence([ALERTS.decode(payload.encode()) for payload in payloads])[-1]
    for piece in sorted(newest.evidence, key=lambda one: one.collected_at, reverse=True):
        result = _result(connection, row, piece)
        if result is not None and result.previous is not None:
            before = _result(connection, row, piece, result.previous)
            return before.shown if before is not None and before.state == "current" else ""
    return ""


def _result(
    connection: Connection, row: AlertRow, piece: Evidence, other: UUID | None = None
) -> ResultRow | None:  # fmt: skip
    query = select(RESULTS).where(
        RESULTS.c.result == str(other or piece.result),
        RESULTS.c.patient_key == row.key,
        RESULTS.c.processing == row.processing,
    )
    found = connection.execute(query).first()
    return result_of_row(found) if found else None
