"""A patient's results: the version that counts, the series they form, and every version for the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from services.chart.adapters.cursors import reading_cursor
from services.chart.adapters.patients import world
from services.chart.adapters.rows import patient_of_row, result_of_row, version_of_row
from services.chart.adapters.storing import chunks
from services.chart.adapters.tables import PATIENTS, RESULTS, VERSIONS, microseconds
from services.chart.domain.apply import KnownVersion, words_of
from services.chart.domain.views import (
    ON_SCREEN,
    ObservationView,
    ResultRow,
    SeriesView,
    VersionRow,
)

Window = tuple[datetime | None, datetime | None]


def _of(connection: Connection, key: str) -> Select[Any]:
    return select(RESULTS).where(RESULTS.c.patient_key == key, RESULTS.c.processing == world(connection, key))


def listed(
    connection: Connection,
    key: str,
    limit: int,
    before: str,
    *,
    analyte: str | None,
    window: Window,
    all_states: bool,
    where: Sequence[ColumnElement[bool]],
) -> list[ResultRow]:
    """Newest collection first."""
    query = _of(connection, key).order_by(RESULTS.c.collected_at.desc(), RESULTS.c.result.desc()).limit(limit)
    query = query.where(*where)
    if analyte is not None:
        query = query.where(RESULTS.c.subject == analyte)
    if not all_states:
        query = query.where(RESULTS.c.state.in_(ON_SCREEN))
    earliest, end = window
    if earliest is not None:
        query = query.where(RESULTS.c.collected_at >= microseconds(earliest))
    if end is not None:
        query = query.where(RESULTS.c.collected_at < microseconds(end))
    if before:
        at, result = reading_cursor(before, int, UUID)
        query = query.where(tuple_(RESULTS.c.collected_at, RESULTS.c.result) < (at, str(result)))
    return [result_of_row(row) for row in connection.execute(query)]


def series(connection: Connection, key: str, analyte: str | None) -> list[SeriesView]:
    """By analyte, then series; results in no series stand apart by specimen, method and laboratory."""
    query = _of(connection, key).where(RESULTS.c.state == "current")
    if analyte is not None:
        query = query.where(RESULTS.c.subject == analyte)
    rows = [result_of_row(row) for row in connection.execute(query)]
    rows.sort(key=lambda row: (_apart(row), row.collected_at, str(row.result)))
    return [_series(tuple(group)) for _, group in groupby(rows, key=_apart)]


def _apart(row: ResultRow) -> tuple[str, ...]:
    """What separates two series. One that flagging named holds whatever was linked to it."""
    if row.series is not None:
        return row.subject, "0", row.series
    return row.subject, "1", row.specimen, row.method, row.lab


def _series(rows: tuple[ResultRow, ...]) -> SeriesView:
    last = rows[-1]
    return SeriesView(
        series=last.series, analyte=last.subject, name=last.name,
        unit=next((row.unit for row in reversed(rows) if row.unit), None),
        specimen=_stated(row.specimen for row in rows), method=_stated(row.method for row in rows),
        lab=_stated(row.lab for row in rows), results=rows,
    )  # fmt: skip


def _stated(values: Any) -> str:
    """What is said of a whole series: what its newest result states, UNKNOWN only when none does."""
    known = [value for value in values if value]
    return next((value for value in reversed(known) if value != "UNKNOWN"), known[-1] if known else "UNKNOWN")


def latest(connection: Connection, key: str) -> list[ResultRow]:
    """Of each analyte and series the newest result that counts."""
    place = (
        func.row_number()
        .over(
            partition_by=(RESULTS.c.subject, RESULTS.c.series),
            order_by=(RESULTS.c.collected_at.desc(), RESULTS.c.issued_at.desc(), RESULTS.c.result.desc()),
        )
        .label("place")
    )
    newest = (
        select(RESULTS.c.result, place)
        .where(
            RESULTS.c.patient_key == key,
            RESULTS.c.processing == world(connection, key),
            RESULTS.c.state == "current",
        )
        .subquery()
    )
    wanted = select(newest.c.result).where(newest.c.place == 1)
    query = _of(connection, key).where(RESULTS.c.result.in_(wanted)).order_by(RESULTS.c.subject, RESULTS.c.collected_at)
    return [result_of_row(row) for row in connection.execute(query)]


def by_id(connection: Connection, result: UUID) -> ResultRow | None:
    """One result; the live one where a test feed has the same."""
    query = select(RESULTS).where(RESULTS.c.result == str(result)).order_by(RESULTS.c.processing).limit(1)
    row = connection.execute(query).first()
    return result_of_row(row) if row else None


def named(connection: Connection, key: str, processing: str, ids: Sequence[UUID]) -> dict[UUID, ResultRow]:
    """Those of a patient's results that are known here."""
    found: dict[UUID, ResultRow] = {}
    for some in chunks(str(each) for each in ids):
        query = select(RESULTS).where(
            RESULTS.c.result.in_(some), RESULTS.c.patient_key == key, RESULTS.c.processing == processing
        )
        found |= {UUID(row.result): result_of_row(row) for row in connection.execute(query)}
    return found


def versions(connection: Connection, result: UUID) -> list[VersionRow]:
    """Oldest issue first."""
    row = by_id(connection, result)
    return [] if row is None else list(versions_of(connection, [row])[row.result])


def versions_of(connection: Connection, rows: Sequence[ResultRow]) -> Mapping[UUID, tuple[VersionRow, ...]]:
    """Of each of these results every version, oldest issue first."""
    known = {(str(row.result), row.key, row.processing): row for row in rows}
    found: dict[UUID, list[VersionRow]] = {row.result: [] for row in rows}
    for some in chunks(str(row.result) for row in rows):
        for stored in connection.execute(select(VERSIONS).where(VERSIONS.c.result.in_(some))):
            row = known.get((stored.result, stored.patient_key, stored.processing))
            if row is not None:
                found[row.result].append(_version(version_of_row(stored), row))
    return {
        result: tuple(sorted(each, key=lambda one: (one.issued_at, one.recorded_at, str(one.version))))
        for result, each in found.items()
    }


def _version(known: KnownVersion, row: ResultRow) -> VersionRow:
    return VersionRow(
        result=row.result, version=known.id, key=row.key, processing=row.processing,
        counts=known.id == row.version and row.state != "moved", status=known.received.status,
        status_class=known.received.status_class, issued_at=known.received.issued_at, recorded_at=known.first_at,
        text=words_of(known.received), sender=known.sender, report=known.report, observation=known.seen,
        flagged=None if known.awaiting else known.flagged,
    )  # fmt: skip


def observation(connection: Connection, result_or_version: UUID) -> ObservationView | None:
    """By the id of the result, or of one of its versions."""
    row = by_id(connection, result_or_version)
    if row is None:
        of_version = select(VERSIONS.c.result).where(VERSIONS.c.version == str(result_or_version)).limit(1)
        result = connection.scalar(of_version)
        row = by_id(connection, UUID(result)) if result else None
    if row is None:
        return None
    patient = connection.execute(select(PATIENTS).where(PATIENTS.c.patient_key == row.key)).one()
    return ObservationView(
        row, patient_of_row(patient), UUID(patient.chart_id), tuple(versions(connection, row.result))
    )
