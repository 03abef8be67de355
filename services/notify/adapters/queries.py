"""What is read of threads, actions and deliveries; every query has its index. Blocking."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_

from refrain.contracts.events import AlertAction, Tier
from refrain.contracts.topics import ALERT_ACTIONS
from services.notify.adapters.store import Store
from services.notify.adapters.tables import (
    ACTIONS,
    CHANGES,
    DELIVERIES,
    HELD,
    LIVE,
    THREADS,
    UNSENT,
    WAITS,
    microseconds,
)
from services.notify.domain.knowing import is_untold
from services.notify.domain.thread import Thread, rank_of

RANKS: dict[str, tuple[int, ...]] = {
    "P1": (rank_of("P1", None),),
    "P2": (rank_of("P2", 24), rank_of("P2", 72)),
    "P3": (rank_of("P3", None),),
    "DQ": (rank_of("DQ", None),),
}
"""By tier, where its alerts stand in the order of urgency."""


UNTOLD = 1000
FIRST_ROUND = '%"round":0,%'
"""In a delivery's message as JSON: not every channel of its person has failed."""


class NotOurs(ValueError):
    """A page token or cursor that this program did not give out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of alerts ended."""

    rank: int
    raised_at: int
    alert: str

    @classmethod
    def of(cls, thread: Thread) -> Place:
        return cls(thread.rank, microseconds(thread.raised_at), str(thread.alert))

    def token(self) -> str:
        content = json.dumps([self.rank, self.raised_at, self.alert], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode()

    @classmethod
    def read(cls, token: str) -> Place:
        """The place that a token stands for; :class:`NotOurs` when it is none."""
        try:
            rank, raised_at, alert = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
            return cls(int(rank), int(raised_at), str(UUID(alert)))
        except (binascii.Error, ValueError, TypeError, AttributeError):
            raise NotOurs from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts. Empty fields do not select."""

    tiers: tuple[str, ...] = ()
    waiting: bool = False
    patient_key: str = ""
    assigned_to: str = ""


class Queries:
    """Reads of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mine = THREADS.c.cluster == store.cluster

    def thread(self, alert: UUID) -> Thread | None:
        with self._store.reading() as sql:
            found = sql.scalar(select(THREADS.c.thread).where(self._mine, THREADS.c.alert == str(alert)))
        return Thread.model_validate_json(found) if found else None

    def actions(self, alert: UUID) -> list[AlertAction]:
        """Everything that was done about one alert, oldest first."""
        query = (
            select(ACTIONS.c.event)
            .where(ACTIONS.c.cluster == self._store.cluster, ACTIONS.c.alert == str(alert))
            .order_by(ACTIONS.c.number)
        )
        with self._store.reading() as sql:
            return [ALERT_ACTIONS.decode(event) for event in sql.scalars(query)]

    def alerts(self, wanted: Wanted, limit: int, after: Place | None = None) -> list[Thread]:
        """Most urgent first, then oldest; at most ``limit``, behind ``after``."""
        query = select(THREADS.c.thread).where(self._mine, LIVE, *_selecting(wanted))
        order = (THREADS.c.rank, THREADS.c.raised_at, THREADS.c.alert)
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(after.rank, after.raised_at, after.alert))
        return self._threads(query.order_by(*order).limit(limit))

    def newest_change(self) -> int:
        """Number of the newest change; 0 before the first."""
        with self._store.reading() as sql:
            return sql.scalar(select(CHANGES.c.newest).where(CHANGES.c.cluster == self._store.cluster)) or 0

    def changes(self, after: int, tiers: Collection[str], limit: int) -> list[tuple[int, Thread]]:
        """Alerts that changed after a number, each as it stands now, with the number of its newest change."""
        query = select(THREADS.c.change, THREADS.c.thread).where(self._mine, LIVE, THREADS.c.change > after)
        if tiers:
            query = query.where(THREADS.c.tier.in_(sorted(tiers)))
        with self._store.reading() as sql:
            rows = sql.execute(query.order_by(THREADS.c.change).limit(limit)).all()
        return [(row.change, Thread.model_validate_json(row.thread)) for row in rows]

    def due(self, now: datetime, limit: int) -> list[UUID]:
        """Alerts whose timer has come: the most urgent first, then the longest overdue."""
        query = select(THREADS.c.alert).where(self._mine, THREADS.c.wake_at <= microseconds(now))
        query = query.order_by(THREADS.c.rank, THREADS.c.wake_at).limit(limit)
        with self._store.reading() as sql:
            return [UUID(alert) for alert in sql.scalars(query)]

    def open_since(self, moments: Sequence[datetime]) -> dict[Tier, list[int]]:
        """By tier, how many alerts that wait for somebody were raised at or before each of these moments."""
        columns = [func.count().filter(THREADS.c.raised_at <= microseconds(moment)) for moment in moments]
        query = select(THREADS.c.tier, *columns).where(self._mine, WAITS).group_by(THREADS.c.tier)
        with self._store.reading() as sql:
            return {row[0]: list(row[1:]) for row in sql.execute(query)}

    def untold(self, now: datetime) -> dict[Tier, int]:
        """By tier, how many alerts wait of which nobody heard although somebody should have: a message of them is due,
        or all ways failed once. At most :data:`UNTOLD` are looked at."""
        due = or_(DELIVERIES.c.not_before <= microseconds(now), DELIVERIES.c.message.not_like(FIRST_ROUND))
        overdue = select(DELIVERIES.c.alert).where(DELIVERIES.c.cluster == self._store.cluster, UNSENT, due)
        found = self._threads(
            select(THREADS.c.thread)
            .where(self._mine, WAITS, THREADS.c.alert.in_(overdue))
            .order_by(THREADS.c.rank)
            .limit(UNTOLD)
        )
        return Counter(thread.tier for thread in found if is_untold(thread))

    def unsent(self) -> dict[str, int]:
        """By channel, how many messages wait for it."""
        query = (
            select(DELIVERIES.c.channel, func.count())
            .where(DELIVERIES.c.cluster == self._store.cluster, UNSENT)
            .group_by(DELIVERIES.c.channel)
        )
        with self._store.reading() as sql:
            return {row[0]: row[1] for row in sql.execute(query)}

    def _threads(self, query: Select[Any]) -> list[Thread]:
        with self._store.reading() as sql:
            return [Thread.model_validate_json(thread) for thread in sql.scalars(query)]


def _selecting(wanted: Wanted) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.tiers:
        ranks = sorted(rank for tier in wanted.tiers for rank in RANKS[tier])
        # the bounds let the index begin at the first rank; the list alone would be a scan
        where += [THREADS.c.rank.between(ranks[0], ranks[-1]), THREADS.c.rank.in_(ranks)]
    if wanted.waiting:
        where.append(WAITS)
    if wanted.patient_key:
        where.append(THREADS.c.patient_key == wanted.patient_key)
    if wanted.assigned_to:
        where += [HELD, THREADS.c.assigned_to == wanted.assigned_to]
    return where
