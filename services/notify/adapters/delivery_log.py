"""The deliveries in SQL: which are due, on loan to one replica at a time, and what became of each.

Implements :class:`services.notify.adapters.deliveries.Deliveries`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, tuple_, update

from services.notify.adapters.deliveries import ChannelState, Due
from services.notify.adapters.desk import CHUNK, Desk, inserting
from services.notify.adapters.store import Store
from services.notify.adapters.tables import CHANNELS, DELIVERIES, HOLDS, THREADS, UNSENT, microseconds, moment
from services.notify.domain.life import Begun, Failed, HeardThere, Sent
from services.notify.domain.thread import Message, Thread

TOGETHER = timedelta(seconds=20)
"""What becomes due so soon goes along with what is due for the same person, channel, tier and patient (FAT-4)."""
ALIVE_SECONDS = 10.0
"""A replica that said nothing for so long is gone, and what it had on loan is free."""
BEAT = timedelta(seconds=3)
FORGOTTEN = timedelta(days=1)
REPLICA = "replica "


class DeliveryLog:
    """The delivery log and the state of the channels, of one store. Each instance lends as a replica of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cluster = store.cluster
        self._me = str(uuid4())
        self._beaten: datetime | None = None

    def leave(self) -> None:
        """Give back at once what this replica still has on loan."""
        self._store.let_go(REPLICA + self._me, self._me)

    def due_channels(self, now: datetime) -> list[str]:
        self._beat(now)
        query = select(DELIVERIES.c.channel).where(*self._due(now)).distinct().order_by(DELIVERIES.c.channel)
        with self._store.reading() as sql:
            return list(sql.scalars(query))

    def lease(self, now: datetime, limit: int, lease_seconds: float, channel: str | None = None) -> list[Due]:
        """Due deliveries, and what goes along with them within :data:`TOGETHER`; one replica leases at a time.

        A loan also ends when the replica that has it is gone.
        """
        self._beat(now)
        query = select(DELIVERIES).where(*self._due(now))
        if channel is not None:
            query = query.where(DELIVERIES.c.channel == channel)
        order = (DELIVERIES.c.rank, DELIVERIES.c.next_try_at, DELIVERIES.c.delivery)
        with self._store.writing() as sql:
            self._store.alone(sql, "lease")
            found = {row.delivery: row for row in sql.execute(query.order_by(*order).limit(limit))}
            found |= {row.delivery: row for row in self._along(sql, list(found.values()), now)}
            if not found:
                return []
            threads = self._threads(sql, {row.alert for row in found.values()})
            until = microseconds(now + timedelta(seconds=lease_seconds))
            self._set(sql, list(found), leased_until=until, leased_by=self._me)
        rows = sorted(found.values(), key=lambda row: (row.rank, row.next_try_at, row.delivery))
        return [_due(row, threads[row.alert]) for row in rows]

    def bundle(self, key: UUID, messages: Sequence[Message], now: datetime) -> dict[UUID, Thread] | None:
        def note(desk: Desk) -> dict[UUID, Thread] | None:
            mine = (UNSENT, DELIVERIES.c.leased_by == self._me, DELIVERIES.c.bundle.is_(None))
            if self._count(desk.sql, messages, mine) < len(messages):
                desk.finally_(lambda sql: self._set(sql, _ids(messages), *mine, leased_until=None))
                return None
            begun = [desk.happen(message.alert, Begun(message.delivery, now)).thread for message in messages]
            desk.finally_(lambda sql: self._set(sql, _ids(messages), bundle=str(key)))
            return {thread.alert: thread for thread in begun}

        return self._store.work(note)

    def sent(self, message: Message, now: datetime) -> None:
        def note(desk: Desk) -> None:
            if self._state(desk.sql, message) in (None, "sent"):
                return
            sent = Sent(message.delivery, message.to, message.occasion, message.level, now)
            _pass_on(desk, desk.happen(message.alert, sent).thread, message.delivery, now)
            desk.finally_(lambda sql: self._end(sql, message, "sent", sent_at=microseconds(now)))

        self._store.work(note)

    def failed(self, message: Message, reason: str, now: datetime) -> None:
        def note(desk: Desk) -> None:
            if self._state(desk.sql, message) != "waiting":
                return
            desk.happen(message.alert, Failed(message, reason, now))
            tried = DELIVERIES.c.attempts + 1
            desk.finally_(lambda sql: self._end(sql, message, "failed", reason=reason, attempts=tried))

        self._store.work(note)

    def retry(self, message: Message, at: datetime, reason: str) -> None:
        tried = DELIVERIES.c.attempts + 1
        with self._store.writing() as sql:
            again = {"next_try_at": microseconds(at), "leased_until": None}
            self._set(sql, _ids((message,)), UNSENT, attempts=tried, reason=reason, **again)

    def release(self, messages: Sequence[Message], at: datetime) -> None:
        with self._store.writing() as sql:
            self._set(sql, _ids(messages), UNSENT, next_try_at=microseconds(at), leased_until=None)

    def channel_result(self, name: str, ok: bool, now: datetime) -> None:
        at = microseconds(now)
        row: dict[str, Any] = {"cluster": self._cluster, "name": name, "failures": 0 if ok else 1}
        after: dict[str, Any] = {"failures": 0, "down_since": None, "last_success": at}
        if not ok:
            since = case((CHANNELS.c.failures == 0, at), else_=CHANNELS.c.down_since)
            after = {"failures": CHANNELS.c.failures + 1, "down_since": since}
        with self._store.writing() as sql:
            insert = inserting(sql)(CHANNELS).values(row | ({"last_success": at} if ok else {"down_since": at}))
            sql.execute(insert.on_conflict_do_update(index_elements=CHANNELS.primary_key.columns, set_=after))

    def channels(self) -> list[ChannelState]:
        query = select(CHANNELS).where(CHANNELS.c.cluster == self._cluster).order_by(CHANNELS.c.name)
        with self._store.reading() as sql:
            return [
                ChannelState(row.name, row.failures, _maybe(row.down_since), _maybe(row.last_success))
                for row in sql.execute(query)
            ]

    # --- inside ---

    def _due(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        return (*self._free(now), DELIVERIES.c.next_try_at <= microseconds(now))

    def _free(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        on_loan, at = DELIVERIES.c.leased_until, microseconds(now)
        alive = select(HOLDS.c.holder).where(self._replicas, HOLDS.c.until > at)
        free = or_(on_loan.is_(None), on_loan <= at, DELIVERIES.c.leased_by.not_in(alive))
        return DELIVERIES.c.cluster == self._cluster, UNSENT, free

    @property
    def _replicas(self) -> ColumnElement[bool]:
        return and_(HOLDS.c.cluster == self._cluster, HOLDS.c.work.startswith(REPLICA))

    def _beat(self, now: datetime) -> None:
        """Say that this replica is there; forget those that have been gone for long."""
        if self._beaten is not None and timedelta() <= now - self._beaten < BEAT:
            return
        if self._beaten is None:
            with self._store.writing() as sql:
                sql.execute(HOLDS.delete().where(self._replicas, HOLDS.c.until <= microseconds(now - FORGOTTEN)))
        self._store.hold(REPLICA + self._me, self._me, now, ALIVE_SECONDS)
        self._beaten = now

    def _along(self, sql: Connection, due: Sequence[Row[Any]], now: datetime) -> list[Row[Any]]:
        """The rest of their bundles, and what has not been tried and is soon due for the same person and patient."""
        rows: list[Row[Any]] = []
        bundles = sorted({row.bundle for row in due if row.bundle})
        for start in range(0, len(bundles), CHUNK):
            same = DELIVERIES.c.bundle.in_(bundles[start : start + CHUNK])
            rows += sql.execute(select(DELIVERIES).where(DELIVERIES.c.cluster == self._cluster, UNSENT, same))
        soon = DELIVERIES.c.next_try_at <= microseconds(now + TOGETHER)
        columns = (DELIVERIES.c.person, DELIVERIES.c.channel, DELIVERIES.c.tier, DELIVERIES.c.patient_key)
        groups = sorted({(row.person, row.channel, row.tier, row.patient_key) for row in due if not row.bundle})
        for start in range(0, len(groups), CHUNK // len(columns)):
            same = tuple_(*columns).in_(groups[start : start + CHUNK // len(columns)])
            query = select(DELIVERIES).where(*self._free(now), soon, DELIVERIES.c.bundle.is_(None), same)
            rows += sql.execute(query)
        return rows

    def _threads(self, sql: Connection, alerts: Collection[str]) -> dict[str, Thread]:
        wanted = sorted(alerts)
        found: dict[str, Thread] = {}
        for start in range(0, len(wanted), CHUNK):
            query = select(THREADS.c.alert, THREADS.c.thread).where(
                THREADS.c.cluster == self._cluster, THREADS.c.alert.in_(wanted[start : start + CHUNK])
            )
            found |= {row.alert: Thread.model_validate_json(row.thread) for row in sql.execute(query)}
        return found

    def _state(self, sql: Connection, message: Message) -> str | None:
        return sql.scalar(select(DELIVERIES.c.state).where(*self._these(_ids((message,)))))

    def _count(self, sql: Connection, messages: Sequence[Message], where: Sequence[ColumnElement[bool]]) -> int:
        ids = _ids(messages)
        queries = [
            select(func.count()).where(*self._these(ids[start : start + CHUNK]), *where)
            for start in range(0, len(ids), CHUNK)
        ]
        return sum(sql.scalar(query) or 0 for query in queries)

    def _end(self, sql: Connection, message: Message, state: str, **values: Any) -> None:
        self._set(sql, _ids((message,)), state=state, leased_until=None, **values)

    def _set(self, sql: Connection, deliveries: Sequence[str], *where: ColumnElement[bool], **values: Any) -> None:
        for start in range(0, len(deliveries), CHUNK):
            mine = self._these(deliveries[start : start + CHUNK])
            sql.execute(update(DELIVERIES).where(*mine, *where).values(values))

    def _these(self, deliveries: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
        return DELIVERIES.c.cluster == self._cluster, DELIVERIES.c.delivery.in_(deliveries)


def _pass_on(desk: Desk, thread: Thread, delivery: UUID, now: datetime) -> None:
    """Where another alert took over while a message was on its way, that one must know whom it reached."""
    entry = next((one for one in thread.told if one.delivery == delivery), None)
    heir, seen = thread.successor, {thread.alert}
    while entry and heir and heir not in seen and (taking := desk.thread(heir)):
        if taking.successor is None:
            desk.happen(heir, HeardThere(entry, thread.rank, now))
        seen.add(heir)
        heir = taking.successor


def _ids(messages: Sequence[Message]) -> list[str]:
    return sorted(str(one.delivery) for one in messages)


def _due(row: Row[Any], thread: Thread) -> Due:
    message = Message.model_validate_json(row.message)
    return Due(message, thread, row.attempts, UUID(row.bundle) if row.bundle else None)


def _maybe(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)
