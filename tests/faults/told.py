"""What is on the topics and in the ledgers after a run, read to the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import Engine, func, select

from refrain.contracts.events import NOT_CONTENT, Alert, CareEvent, FlaggedReport, LabReport, ResponseAssessed
from refrain.contracts.topics import ALERTS, CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES, Topic
from refrain.runtime.tables import FACTS, HOLES, OUTBOX, PATIENTS, UNREADABLE

STREAMS = (LAB_REPORTS, CARE_EVENTS, FLAGGED_REPORTS, RESPONSES, ALERTS)


def values(bootstrap: str, topic: str) -> Iterator[bytes]:
    """Every record of a topic up to the end that it has now; the order of each partition is kept."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","), enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_bytes=64 * 1024 * 1024,
    )  # fmt: skip
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from (record.value for record in records)
    finally:
        consumer.close()


@dataclass
class Course:
    """What everybody was told about one patient: facts, the newest of each view, the alert events in order."""

    reports: dict[UUID, LabReport] = field(default_factory=dict)
    care_events: dict[UUID, CareEvent] = field(default_factory=dict)
    flagged: dict[UUID, FlaggedReport] = field(default_factory=dict)
    assessed: ResponseAssessed | None = None
    alerts: list[Alert] = field(default_factory=list)

    def take(self, event: Any) -> None:
        match event:
            case LabReport():
                self.reports.setdefault(event.event_id, event)
            case CareEvent():
                self.care_events.setdefault(event.event_id, event)
            case FlaggedReport():
                known = self.flagged.get(event.report)
                if known is None or known.revision < event.revision:
                    self.flagged[event.report] = event
            case ResponseAssessed():
                if self.assessed is None or self.assessed.revision < event.revision:
                    self.assessed = event
            case Alert():
                self.alerts.append(event)


@dataclass
class Topics:
    """The five streams, repetitions left out. ``contents`` has the ids that came with more than one content."""

    courses: dict[str, Course] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    ids: dict[str, set[str]] = field(default_factory=dict)
    two_contents: list[str] = field(default_factory=list)


def read_topics(bootstrap: str) -> Topics:
    """Read all of them. A repetition is the same id again, wherever it stands."""
    topics = Topics()
    for topic in STREAMS:
        contents: dict[str, bytes] = {}
        for value in values(bootstrap, topic.name):
            topics.records[topic.name] += 1
            _read(topics, topic, value, contents)
        topics.ids[topic.name] = set(contents)
    return topics


def _read(topics: Topics, topic: Topic, value: bytes, contents: dict[str, bytes]) -> None:
    document = json.loads(value)
    event_id = document["event_id"]
    digest = _digest(document)
    if event_id not in contents:
        contents[event_id] = digest
        event = topic.decode(value)
        topics.courses.setdefault(event.patient.key, Course()).take(event)
        return
    topics.repeated[topic.name] += 1
    if contents[event_id] != digest:
        topics.two_contents.append(f"{topic.name} {event_id}")


def _digest(document: dict[str, Any]) -> bytes:
    """Of what an event says: its JSON without how it travelled."""
    content = {name: value for name, value in document.items() if name not in NOT_CONTENT}
    return sha256(json.dumps(content, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The database of each engine, read directly and not through the code that wrote it."""

    engines: dict[str, Engine]

    def count(self, service: str, topic: Topic) -> int:
        """How many facts of a topic a ledger holds."""
        query = select(func.count()).select_from(FACTS).where(FACTS.c.topic == topic.name)
        with self.engines[service].connect() as sql:
            return int(sql.scalar(query) or 0)

    def facts(self, service: str, topic: Topic) -> dict[tuple[str, str], int]:
        """Patient key and subject of every fact of a topic, with its revision."""
        query = select(FACTS.c.patient_key, FACTS.c.subject, FACTS.c.revision).where(FACTS.c.topic == topic.name)
        with self.engines[service].connect() as sql:
            return {(row.patient_key, row.subject): row.revision for row in sql.execute(query)}

    def issued(self, service: str) -> dict[str, dict[str, Any]]:
        """What a service holds to have told of each patient."""
        with self.engines[service].connect() as sql:
            rows = sql.execute(select(PATIENTS.c.patient_key, PATIENTS.c.issued)).all()
        return {row.patient_key: json.loads(row.issued) for row in rows if row.issued}

    def outputs(self, service: str) -> Iterator[tuple[str, Any, bool]]:
        """Event id, event and whether it was marked sent, of every output that is kept, in order."""
        topics = {topic.name: topic for topic in STREAMS}
        query = select(OUTBOX.c.event_id, OUTBOX.c.topic, OUTBOX.c.value, OUTBOX.c.sent).order_by(OUTBOX.c.position)
        with self.engines[service].connect() as sql:
            for row in sql.execute(query):
                yield row.event_id, topics[row.topic].decode(bytes(row.value)), row.sent

    def holes(self, service: str) -> int:
        return self._rows(service, HOLES)

    def unreadable(self, service: str) -> int:
        return self._rows(service, UNREADABLE)

    def _rows(self, service: str, table: Any) -> int:
        with self.engines[service].connect() as sql:
            return int(sql.scalar(select(func.count()).select_from(table)) or 0)

    def close(self) -> None:
        for engine in self.engines.values():
            engine.dispose()
