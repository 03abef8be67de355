"""The threads that one transaction looks at and changes: read, advanced by the pure function, written by version.

Locks are taken in one order everywhere: threads by id, then the change numbers, then deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import AlertAction
from refrain.contracts.topics import ALERT_ACTIONS
from services.notify.adapters.tables import ACTIONS, CHANGES, DELIVERIES, THREADS, UNSENT, microseconds
from services.notify.domain.kin import concerned, take
from services.notify.domain.life import Happening, Outcome, advance
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Message, Thread, rank_of

CHUNK = 500
"""Bound parameters in one statement."""
AGAIN = ("state", "not_before", "next_try_at", "attempts", "bundle", "message")
"""What is new about a withdrawn delivery that is wanted again: not under a key that somebody may have seen."""


class Conflict(SQLAlchemyError):
    """Somebody else changed a thread that this transaction had read: nothing was written, decide again."""


def inserting(sql: Connection) -> Any:
    """The INSERT of this database that knows ``on conflict``."""
    return postgresql.insert if sql.dialect.name == "postgresql" else sqlite.insert


@dataclass(frozen=True, slots=True)
class Step:
    """One thread's way from one state to the next. ``before`` is None for the first event of an alert."""

    before: Thread | None
    outcome: Outcome


class Desk:
    """Threads as this transaction sees them, with its own changes. ``steps`` are those taken so far, in order."""

    def __init__(self, sql: Connection, cluster: str, roster: Roster) -> None:
        self.sql = sql
        self._cluster = cluster
        self._roster = roster
        self._versions: dict[UUID, int] = {}
        self._threads: dict[UUID, Thread | None] = {}
        self._changed: set[UUID] = set()
        self._last: list[Callable[[Connection], None]] = []
        self.steps: list[Step] = []

    def load(self, alerts: Collection[UUID]) -> None:
        """Read some threads at once, for speed."""
        wanted = sorted({str(alert) for alert in alerts if alert not in self._threads})
        for start in range(0, len(wanted), CHUNK):
            some = wanted[start : start + CHUNK]
            query = select(THREADS.c.alert, THREADS.c.version, THREADS.c.thread).where(
                THREADS.c.cluster == self._cluster, THREADS.c.alert.in_(some)
            )
            found = {row.alert: row for row in self.sql.execute(query)}
            for alert in some:
                row = found.get(alert)
                self._versions[UUID(alert)] = row.version if row else 0
                self._threads[UUID(alert)] = Thread.model_validate_json(row.thread) if row else None

    def thread(self, alert: UUID) -> Thread | None:
        """One thread as it now stands; None when there is none."""
        self.load((alert,))
        return self._threads[alert]

    def put(self, outcome: Outcome) -> None:
        """Keep an outcome for :meth:`write`; one that changes nothing is left out."""
        alert = outcome.thread.alert
        before = self.thread(alert)
        if before == outcome.thread and not (outcome.actions or outcome.messages or outcome.withdrawn):
            return
        self._threads[alert] = outcome.thread
        self._changed.add(alert)
        self.steps.append(Step(before, outcome))

    def happen(self, alert: UUID, happening: Happening) -> Outcome:
        """Advance one thread. :class:`services.notify.domain.life.Refused` when that cannot be done."""
        outcome = advance(self.thread(alert), happening, self._roster)
        self.put(outcome)
        return outcome

    def take(self, event: AnyAlert, at: datetime) -> None:
        """Advance every thread that an alert event concerns; one that was seen changes nothing."""
        known: dict[UUID, Thread | None] = {}
        while missing := concerned(event, known) - known.keys():
            self.load(missing)
            known |= {alert: self._threads[alert] for alert in missing}
        for outcome in take(event, known, self._roster, at):
            self.put(outcome)

    def finally_(self, work: Callable[[Connection], None]) -> None:
        """Do this last in the transaction: deliveries are locked after threads."""
        self._last.append(work)

    def write(self) -> None:
        """Write everything put. :class:`Conflict` when a thread is not at the version that was read."""
        if self._changed:
            self._write_threads()
        for work in self._last:
            work(self.sql)

    def _write_threads(self) -> None:
        changed = sorted(self._changed, key=str)
        self._claim([alert for alert in changed if self._versions[alert]])
        newest = self._numbers(len(changed))
        rows = [self._row(alert, newest - len(changed) + 1 + place) for place, alert in enumerate(changed)]
        fresh = [row for row in rows if row["version"] == 1]
        if fresh:
            self.sql.execute(THREADS.insert(), fresh)
        if older := [row for row in rows if row["version"] > 1]:
            self._update(older)
        self._note(action for step in self.steps for action in step.outcome.actions)
        for step in self.steps:
            self._withdraw(step.outcome.withdrawn)
            self._post(step.outcome.thread, step.outcome.messages)

    def _claim(self, alerts: Sequence[UUID]) -> None:
        """Lock the threads' rows, in one order everywhere, and compare their versions."""
        for start in range(0, len(alerts), CHUNK):
            some = alerts[start : start + CHUNK]
            query = (
                select(THREADS.c.alert, THREADS.c.version)
                .where(THREADS.c.cluster == self._cluster, THREADS.c.alert.in_([str(alert) for alert in some]))
                .order_by(THREADS.c.alert)
                .with_for_update()
            )
            found = {UUID(row.alert): row.version for row in self.sql.execute(query)}
            if found != {alert: self._versions[alert] for alert in some}:
                raise Conflict

    def _numbers(self, count: int) -> int:
        """The last of ``count`` change numbers that are now ours. Held until the commit, so they appear in order."""
        first = inserting(self.sql)(CHANGES).values(cluster=self._cluster, newest=0, seen_at=0)
        self.sql.execute(first.on_conflict_do_nothing())
        taken = (
            update(CHANGES)
            .where(CHANGES.c.cluster == self._cluster)
            .values(newest=CHANGES.c.newest + count)
            .returning(CHANGES.c.newest)
        )
        return int(self.sql.execute(taken).scalar_one())

    def _row(self, alert: UUID, change: int) -> dict[str, Any]:
        thread = self._threads[alert]
        assert thread is not None
        return {
            "cluster": self._cluster, "alert": str(alert), "patient_key": thread.patient.key, "kind": thread.kind,
            "tier": thread.tier, "rank": thread.rank, "state": thread.state,
            "waiting": thread.waiting, "live": thread.live, "assigned_to": thread.assigned_to,
            "raised_at": microseconds(thread.raised_at),
            "due_at": microseconds(thread.due_at) if thread.due_at else None,
            "wake_at": microseconds(thread.wake_at) if thread.wake_at else None,
            "version": self._versions[alert] + 1, "change": change, "thread": thread.model_dump_json(),
        }  # fmt: skip

    def _update(self, rows: Sequence[dict[str, Any]]) -> None:
        changing = [name for name in rows[0] if name not in ("cluster", "alert")]
        statement = (
            update(THREADS)
            .where(THREADS.c.cluster == bindparam("of_cluster"), THREADS.c.alert == bindparam("of_alert"))
            .values({name: bindparam(f"new_{name}") for name in changing})
        )
        keys = [{"of_cluster": row["cluster"], "of_alert": row["alert"]} for row in rows]
        values = [{f"new_{name}": row[name] for name in changing} for row in rows]
        self.sql.execute(statement, [key | value for key, value in zip(keys, values, strict=True)])

    def _note(self, actions: Iterable[AlertAction]) -> None:
        rows = [
            {
                "cluster": self._cluster, "alert": str(action.alert), "number": action.number,
                "event_id": str(action.event_id), "at": microseconds(action.at), "type": action.body.type,
                "actor": action.actor.id, "why": getattr(action.body, "reason", "")[:200],
                "event": ALERT_ACTIONS.encode(action).decode(),
            }
            for action in actions
        ]  # fmt: skip
        if rows:
            self.sql.execute(ACTIONS.insert(), rows)

    def _withdraw(self, deliveries: Collection[UUID]) -> None:
        """What no channel took yet is not sent any more. What is on its way at this moment is noted when it arrives."""
        if deliveries:
            self.sql.execute(
                update(DELIVERIES)
                .where(
                    DELIVERIES.c.cluster == self._cluster,
                    DELIVERIES.c.delivery.in_(sorted(map(str, deliveries))),
                    UNSENT,
                )
                .values(state="withdrawn")
            )

    def _keys(self, deliveries: Sequence[UUID]) -> dict[UUID, str]:
        """The keys under which channels were tried with deliveries whose alert was superseded since."""
        query = select(DELIVERIES.c.delivery, DELIVERIES.c.bundle).where(
            DELIVERIES.c.cluster == self._cluster, DELIVERIES.c.delivery.in_(sorted(map(str, deliveries)))
        )
        return {UUID(row.delivery): row.bundle for row in self.sql.execute(query)} if deliveries else {}

    def _post(self, thread: Thread, messages: Sequence[Message]) -> None:
        """Queue messages. One that is there stays as it is, unless it was withdrawn: then it is wanted anew."""
        keys = self._keys([message.repeats for message in messages if message.repeats])
        rows = [
            {
                "cluster": self._cluster, "delivery": str(message.delivery), "alert": str(message.alert),
                "person": message.to.person, "channel": message.to.channel, "tier": message.tier,
                "rank": rank_of(message.tier, thread.due_hours),
                "patient_key": "" if message.digest else thread.patient.key,  # a digest is one over all patients
                "state": "waiting", "not_before": microseconds(message.not_before),
                "next_try_at": microseconds(message.not_before), "attempts": 0, "reason": "",
                "bundle": keys.get(message.repeats) if message.repeats else None,
                "message": message.model_dump_json(),
            }
            for message in messages
        ]  # fmt: skip
        if not rows:
            return
        insert = inserting(self.sql)(DELIVERIES)
        again = {name: insert.excluded[name] for name in AGAIN}
        self.sql.execute(
            insert.on_conflict_do_update(
                index_elements=DELIVERIES.primary_key.columns,
                set_=again,
                where=DELIVERIES.c.state == "withdrawn",
            ),
            rows,
        )
