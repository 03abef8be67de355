"""Alert events from Kafka into threads: a batch is one transaction, and is acknowledged to Kafka after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import cast

from sqlalchemy import Connection, select, tuple_

from refrain.contracts.alerting import AnyAlert
from refrain.runtime.consume import Batch, Partition
from refrain.runtime.incoming import Arrived
from services.notify.adapters.desk import Conflict, Desk, inserting
from services.notify.adapters.store import Store
from services.notify.adapters.tables import POSITIONS


class AlertsIn:
    """The ``Take`` of notify's consumer. An event that was seen before changes nothing."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def __call__(self, batch: Batch) -> None:
        """Return when the database has all of it. A person or timer that came in between costs a second attempt.

        That one goes patient by patient, so that a busy alert does not hold up the others.
        """
        try:
            self._keep(batch.facts, batch.after, attempts=1)
        except Conflict:
            for facts in _by_patient(batch.facts):
                self._keep(facts, {})
            self._keep((), batch.after)

    def starts(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Where to read on, as the database has it: from the beginning of what it never read."""
        query = select(POSITIONS.c.topic, POSITIONS.c.partition, POSITIONS.c.following).where(
            POSITIONS.c.cluster == self._store.cluster,
            tuple_(POSITIONS.c.topic, POSITIONS.c.partition).in_(list(partitions)),
        )
        with self._store.reading() as sql:
            known = {(row.topic, row.partition): row.following for row in sql.execute(query)}
        return {place: known.get(place, 0) for place in partitions}

    def _keep(self, facts: Sequence[Arrived], after: Mapping[Partition, int], **how: int) -> None:
        now = self._now()
        events = [cast(AnyAlert, arrived.fact.event) for arrived in facts]  # all that alerts.v1 carries

        def take(desk: Desk) -> None:
            desk.load([event.alert for event in events])
            for event in events:
                desk.take(event, now)
            desk.finally_(lambda sql: self._move(sql, after))

        self._store.work(take, **how)

    def _move(self, sql: Connection, after: Mapping[Partition, int]) -> None:
        """Never backwards: a replica that lost a partition may be late."""
        rows = [
            {"cluster": self._store.cluster, "topic": topic, "partition": partition, "following": offset}
            for (topic, partition), offset in sorted(after.items())
        ]
        if rows:
            insert = inserting(sql)(POSITIONS)
            moved = insert.on_conflict_do_update(
                index_elements=POSITIONS.primary_key.columns,
                set_={"following": insert.excluded.following},
                where=insert.excluded.following > POSITIONS.c.following,
            )
            sql.execute(moved, rows)


def _by_patient(facts: Sequence[Arrived]) -> list[list[Arrived]]:
    ordered = sorted(facts, key=lambda arrived: arrived.patient)  # stable: each patient's events stay in order
    return [list(group) for _, group in groupby(ordered, key=lambda arrived: arrived.patient)]
