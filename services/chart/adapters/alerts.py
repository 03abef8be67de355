"""Alerts as the work list, a patient's page and their own page show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, tuple_

from refrain.contracts.events import (
    Alert,
    AlertAction,
    AlertAmended,
    AlertEvent,
    AlertRetracted,
    Evidence,
    Processing,
    Tier,
    ValueChange,
)
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS
from services.chart.adapters.cursors import reading_cursor
from services.chart.adapters.patients import beginning_with
from services.chart.adapters.rows import alert_of_row, result_of_row
from services.chart.adapters.storing import chunks
from services.chart.adapters.tables import (
    ACTIONS,
    ALERT_EVENTS,
    ALERT_ROWS,
    PATIENTS,
    RESULTS,
    RETRACTED_WITH,
    microseconds,
)
from services.chart.domain.alerts import TIER_STEP, TIERS, by_number, by_sequence
from services.chart.domain.views import AlertRow, AlertView, Counted, EvidenceNow, ResultRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts, in which order."""

    waiting: bool | None
    tiers: tuple[Tier, ...]
    assigned_to: str
    key: str
    number: str
    processing: Processing | None
    newest_first: bool


def _joined() -> Select[Any]:
    patient = PATIENTS.c.number.label("patient_number"), PATIENTS.c.authority, PATIENTS.c.type, PATIENTS.c.chart_id
    return select(ALERT_ROWS, *patient).join(PATIENTS, PATIENTS.c.patient_key == ALERT_ROWS.c.patient_key)


def listed(connection: Connection, wanted: Wanted, limit: int, after: str) -> list[AlertRow]:
    """A page of the work list."""
    page = _ids(wanted, limit, after).subquery()
    query = _joined().where(ALERT_ROWS.c.alert.in_(select(page.c.alert))).order_by(*_order(wanted))
    return [alert_of_row(row) for row in connection.execute(query)]


def _order(wanted: Wanted) -> tuple[ColumnElement[Any], ...]:
    if wanted.newest_first:
        return ALERT_ROWS.c.at.desc(), ALERT_ROWS.c.alert.desc()
    return ALERT_ROWS.c.urgency, ALERT_ROWS.c.at, ALERT_ROWS.c.alert


def _ids(wanted: Wanted, limit: int, after: str) -> Select[Any]:
    """Narrow rows first: the page's full rows are read afterwards."""
    columns = ALERT_ROWS.c
    query = select(columns.alert).order_by(*_order(wanted)).limit(limit)
    if wanted.processing is not None:
        query = query.where(columns.processing == wanted.processing)
    if wanted.waiting is not None:
        query = query.where(columns.waiting.is_(wanted.waiting))
    if wanted.tiers:
        query = query.where(or_(*[columns.urgency.between(low, high) for low, high in _spans(wanted.tiers)]))
    if wanted.assigned_to:
        query = query.where(columns.assigned_to == wanted.assigned_to)
    if wanted.key:
        query = query.where(columns.patient_key == wanted.key)
    if wanted.number.strip():
        query = query.where(beginning_with(columns.number_of_patient, wanted.number.strip()))
    if after:
        urgency, at, alert = reading_cursor(after, int, int, UUID)
        if wanted.newest_first:
            query = query.where(tuple_(columns.at, columns.alert) < (at, str(alert)))
        else:
            query = query.where(tuple_(columns.urgency, columns.at, columns.alert) > (urgency, at, str(alert)))
    return query


def _spans(tiers: Sequence[Tier]) -> list[tuple[int, int]]:
    """Ranges of urgency, neighbours joined, so that one index gives them in order."""
    spans: list[tuple[int, int]] = []
    for index in sorted({TIERS.index(tier) for tier in tiers}):
        low, high = index * TIER_STEP, (index + 1) * TIER_STEP - 1
        if spans and spans[-1][1] + 1 == low:
            spans[-1] = spans[-1][0], high
        else:
            spans.append((low, high))
    return spans


def by_id(connection: Connection, alert: UUID) -> AlertRow | None:
    """One alert."""
    row = connection.execute(_joined().where(ALERT_ROWS.c.alert == str(alert))).first()
    return alert_of_row(row) if row else None


def counts(connection: Connection, now: datetime) -> Mapping[Tier, Counted]:
    """Alerts that wait, by tier."""
    columns = ALERT_ROWS.c
    late = case((or_(columns.state == "escalated", columns.due_at < microseconds(now)), 1), else_=0)
    query = (
        select(columns.tier, func.count(), func.sum(late))
        .where(and_(columns.processing == "live", columns.waiting.is_(True)))
        .group_by(columns.tier)
    )
    found = {tier: Counted(waiting, overdue) for tier, waiting, overdue in connection.execute(query)}
    return {tier: found.get(tier, Counted(0, 0)) for tier in TIERS}


def view(connection: Connection, alert: UUID) -> AlertView | None:
    """One alert with its whole life."""
    row = by_id(connection, alert)
    if row is None:
        return None
    events = by_sequence(_events(connection, ALERT_EVENTS.c.alert == str(alert)))
    with_others = select(RETRACTED_WITH.c.event).where(RETRACTED_WITH.c.alert == str(alert))
    retractions = by_sequence(_events(connection, ALERT_EVENTS.c.event.in_(with_others)))
    retracted_by = max(retractions, key=lambda event: (event.recorded_at, str(event.event_id)), default=None)
    newest = events[-1]
    told = {piece.result for event in events for piece in event.evidence}
    changes = [
        change
        for event in (*events, *retractions)
        if isinstance(event, AlertAmended | AlertRetracted)
        for change in event.values
        if change.result in told
    ]
    return AlertView(
        row=row, rule=newest.rule, events=tuple(events),
        retracted_by=retracted_by if row.fact_state == "retracted" and newest.fact != "alert_retracted" else None,
        actions=tuple(_actions(connection, alert)), values=_now(connection, newest), corrections=_distinct(changes),
    )  # fmt: skip


def _events(connection: Connection, which: ColumnElement[bool]) -> list[AlertEvent]:
    payloads = connection.scalars(select(ALERT_EVENTS.c.payload).where(which))
    return [cast("AlertEvent", ALERTS.decode(payload.encode())) for payload in payloads]


def _actions(connection: Connection, alert: UUID) -> list[AlertAction]:
    payloads = connection.scalars(select(ACTIONS.c.payload).where(ACTIONS.c.alert == str(alert)))
    return by_number([cast("AlertAction", ALERT_ACTIONS.decode(payload.encode())) for payload in payloads])


def _distinct(changes: Sequence[ValueChange]) -> tuple[ValueChange, ...]:
    return tuple(dict.fromkeys(changes))


def _now(connection: Connection, event: Alert) -> tuple[EvidenceNow, ...]:
    """The evidence as it was told, beside the results as they are."""
    found: dict[UUID, ResultRow] = {}
    for ids in chunks([str(piece.result) for piece in event.evidence]):
        rows = connection.execute(
            select(RESULTS)
            .where(RESULTS.c.result.in_(ids), RESULTS.c.patient_key == event.patient.key)
            .where(RESULTS.c.processing == event.processing)
        )
        found |= {row.result: row for row in map(result_of_row, rows)}
    return tuple(_compared(piece, found.get(piece.result)) for piece in event.evidence)


def _compared(piece: Evidence, row: ResultRow | None) -> EvidenceNow:
    """Changed means that a person would read something else now; a newer version with the same value does not."""
    if row is None:
        return EvidenceNow(piece, None, None, changed=False)
    if row.state != "current":
        return EvidenceNow(piece, None, row.state, changed=True)
    same = row.version == piece.version or row.shown == piece.text or row.nominal == piece.text
    return EvidenceNow(piece, row.shown, row.state, changed=not same)
