"""Patients as lists show them: found by the beginning of their number, counted from their results and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, tuple_

from services.chart.adapters.cursors import reading_cursor
from services.chart.adapters.rows import patient_of_row
from services.chart.adapters.storing import chunks
from services.chart.adapters.tables import ALERT_ROWS, PATIENTS, RESULTS, moment_of
from services.chart.domain.alerts import TIERS
from services.chart.domain.views import ON_SCREEN, PatientRow

LAST = "\U0010ffff"
"""Greater than whatever a number goes on with, byte by byte."""


def beginning_with(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether a text begins with another, as a range of an index."""
    typed = prefix.replace("\x00", "")
    return and_(column >= typed, column <= typed + LAST)


def search(connection: Connection, query: str, limit: int, after: str) -> list[PatientRow]:
    """Newest record first."""
    found = select(PATIENTS).order_by(PATIENTS.c.newest_fact_at.desc(), PATIENTS.c.chart_id.desc()).limit(limit)
    if query.strip():
        found = found.where(beginning_with(PATIENTS.c.number, query.strip()))
    if after:
        at, chart_id = reading_cursor(after, int, UUID)
        found = found.where(tuple_(PATIENTS.c.newest_fact_at, PATIENTS.c.chart_id) < (at, str(chart_id)))
    return _counted(connection, connection.execute(found).all())


def by_chart_id(connection: Connection, chart_id: UUID) -> PatientRow | None:
    """One patient."""
    found = connection.execute(select(PATIENTS).where(PATIENTS.c.chart_id == str(chart_id))).all()
    return next(iter(_counted(connection, found)), None)


def by_key(connection: Connection, key: str) -> PatientRow | None:
    """One patient, by Kafka key."""
    found = connection.execute(select(PATIENTS).where(PATIENTS.c.patient_key == key)).all()
    return next(iter(_counted(connection, found)), None)


def by_number(connection: Connection, number: str) -> list[PatientRow]:
    """Every patient with exactly this number, by chart id."""
    found = select(PATIENTS).where(PATIENTS.c.number == number).order_by(PATIENTS.c.chart_id)
    return _counted(connection, connection.execute(found).all())


def world(connection: Connection, key: str) -> str:
    """What a patient's pages show: live where there is anything live (which sorts first), else test or training."""
    query = select(func.min(RESULTS.c.processing)).where(RESULTS.c.patient_key == key)
    return str(connection.scalar(query) or "live")


def _counted(connection: Connection, rows: Sequence[Row[Any]]) -> list[PatientRow]:
    keys = [row.patient_key for row in rows]
    results: dict[tuple[str, str], int] = {}
    waiting: dict[str, tuple[int, int]] = {}
    for some in chunks(keys):
        counted = (
            select(RESULTS.c.patient_key, RESULTS.c.processing, func.count())
            .where(RESULTS.c.patient_key.in_(some), RESULTS.c.state.in_(ON_SCREEN))
            .group_by(RESULTS.c.patient_key, RESULTS.c.processing)
        )
        results |= {(key, processing): number for key, processing, number in connection.execute(counted)}
        alerts = (
            select(ALERT_ROWS.c.patient_key, func.count(), func.min(ALERT_ROWS.c.urgency))
            .where(
                ALERT_ROWS.c.patient_key.in_(some), ALERT_ROWS.c.processing == "live", ALERT_ROWS.c.waiting.is_(True)
            )
            .group_by(ALERT_ROWS.c.patient_key)
        )
        waiting |= {key: (number, most_urgent) for key, number, most_urgent in connection.execute(alerts)}
    return [_patient(row, results, waiting) for row in rows]


def _patient(
    row: Row[Any], results: dict[tuple[str, str], int], waiting: dict[str, tuple[int, int]]
) -> PatientRow:  # fmt: skip
    worlds = [processing for key, processing in results if key == row.patient_key]
    shown: Any = min(worlds, default="live")
    number, most_urgent = waiting.get(row.patient_key, (0, 0))
    return PatientRow(
        key=row.patient_key, patient=patient_of_row(row), chart_id=UUID(row.chart_id),
        newest_fact_at=moment_of(row.newest_fact_at), results=results.get((row.patient_key, shown), 0),
        waiting_alerts=number, worst_tier=TIERS[most_urgent // 1000] if number else None, sex=row.sex,
        processing=shown,
    )  # fmt: skip
