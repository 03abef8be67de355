"""Dead letters of all services: what could not be used, where and why. What they hold stays on Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, select, tuple_

from refrain.contracts.topics import TOPICS
from refrain.runtime.consume import Noted
from refrain.runtime.incoming import Arrived
from services.chart.adapters.cursors import reading_cursor
from services.chart.adapters.storing import add, keep_first
from services.chart.adapters.tables import DEAD_LETTERS, PATIENTS, REDRIVES, moment_of
from services.chart.domain.views import DeadLetter

SERVICE_OF = {topic.dead_letters(service): (topic.name, service) for topic in TOPICS for service in topic.read_by}
"""Dead-letter topic to the topic it is about and the service that wrote it."""


def keep(connection: Connection, noted: Sequence[Noted], facts: Sequence[Arrived]) -> None:
    """Note dead letters, and which of them came again as records. Letters of other topics are nothing to us.

    A service that reads a record again writes its letter again: the first one says when it was set aside.
    """
    rows = [_row(one) for one in noted if one.topic in SERVICE_OF]
    keep_first(connection, DEAD_LETTERS, rows, order=("at", "cause", "stage"))
    add(connection, REDRIVES, [{"id": fact.record.redrives} for fact in facts if fact.record.redrives])


def _row(note: Noted) -> dict[str, object]:
    topic, service = SERVICE_OF[note.topic]
    said = {name: note.headers.get(name, b"").decode("utf-8", "replace") for name in ("id", "cause", "stage")}
    name = said["id"] or f"{note.topic}-{note.partition}-{note.offset}"
    partition, offset = _place(name, note)
    return {
        "id": name, "service": service, "topic": topic, "partition": partition, "offset": offset,
        "cause": said["cause"], "stage": said["stage"], "patient_key": note.key.decode("utf-8", "replace"),
        "at": note.at_milliseconds * 1000,
    }  # fmt: skip


def _place(name: str, note: Noted) -> tuple[int, int]:
    """Partition and offset of the record itself, which its id ends with; those of the letter where it does not."""
    *_, partition, offset = ["", "", *name.rsplit("-", 2)]
    if partition.isdecimal() and offset.isdecimal():
        return int(partition), int(offset)
    return note.partition, note.offset


def listed(connection: Connection, limit: int, after: str, key: str) -> list[DeadLetter]:
    """Newest first; ``key``: of one patient."""
    query = (
        select(DEAD_LETTERS, PATIENTS.c.chart_id, REDRIVES.c.id.label("redriven"))
        .outerjoin(PATIENTS, PATIENTS.c.patient_key == DEAD_LETTERS.c.patient_key)
        .outerjoin(REDRIVES, REDRIVES.c.id == DEAD_LETTERS.c.id)
        .order_by(DEAD_LETTERS.c.at.desc(), DEAD_LETTERS.c.id.desc())
        .limit(limit)
    )
    if key:
        query = query.where(DEAD_LETTERS.c.patient_key == key)
    if after:
        at, name = reading_cursor(after, int, str)
        query = query.where(tuple_(DEAD_LETTERS.c.at, DEAD_LETTERS.c.id) < (at, name))
    return [
        DeadLetter(
            id=row.id, service=row.service, topic=row.topic, partition=row.partition, offset=row.offset,
            cause=row.cause, stage=row.stage, patient_known=row.chart_id is not None,
            chart_id=UUID(row.chart_id) if row.chart_id else None, at=moment_of(row.at),
            redriven=row.redriven is not None,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
