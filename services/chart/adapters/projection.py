"""Records into rows: one batch, one transaction, with the offsets it covers in the same one.

The tables are a function of the set of records, so a batch may come again, in another order or cut otherwise. Whoever
finds the database at other offsets than its batch begins at (a rebuild, another replica) raises MovedElsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from prometheus_client import Histogram
from sqlalchemy import Connection, Engine, func, select

from refrain.contracts.events import (
    Alert,
    AlertAction,
    CareEvent,
    Event,
    FlaggedReport,
    LabReport,
    ResponseAssessed,
)
from refrain.runtime.consume import Batch, Partition
from refrain.runtime.database import READING
from refrain.runtime.incoming import Arrived
from services.chart.adapters import keeping, keeping_alerts, keeping_results, letters, standing
from services.chart.adapters.tables import READ_MODEL

E = TypeVar("E", bound=Event)

WHAT: Mapping[type[Event], str] = {
    LabReport: "report", FlaggedReport: "report", ResponseAssessed: "course", CareEvent: "care_event",
    AlertAction: "action",
}  # fmt: skip


class Projection:
    """The writing side of the read model; blocking. ``seconds`` is told how long each batch took."""

    def __init__(self, engine: Engine, seconds: Histogram | None = None) -> None:
        self._engine = engine
        self._seconds = seconds

    def take(self, batch: Batch) -> None:
        """Keep a batch durably. MovedElsewhere when the database stands elsewhere; SQLAlchemyError when it is away."""
        began = time.monotonic()
        with self._engine.begin() as connection:
            standing.check(connection, batch)
            _keep(connection, batch.facts)
            letters.keep(connection, batch.noted, batch.facts)
            standing.note(connection, list(_changes(batch.facts)))
            standing.move(connection, batch)
        if self._seconds is not None:
            self._seconds.observe(time.monotonic() - began)

    def starts(self, places: Sequence[Partition]) -> Mapping[Partition, int]:
        """Where the database stands."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            return standing.stands(connection, places)

    def settle_on(self, log: str, ends: Mapping[Partition, int], goals: Mapping[Partition, int]) -> bool:
        """Believe one Kafka log only: another one, or one that ends before what was read, empties the read model.

        Returns whether it was emptied. ``log`` names cluster and topics; ``ends`` are the ends of its partitions now,
        ``goals`` those of partitions that hold anything: until they are read, pages say that they show a part. So it
        is with the first log too: a full Kafka and an empty read model must not look like a ward without alerts.
        """
        with self._engine.begin() as connection:
            known = standing.log_name(connection)
            at = standing.stands(connection, list(ends))
            if known == log and all(at[place] <= end for place, end in ends.items()):
                return False
            standing.empty(connection, log, goals)
            return bool(known)

    def empty(self, log: str, goals: Mapping[Partition, int]) -> None:
        """Forget all rows and offsets in one transaction; ``goals`` are the ends that the rebuild has to reach."""
        with self._engine.begin() as connection:
            standing.empty(connection, log, goals)

    def digest(self) -> str:
        """One hash over every row that is a function of the records: equal read models have equal digests."""
        total = sha256()
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            for table in READ_MODEL:
                total.update(f"{table.name}\n".encode())
                rows = connection.execution_options(yield_per=1000).execute(select(table).order_by(*table.primary_key))
                for row in rows:
                    total.update(repr(tuple(row)).encode())
        return total.hexdigest()

    def rows(self) -> int:
        """How many rows the read model has."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in READ_MODEL)


def _keep(connection: Connection, facts: Sequence[Arrived]) -> None:
    events = [arrived.fact.event for arrived in facts]
    if not events:
        return
    keeping.keep_patients(connection, events)
    keeping_results.keep_results(connection, [one for one in events if isinstance(one, LabReport | FlaggedReport)])
    keeping.keep_assessments(connection, _with_payload(facts, ResponseAssessed))
    keeping.keep_care_events(connection, _with_payload(facts, CareEvent))
    alerts: Any = [*_with_payload(facts, Alert), *_with_payload(facts, AlertAction)]
    keeping_alerts.keep_alerts(connection, alerts)


def _with_payload(facts: Sequence[Arrived], kind: type[E]) -> list[tuple[E, str]]:
    return [(one.fact.event, one.record.value.decode()) for one in facts if isinstance(one.fact.event, kind)]


def _changes(facts: Sequence[Arrived]) -> Iterator[tuple[str, str, str]]:
    for arrived in facts:
        event = arrived.fact.event
        yield event.patient.key, WHAT.get(type(event), "alert"), str(event.event_id)
