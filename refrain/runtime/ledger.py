"""The ledger of one service: per patient the facts, what was issued, and an outbox, in SQL.

One transaction holds new facts, what is issued from now on, and the encoded outputs, so nothing reaches Kafka that
the ledger does not know, and what a crash left unsent is sent when its input comes again (answers 1). Ledgers replace
Faust Tables, which lose messages on a rebalance (docs/decisions/0001).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import Connection, Engine, bindparam, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from refrain.contracts.steps import Output
from refrain.contracts.topics import Topic
from refrain.runtime.database import READING
from refrain.runtime.facts import Fact, mentioned_by, revision_of, subject_of
from refrain.runtime.known import (
    CACHE_BYTES,
    Cache,
    Change,
    Conflict,
    Issued,
    Known,
    NewFact,
    Unreadable,
    Unsent,
)
from refrain.runtime.tables import FACTS, HOLES, MENTIONS, OUTBOX, PATIENTS, UNREADABLE

CHUNK = 1000
"""Bound parameters in one statement."""


class Ledger(Generic[Issued]):
    """One service's facts of one Kafka cluster. Calls block; a worker makes them from a thread."""

    def __init__(
        self,
        engine: Engine,
        cluster: str,
        topics: Iterable[Topic],
        nothing_issued: Callable[[], Issued],
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._engine = engine
        self._cluster = cluster
        self._topics = {topic.name: topic for topic in topics}
        self._nothing_issued = nothing_issued
        self._cache = Cache[Issued](cache_bytes)
        dialects: dict[str, Callable[[Any], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
        self._insert = dialects[engine.dialect.name]

    def _reading(self) -> Connection:
        return self._engine.connect().execution_options(**{READING: True})

    def load(self, patients: Collection[str]) -> dict[str, Known[Issued]]:
        """Everything known of these patients; unknown ones are there too, at version 0."""
        wanted = sorted(patients)
        with self._reading() as sql:
            # Versions first: facts that arrive in between make the commit a conflict, never a loss.
            versions = dict(self._rows(sql, PATIENTS, wanted, PATIENTS.c.version))
            known = {key: held for key in wanted if (held := self._cache.get(key, versions.get(key, 0)))}
            missing = [key for key in wanted if key not in known]
            stored = [key for key in missing if key in versions]
            issued = dict(self._rows(sql, PATIENTS, stored, PATIENTS.c.issued))
            facts = self._facts(sql, stored)
            unreadable: dict[str, tuple[str, ...]] = {}
            for key, record in self._rows(sql, UNREADABLE, wanted, UNREADABLE.c.record):
                unreadable[key] = (*unreadable.get(key, ()), record)
        for key in missing:
            known[key] = Known(versions.get(key, 0), self._issued(issued.get(key)), facts.get(key, {}))
        for key in stored:
            self._cache.put(key, known[key])
        return {key: replace(held, unreadable=unreadable.get(key, ())) for key, held in known.items()}

    def _rows(self, sql: Connection, table: Any, patients: Sequence[str], *columns: Any) -> list[Any]:
        """Patient key and columns, of these patients only."""
        rows: list[Any] = []
        for start in range(0, len(patients), CHUNK):
            some = patients[start : start + CHUNK]
            query = select(table.c.patient_key, *columns).where(
                table.c.cluster == self._cluster, table.c.patient_key.in_(some)
            )
            rows.extend(tuple(row) for row in sql.execute(query))
        return rows

    def _facts(self, sql: Connection, patients: Sequence[str]) -> dict[str, dict[tuple[str, str], Fact]]:
        found: dict[str, dict[tuple[str, str], Fact]] = {}
        for key, topic_name, subject, payload in self._rows(
            sql, FACTS, patients, FACTS.c.topic, FACTS.c.subject, FACTS.c.payload
        ):
            topic = self._topics[topic_name]
            fact = Fact(topic, topic.decode(bytes(payload)), len(payload))
            found.setdefault(key, {})[topic_name, subject] = fact
        return found

    def _issued(self, text: str | None) -> Issued:
        nothing = self._nothing_issued()
        return nothing if text is None else type(nothing).model_validate_json(text)

    def commit(
        self,
        changes: Sequence[Change[Issued]],
        unreadable: Sequence[Unreadable] = (),
        recovered: Collection[str] = (),
    ) -> None:
        """Write decisions and dead letters, and strike out the dead letters ``recovered``, in one transaction.

        :class:`Conflict` when a patient is not at the version a decision was made on; then nothing is written.
        Repeating a dead letter writes nothing.
        """
        try:
            with self._engine.begin() as sql:
                if changes:
                    self._claim(sql, changes)
                    self._write(sql, changes)
                self._write_unreadable(sql, unreadable)
                if recovered:
                    sql.execute(
                        UNREADABLE.delete().where(
                            UNREADABLE.c.cluster == self._cluster, UNREADABLE.c.record.in_(recovered)
                        )
                    )
        except Conflict:
            self._cache.forget(change.patient for change in changes)
            raise
        for change in changes:
            merged = {**change.before.facts, **{new.fact.place: new.fact for new in change.facts}}
            after = Known(change.before.version + 1, change.issued, merged, change.before.unreadable)
            self._cache.put(change.patient, after)

    def _claim(self, sql: Connection, changes: Sequence[Change[Issued]]) -> None:
        """Lock the patients' rows, in one order everywhere, and compare their versions."""
        wanted = {change.patient: change.before.version for change in changes}
        keys = sorted(wanted)
        fresh = [{"cluster": self._cluster, "patient_key": k, "version": 0} for k in keys if not wanted[k]]
        if fresh:
            sql.execute(self._insert(PATIENTS).on_conflict_do_nothing(), fresh)
        found: dict[str, int] = {}
        for start in range(0, len(keys), CHUNK):
            query = (
                select(PATIENTS.c.patient_key, PATIENTS.c.version)
                .where(PATIENTS.c.cluster == self._cluster, PATIENTS.c.patient_key.in_(keys[start : start + CHUNK]))
                .order_by(PATIENTS.c.patient_key)
                .with_for_update()
            )
            found.update((row.patient_key, row.version) for row in sql.execute(query))
        if found != wanted:
            raise Conflict

    def _write(self, sql: Connection, changes: Sequence[Change[Issued]]) -> None:
        sql.execute(
            update(PATIENTS)
            .where(PATIENTS.c.cluster == self._cluster, PATIENTS.c.patient_key == bindparam("patient"))
            .values(version=PATIENTS.c.version + 1, issued=bindparam("now")),
            [{"patient": change.patient, "now": change.issued.model_dump_json()} for change in changes],
        )
        facts = [self._fact_row(change.patient, new) for change in changes for new in change.facts]
        if facts:
            insert = self._insert(FACTS)
            newer = tuple_(insert.excluded.revision, insert.excluded.fact_id) > tuple_(
                FACTS.c.revision, FACTS.c.fact_id
            )
            replaced = {name: insert.excluded[name] for name in ("revision", "fact_id", "payload")}
            keep = insert.on_conflict_do_update(index_elements=FACTS.primary_key.columns, set_=replaced, where=newer)
            sql.execute(keep, facts)
        outbox = [self._outbox_row(change.patient, output) for change in changes for output in change.outputs]
        if outbox:
            self._drop_superseded(sql, changes)
            sql.execute(OUTBOX.insert(), outbox)
        mentions = [
            {"cluster": self._cluster, "id": str(mentioned), "patient_key": change.patient}
            for change in changes
            for mentioned in _mentioned(change)
        ]
        if mentions:
            sql.execute(self._insert(MENTIONS).on_conflict_do_nothing(), mentions)

    def _fact_row(self, patient: str, new: NewFact) -> dict[str, Any]:
        topic, subject = new.fact.place
        return {
            "cluster": self._cluster, "patient_key": patient, "topic": topic, "subject": subject,
            "revision": revision_of(new.fact.event), "fact_id": str(new.fact.event.event_id), "payload": new.payload,
        }  # fmt: skip

    def _outbox_row(self, patient: str, output: Output) -> dict[str, Any]:
        return {
            "cluster": self._cluster, "patient_key": patient, "event_id": str(output.event.event_id),
            "topic": output.topic.name, "subject": subject_of(output.event), "key": output.event.patient.key.encode(),
            "value": output.topic.encode(output.event),
        }  # fmt: skip

    def _drop_superseded(self, sql: Connection, changes: Sequence[Change[Issued]]) -> None:
        """Sent views that a newer one replaces: kept, a course of n facts would fill n times its own size."""
        views = [
            {"patient": change.patient, "of_topic": output.topic.name, "about": subject_of(output.event)}
            for change in changes
            for output in change.outputs
            if revision_of(output.event)
        ]
        if views:
            sql.execute(
                OUTBOX.delete().where(
                    OUTBOX.c.cluster == self._cluster,
                    OUTBOX.c.patient_key == bindparam("patient"),
                    OUTBOX.c.topic == bindparam("of_topic"),
                    OUTBOX.c.subject == bindparam("about"),
                    OUTBOX.c.sent.is_(True),
                ),
                views,
            )

    def _write_unreadable(self, sql: Connection, unreadable: Sequence[Unreadable]) -> None:
        rows = [
            {"cluster": self._cluster, "record": r.record, "patient_key": r.patient, "cause": r.cause}
            for r in unreadable
        ]
        if rows:
            sql.execute(self._insert(UNREADABLE).on_conflict_do_nothing(), rows)

    def unsent(self, patients: Collection[str]) -> tuple[Unsent, ...]:
        """Outputs of these patients that are not marked sent, in the order they were decided."""
        columns = OUTBOX.c.position, OUTBOX.c.topic, OUTBOX.c.key, OUTBOX.c.value
        found: list[Unsent] = []
        keys = sorted(patients)
        with self._reading() as sql:
            for start in range(0, len(keys), CHUNK):
                query = select(*columns).where(
                    OUTBOX.c.cluster == self._cluster,
                    OUTBOX.c.patient_key.in_(keys[start : start + CHUNK]),
                    OUTBOX.c.sent.is_(False),
                )
                found.extend(Unsent(row.position, row.topic, row.key, row.value) for row in sql.execute(query))
        return tuple(sorted(found, key=lambda unsent: unsent.position))

    def mark_sent(self, positions: Sequence[int]) -> None:
        """Note that Kafka has acknowledged these outputs. Repeating it changes nothing."""
        with self._engine.begin() as sql:
            for start in range(0, len(positions), CHUNK):
                some = positions[start : start + CHUNK]
                sql.execute(update(OUTBOX).where(OUTBOX.c.position.in_(some)).values(sent=True))

    def patients_of(self, mentioned: UUID) -> tuple[str, ...]:
        """Keys of the patients whose ledger mentions this event, alert, report or result."""
        query = select(MENTIONS.c.patient_key).where(
            MENTIONS.c.cluster == self._cluster, MENTIONS.c.id == str(mentioned)
        )
        with self._reading() as sql:
            return tuple(sorted(sql.scalars(query)))

    def outputs_of(self, patient: str) -> tuple[Output, ...]:
        """What this service issued about a patient, oldest first: every alert event, of each view the newest."""
        query = (
            select(OUTBOX.c.topic, OUTBOX.c.value)
            .where(OUTBOX.c.cluster == self._cluster, OUTBOX.c.patient_key == patient)
            .order_by(OUTBOX.c.position)
        )
        with self._reading() as sql:
            rows = sql.execute(query).all()
        return tuple(Output(self._topics[row.topic], self._topics[row.topic].decode(row.value)) for row in rows)

    def note_hole(self, topic: str, partition: int, expected: int, found: int) -> None:
        """Remember that the consumer skipped offsets: the worker that saw it is about to exit."""
        row = {"cluster": self._cluster, "topic": topic, "partition": partition, "expected": expected, "found": found}
        with self._engine.begin() as sql:
            sql.execute(self._insert(HOLES).on_conflict_do_nothing(), [row])

    def holes(self) -> dict[str, int]:
        """How many holes were seen so far, by topic."""
        query = select(HOLES.c.topic, func.count()).where(HOLES.c.cluster == self._cluster).group_by(HOLES.c.topic)
        with self._reading() as sql:
            return {row[0]: row[1] for row in sql.execute(query)}


def _mentioned(change: Change[Any]) -> set[UUID]:
    events = [new.fact.event for new in change.facts] + [output.event for output in change.outputs]
    return {mentioned for event in events for mentioned in mentioned_by(event)}
