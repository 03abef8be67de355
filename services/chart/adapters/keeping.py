"""What each kind of record does to the read model's tables: patients, courses and care events.

All of it happens inside the transaction of one batch. A patient's row is locked first, so that two replicas that hear
of one patient from two topics fold one after the other, and the second one sees what the first one wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select, tuple_

from refrain.contracts.events import CareEvent, Event, LabReport, PatientId, ResponseAssessed
from refrain.contracts.ids import derive
from services.chart.adapters.storing import add, chunks, keep_first, put
from services.chart.adapters.tables import CARE_EVENTS, COURSES, MOMENTS, PATIENTS, insert, microseconds
from services.chart.domain.calls import calls_of


def keep_patients(connection: Connection, events: Sequence[Event]) -> None:
    """Note who there is, and lock each patient of the batch."""
    newest: dict[str, tuple[PatientId, datetime]] = {}
    said: dict[str, tuple[str, str]] = {}
    for event in events:
        key = event.patient.key
        known = newest.get(key)
        newest[key] = event.patient, max(event.recorded_at, known[1]) if known else event.recorded_at
        if isinstance(event, LabReport) and event.sex:
            told = f"{microseconds(event.recorded_at):020d} {event.event_id}"
            said[key] = max(said.get(key, ("", "")), (told, event.sex))
    add(connection, PATIENTS, [_new_patient(*newest[key]) for key in sorted(newest)])
    changed = []
    for keys in chunks(newest):
        found = select(PATIENTS).where(PATIENTS.c.patient_key.in_(keys)).order_by(PATIENTS.c.patient_key)
        for row in connection.execute(found.with_for_update()):
            told, sex = max(
                (row.sex_told or "", row.sex), said.get(row.patient_key, ("", None)), key=lambda one: one[0]
            )
            at = max(row.newest_fact_at, microseconds(newest[row.patient_key][1]))
            if (at, told) != (row.newest_fact_at, row.sex_told or ""):
                changed.append(dict(row._mapping) | {"newest_fact_at": at, "sex": sex, "sex_told": told or None})
    put(connection, PATIENTS, changed)


def _new_patient(patient: PatientId, at: datetime) -> dict[str, object]:
    return {
        "patient_key": patient.key, "chart_id": str(derive("patient", patient.key)), "authority": patient.authority,
        "type": patient.type, "number": patient.id, "newest_fact_at": microseconds(at), "sex": None, "sex_told": None,
    }  # fmt: skip


def keep_assessments(connection: Connection, known: Sequence[tuple[ResponseAssessed, str]]) -> None:
    """The newest assessment in full, and of each one the calls as they were."""
    keep_first(
        connection,
        MOMENTS,
        [
            {
                "event": str(event.event_id), "patient_key": event.patient.key, "revision": event.revision,
                "as_of": microseconds(event.as_of), "recorded_at": microseconds(event.recorded_at),
                "calls": json.dumps(calls_of(event), ensure_ascii=False, sort_keys=True),
            }
            for event, _ in known
        ],
    )  # fmt: skip
    statement = insert(connection, COURSES)
    new, old = statement.excluded, COURSES.c
    rank_of_new, rank_of_old = tuple_(new.revision, new.event), tuple_(old.revision, old.event)
    travelled_of_new, travelled_of_old = tuple_(new.recorded_at, new.payload), tuple_(old.recorded_at, old.payload)
    rows = [
        {
            "patient_key": event.patient.key, "revision": event.revision, "event": str(event.event_id),
            "recorded_at": microseconds(event.recorded_at), "payload": payload,
        }
        for event, payload in _newest_of_each(known)
    ]  # fmt: skip
    if rows:
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[old.patient_key],
                set_={name: new[name] for name in ("revision", "event", "recorded_at", "payload")},
                where=or_(
                    rank_of_new > rank_of_old,
                    and_(rank_of_new == rank_of_old, travelled_of_new < travelled_of_old),
                ),
            ),
            rows,
        )


def _newest_of_each(known: Sequence[tuple[ResponseAssessed, str]]) -> list[tuple[ResponseAssessed, str]]:
    """Of each patient the assessments that may be the newest: several records only of one and the same event."""
    highest: dict[str, tuple[int, str]] = {}
    for event, _ in known:
        rank = event.revision, str(event.event_id)
        highest[event.patient.key] = max(highest.get(event.patient.key, rank), rank)
    return [one for one in known if highest[one[0].patient.key] == (one[0].revision, str(one[0].event_id))]


def keep_care_events(connection: Connection, known: Sequence[tuple[CareEvent, str]]) -> None:
    """Every version; which one holds is found when they are read."""
    keep_first(connection, CARE_EVENTS, [event_row(event, payload) for event, payload in known])


def event_row(event: Event, payload: str) -> dict[str, object]:
    """An event as it came."""
    return {
        "event": str(event.event_id), "patient_key": event.patient.key,
        "recorded_at": microseconds(event.recorded_at), "payload": payload,
    }  # fmt: skip
