"""Puts actions on ``alert-actions.v1``, in order per alert, and marks them afterwards.

A crash in between sends the same events with the same ids again. One replica does it at a time. While Kafka is away
actions wait here; nobody waits for them before being told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from kafka.errors import KafkaError
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.events import AlertAction
from refrain.contracts.topics import ALERT_ACTIONS
from refrain.runtime.produce import Outgoing
from services.notify.adapters.store import Store
from services.notify.adapters.tables import ACTIONS, UNPUBLISHED, microseconds
from services.notify.adapters.timers import pause

log = logging.getLogger(__name__)

WORK = "outbox"
AT_ONCE = 500
TURN_SECONDS = 0.25
AGAIN_SECONDS = 2.0
"""Until the next attempt when Kafka or the database did not answer."""
HOLD_SECONDS = 12.0
"""Longer than one attempt of the producer takes: two replicas then never publish the same alert side by side. After a
kill this is how long the next one waits."""


class Sender(Protocol):
    """What is needed of :class:`refrain.runtime.produce.Producer`."""

    def send(self, records: Sequence[Outgoing]) -> None: ...


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An action that Kafka has not acknowledged."""

    position: int
    event: AlertAction
    value: bytes

    @property
    def record(self) -> Outgoing:
        return Outgoing(ALERT_ACTIONS.name, self.event.patient.key.encode(), self.value)


class Outbox:
    """The unpublished actions of one store, and the way they go."""

    def __init__(self, store: Store, producer: Sender, now: Callable[[], datetime]) -> None:
        self._store = store
        self._producer = producer
        self._now = now
        self._me = str(uuid4())

    async def run(self, until: asyncio.Event) -> None:
        """Until told to stop; Kafka or the database being away is waited for. What is left then goes at the end."""
        answered = True
        while not until.is_set():
            answered, seconds = await self._attempt()
            await pause(until, seconds)
        seconds = 0.0
        while answered and not seconds:
            answered, seconds = await self._attempt()
        try:
            await asyncio.to_thread(self.let_go)
        except SQLAlchemyError as error:
            log.warning("the outbox was not handed over", extra={"reason": type(error).__name__})

    async def _attempt(self) -> tuple[bool, float]:
        """Whether Kafka and the database answered, and how long to wait before the next one."""
        try:
            published = await asyncio.to_thread(self.turn)
            return True, 0.0 if published else TURN_SECONDS
        except (KafkaError, SQLAlchemyError) as error:
            log.warning("actions wait to be published", extra={"reason": type(error).__name__})
            return False, AGAIN_SECONDS

    def turn(self) -> int:
        """Publish what waits, at most :data:`AT_ONCE`; how many. KafkaError when Kafka did not take all of it."""
        if not self.unpublished(1) or not self._store.hold(WORK, self._me, self._now(), HOLD_SECONDS):
            return 0
        waiting = self.unpublished(AT_ONCE)
        if waiting:
            self._producer.send([one.record for one in waiting])
            self._mark(waiting)
        return len(waiting)

    def unpublished(self, limit: int) -> list[Unpublished]:
        """Oldest first."""
        query = (
            select(ACTIONS.c.position, ACTIONS.c.event)
            .where(ACTIONS.c.cluster == self._store.cluster, UNPUBLISHED)
            .order_by(ACTIONS.c.position)
            .limit(limit)
        )
        with self._store.reading() as sql:
            rows = sql.execute(query).all()
        return [Unpublished(row.position, ALERT_ACTIONS.decode(row.event), row.event.encode()) for row in rows]

    def waiting(self) -> int:
        """How many actions Kafka has not acknowledged."""
        query = select(func.count()).where(ACTIONS.c.cluster == self._store.cluster, UNPUBLISHED)
        with self._store.reading() as sql:
            return sql.scalar(query) or 0

    def let_go(self) -> None:
        """Give the work back: another replica, or this one after its restart, need not wait for the hold to end."""
        self._store.let_go(WORK, self._me)

    def _mark(self, published: Sequence[Unpublished]) -> None:
        positions = [one.position for one in published]
        with self._store.writing() as sql:
            sql.execute(
                update(ACTIONS).where(ACTIONS.c.position.in_(positions)).values(published_at=microseconds(self._now()))
            )
