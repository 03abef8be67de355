"""Between rows of the database and the views of the domain."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row

from refrain.contracts.events import FlaggedObservation, Observation, PatientId
from services.chart.adapters.storing import codes, lines
from services.chart.adapters.tables import microseconds, moment_of
from services.chart.domain.apply import KnownVersion
from services.chart.domain.views import AlertRow, ResultRow

OBSERVATION = TypeAdapter(Observation)
FLAGGED = TypeAdapter(FlaggedObservation)

_RESULT_FIELDS = tuple(field.name for field in fields(ResultRow) if field.name != "key")
_ALERT_FIELDS = tuple(field.name for field in fields(AlertRow) if field.name not in ("key", "patient", "chart_id"))


def column(value: Any) -> Any:
    """One value as its column keeps it."""
    match value:
        case datetime():
            return microseconds(value)
        case UUID() | Decimal():
            return str(value)
        case tuple():
            return lines(value)
    return value


def row_of_result(one: ResultRow) -> dict[str, Any]:
    """A row of ``results``."""
    return {"patient_key": one.key, "subject": one.subject} | {
        name: column(getattr(one, name)) for name in _RESULT_FIELDS
    }


def result_of_row(row: Row[Any]) -> ResultRow:
    """The inverse of :func:`row_of_result`."""
    return ResultRow(
        key=row.patient_key, result=UUID(row.result), version=UUID(row.version), report=UUID(row.report),
        processing=row.processing, state=row.state, analyte=row.analyte, name=row.name, code=row.code,
        system=row.system, series=row.series, status=row.status, status_class=row.status_class,
        issued_at=moment_of(row.issued_at), collected_at=moment_of(row.collected_at),
        time_precision=row.time_precision, specimen=row.specimen, method=row.method, lab=row.lab,
        value_kind=row.value_kind, text=row.text, number=_decimal(row.number), unit=row.unit,
        comparator=row.comparator, nominal=row.nominal, low=_decimal(row.low), high=_decimal(row.high),
        low_inclusive=row.low_inclusive, high_inclusive=row.high_inclusive, range_text=row.range_text,
        range_source=row.range_source, interpretation=codes(row.interpretation), awaiting_flags=row.awaiting_flags,
        usable=row.usable, held=codes(row.held), quality=codes(row.quality), caveats=codes(row.caveats),
        tags=codes(row.tags), reasons=codes(row.reasons), critical=row.critical, review=row.review,
        repair_rule=row.repair_rule, change_percent=_decimal(row.change_percent), previous=_uuid(row.previous),
        versions=row.versions, corrected=row.corrected, recorded_at=moment_of(row.recorded_at),
    )  # fmt: skip


def row_of_version(one: KnownVersion) -> dict[str, Any]:
    """A row of ``versions``."""
    translation, revision, event = one.flag_order or (None, None, None)
    return {
        "version": str(one.id), "patient_key": one.key, "processing": one.processing,
        "result": str(one.received.result), "first_at": microseconds(one.first_at),
        "newest_at": microseconds(one.newest_at), "sender": one.sender, "report": str(one.report),
        "translation": one.translation, "observation": _json(one.observation), "flag_translation": translation,
        "flag_revision": revision, "flag_event": event, "flagged": _json(one.flagged),
    }  # fmt: skip


def version_of_row(row: Row[Any]) -> KnownVersion:
    """The inverse of :func:`row_of_version`."""
    return KnownVersion(
        key=row.patient_key, processing=row.processing, first_at=moment_of(row.first_at),
        newest_at=moment_of(row.newest_at), sender=row.sender, report=UUID(row.report),
        translation=row.translation,
        observation=OBSERVATION.validate_json(row.observation) if row.observation else None,
        flag_order=None if row.flag_event is None else (row.flag_translation, row.flag_revision, row.flag_event),
        flagged=FLAGGED.validate_json(row.flagged) if row.flagged else None,
    )  # fmt: skip


def row_of_alert(one: AlertRow, urgency: int) -> dict[str, Any]:
    """A row of ``alerts``."""
    return {"patient_key": one.key, "number_of_patient": one.patient.id, "urgency": urgency} | {
        name: column(getattr(one, name)) for name in _ALERT_FIELDS
    }


def alert_of_row(row: Row[Any]) -> AlertRow:
    """The inverse of :func:`row_of_alert`; the row is joined with its patient."""
    return AlertRow(
        alert=UUID(row.alert), key=row.patient_key, patient=patient_of_row(row), chart_id=UUID(row.chart_id),
        kind=row.kind, tier=row.tier, due_hours=row.due_hours, subject=row.subject, line=row.line, text=row.text,
        at=moment_of(row.at), raised_at=moment_of(row.raised_at), fact_state=row.fact_state, notice=row.notice,
        state=row.state, waiting=row.waiting, due_at=_moment(row.due_at), assigned_to=row.assigned_to,
        level=row.level, acknowledged_by=row.acknowledged_by, acknowledged_at=_moment(row.acknowledged_at),
        acknowledge_reason=row.acknowledge_reason, snoozed_until=_moment(row.snoozed_until), events=row.events,
        repeats=row.repeats, number=row.number, processing=row.processing, what_changed=row.what_changed,
        superseded_by=_uuid(row.superseded_by),
    )  # fmt: skip


def patient_of_row(row: Row[Any]) -> PatientId:
    """From the columns of ``patients``; ``patient_number`` where a join would have two ``number``."""
    number = row.patient_number if "patient_number" in row._fields else row.number
    return PatientId(authority=row.authority, type=row.type, id=number)


def _json(one: Observation | FlaggedObservation | None) -> str | None:
    """As on Kafka, without what a reader knows anyway."""
    return one.model_dump_json(exclude_defaults=True) if one is not None else None


def _decimal(stored: str | None) -> Decimal | None:
    return Decimal(stored) if stored is not None else None


def _uuid(stored: str | None) -> UUID | None:
    return UUID(stored) if stored is not None else None


def _moment(stored: int | None) -> datetime | None:
    return moment_of(stored) if stored is not None else None
