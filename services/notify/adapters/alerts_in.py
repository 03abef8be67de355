"""Alert events from Kafka into threads: a batch is one transaction, and is acknowledged to Kafka after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import cast

from refrain.contracts.alerting import AnyAlert
from refrain.runtime.consume import Batch
from refrain.runtime.incoming import Arrived
from services.notify.adapters.desk import Conflict, Desk
from services.notify.adapters.store import Store


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
            self._keep(batch.facts, attempts=1)
        except Conflict:
            for facts in _by_patient(batch.facts):
                self._keep(facts)

    def _keep(self, facts: Sequence[Arrived], **how: int) -> None:
        now = self._now()
        events = [cast(AnyAlert, arrived.fact.event) for arrived in facts]  # all that alerts.v1 carries

        def take(desk: Desk) -> None:
            desk.load([event.alert for event in events])
            for event in events:
                desk.take(event, now)

        if events:
            self._store.work(take, **how)


def _by_patient(facts: Sequence[Arrived]) -> list[list[Arrived]]:
    ordered = sorted(facts, key=lambda arrived: arrived.patient)  # stable: each patient's events stay in order
    return [list(group) for _, group in groupby(ordered, key=lambda arrived: arrived.patient)]
