"""A patient's laboratory reports as they were published, and how the results of each one stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from refrain.contracts.events import Order
from services.chart.adapters.cursors import reading_cursor
from services.chart.adapters.patients import world
from services.chart.adapters.rows import patient_of_row
from services.chart.adapters.storing import chunks, codes
from services.chart.adapters.tables import PATIENTS, REPORTS, RESULTS, moment_of
from services.chart.domain.fhir.reports import Head, Standing
from services.chart.domain.views import ReportView


def report(connection: Connection, report: UUID) -> ReportView | None:
    """One report."""
    return next(iter(_reports(connection, _joined().where(REPORTS.c.report == str(report)))), None)


def reports(connection: Connection, key: str, limit: int, before: str) -> list[ReportView]:
    """Newest record first."""
    return _reports(connection, _listed(connection, _joined(), key, before).limit(limit))


def heads(
    connection: Connection, key: str, limit: int, before: str, where: Sequence[ColumnElement[bool]]
) -> list[Head]:
    """Newest record first: of each report only how its results stand."""
    narrow = (
        select(REPORTS.c.report, REPORTS.c.occurred_at, REPORTS.c.recorded_at, REPORTS.c.results)
        .where(*where)
        .limit(limit)
    )
    rows = connection.execute(_listed(connection, narrow, key, before)).all()
    results = {row.report: tuple(dict.fromkeys(codes(row.results))) for row in rows}
    known = _standing(connection, key, [result for ids in results.values() for result in ids])
    return [
        Head(
            UUID(row.report), moment_of(row.occurred_at), moment_of(row.recorded_at),
            tuple(known[result] for result in results[row.report] if result in known),
        )
        for row in rows
    ]  # fmt: skip


def _listed(connection: Connection, query: Select[Any], key: str, before: str) -> Select[Any]:
    query = query.where(REPORTS.c.patient_key == key, REPORTS.c.processing == world(connection, key))
    if before:
        at, report = reading_cursor(before, int, UUID)
        query = query.where(tuple_(REPORTS.c.recorded_at, REPORTS.c.report) < (at, str(report)))
    return query.order_by(REPORTS.c.recorded_at.desc(), REPORTS.c.report.desc())


def _standing(connection: Connection, key: str, results: Sequence[str]) -> dict[str, Standing]:
    columns = RESULTS.c
    narrow = select(
        columns.result, columns.state, columns.status, columns.status_class, columns.recorded_at,
        columns.collected_at, columns.time_precision,
    ).where(columns.patient_key == key, columns.processing == world(connection, key))  # fmt: skip
    return {
        row.result: Standing(
            row.state, row.status, row.status_class, moment_of(row.recorded_at), moment_of(row.collected_at),
            row.time_precision,
        )
        for some in chunks(results)
        for row in connection.execute(narrow.where(columns.result.in_(some)))
    }  # fmt: skip


def _joined() -> Select[Any]:
    patient = PATIENTS.c.number.label("patient_number"), PATIENTS.c.authority, PATIENTS.c.type, PATIENTS.c.chart_id
    return select(REPORTS, *patient).join(PATIENTS, PATIENTS.c.patient_key == REPORTS.c.patient_key)


def _reports(connection: Connection, query: Select[Any]) -> list[ReportView]:
    return [_report(row) for row in connection.execute(query)]


def _report(row: Row[Any]) -> ReportView:
    return ReportView(
        report=UUID(row.report), key=row.patient_key, patient=patient_of_row(row), chart_id=UUID(row.chart_id),
        processing=row.processing, sender=row.sender,
        order=Order(placer=row.placer, filler=row.filler, code=row.code, status=row.status),
        occurred_at=moment_of(row.occurred_at), recorded_at=moment_of(row.recorded_at), translation=row.translation,
        sex=row.sex, versions=_ids(codes(row.versions)), results=_ids(codes(row.results)),
    )  # fmt: skip


def _ids(texts: Sequence[str]) -> tuple[UUID, ...]:
    return tuple(UUID(text) for text in texts)
