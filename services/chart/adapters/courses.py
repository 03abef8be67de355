"""A patient's course as it was assessed, and the care events that it rests on."""

from __future__ import annotations

import json
from typing import cast
from uuid import UUID

from sqlalchemy import Connection, select

from refrain.contracts.care import current_care_events
from refrain.contracts.events import CareEvent, ResponseAssessed
from refrain.contracts.topics import CARE_EVENTS as CARE_TOPIC
from refrain.contracts.topics import RESPONSES
from services.chart.adapters.tables import CARE_EVENTS, COURSES, MOMENTS, moment_of
from services.chart.domain.views import Moment


def course(connection: Connection, key: str) -> ResponseAssessed | None:
    """The newest assessment."""
    payload = connection.scalar(select(COURSES.c.payload).where(COURSES.c.patient_key == key))
    return cast("ResponseAssessed", RESPONSES.decode(payload.encode())) if payload else None


def moments(connection: Connection, key: str, limit: int) -> list[Moment]:
    """The newest ones, oldest first."""
    query = (
        select(MOMENTS)
        .where(MOMENTS.c.patient_key == key)
        .order_by(MOMENTS.c.revision.desc(), MOMENTS.c.event.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()[::-1]
    calls = [json.loads(row.calls) for row in rows]
    found = [
        Moment(
            as_of=moment_of(row.as_of), revision=row.revision, recorded_at=moment_of(row.recorded_at),
            calls=calls[index], changed=index == 0 or calls[index] != calls[index - 1], event=UUID(row.event),
        )
        for index, row in enumerate(rows)
    ]  # fmt: skip
    return found[-limit:]


def care_events(connection: Connection, key: str) -> list[CareEvent]:
    """Those that hold now."""
    return list(current_care_events(care_event_versions(connection, key)))


def care_event_versions(connection: Connection, key: str) -> list[CareEvent]:
    """All of them."""
    query = select(CARE_EVENTS.c.payload).where(CARE_EVENTS.c.patient_key == key)
    events = [cast("CareEvent", CARE_TOPIC.decode(payload.encode())) for payload in connection.scalars(query)]
    return sorted(events, key=lambda event: (event.key, event.recorded_at, event.event_id))
