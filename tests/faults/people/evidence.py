"""What is there after a run: the topics, notify's and chart's databases, what the receivers took and people asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import Engine, select

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import AlertAction, Occasion
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS, Topic
from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.rebuild import rebuild
from services.chart.domain.views import AlertRow
from services.chart.settings import Settings as ChartSettings
from services.notify.adapters.tables import ACTIONS, DELIVERIES, THREADS
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Message, Thread
from tests.faults.people.answering import Request
from tests.faults.people.lives import Issue, Life, lives_of
from tests.faults.people.receivers import Accepted


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of notify's delivery log. ``key``: what the channel was shown."""

    message: Message
    state: str
    key: UUID


@dataclass(frozen=True, slots=True)
class Heard:
    """That one person learned one thing of one alert: the first time that a receiver took it under this key."""

    alert: UUID
    person: str
    channel: str
    key: UUID
    occasion: Occasion
    level: int
    at: float
    answered: bool
    """Whether the sender was told, then or at any repetition."""


@dataclass(frozen=True)
class Evidence:
    """All that the verdict looks at. Times are seconds since 1970."""

    roster: Roster
    issued: Sequence[Issue]
    """Each event once, in the order of its partition."""
    accepted: Sequence[Accepted]
    """Repetitions included."""
    requests: Sequence[Request]
    published: Sequence[AlertAction]
    """``alert-actions.v1``, repetitions included."""
    audit: Sequence[AlertAction]
    """The rows of notify's audit, oldest first."""
    deliveries: Mapping[UUID, Delivery]
    threads: Mapping[UUID, Thread]
    shown: Mapping[UUID, AlertRow]
    """By chart."""
    read_model: str
    """Digest of what the two replicas of chart made together ..."""
    rebuilt: str
    """... and of what a rebuild makes of the same topics."""
    digest_at: float
    ended_at: float

    @cached_property
    def lives(self) -> dict[UUID, Life]:
        return lives_of(self.issued)

    @cached_property
    def members(self) -> dict[UUID, list[Delivery]]:
        """The deliveries that went under one key."""
        found: dict[UUID, list[Delivery]] = {}
        for delivery in self.deliveries.values():
            found.setdefault(delivery.key, []).append(delivery)
        return found

    @cached_property
    def heard(self) -> list[Heard]:
        """In order. What a key stands for is in the delivery log; the receiver's own reading is compared with it."""
        first: dict[tuple[UUID, str], Accepted] = {}
        answered: set[UUID] = set()
        for message in self.accepted:
            first.setdefault((message.key, message.person), message)
            if message.answered:
                answered.add(message.key)
        return [
            Heard(
                one.message.alert, message.person, message.channel, message.key, one.message.occasion,
                one.message.level, message.at, message.key in answered,
            )
            for message in first.values()
            for one in self.members.get(message.key, ())
            if not message.alerts or one.message.alert in message.alerts
        ]  # fmt: skip

    @cached_property
    def heard_of(self) -> dict[UUID, list[Heard]]:
        found: dict[UUID, list[Heard]] = {}
        for one in self.heard:
            found.setdefault(one.alert, []).append(one)
        return found

    @cached_property
    def actions_of(self) -> dict[UUID, list[AlertAction]]:
        """From the audit, by number."""
        found: dict[UUID, list[AlertAction]] = {}
        for action in sorted(self.audit, key=lambda action: action.number):
            found.setdefault(action.alert, []).append(action)
        return found


def records(bootstrap: str, topic: Topic) -> Iterator[tuple[bytes, float]]:
    """Every record up to the end that the topic has now, with its time; the order of each partition is kept."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for found in consumer.poll(timeout_ms=500).values():
                yield from ((record.value, record.timestamp / 1000) for record in found)
    finally:
        consumer.close()


def issued_on(bootstrap: str) -> tuple[list[Issue], int]:
    """Every alert event once, and how many records there were."""
    found: dict[UUID, Issue] = {}
    read = 0
    for value, at in records(bootstrap, ALERTS):
        event: AnyAlert = ALERTS.decode(value)
        found.setdefault(event.event_id, Issue(event, at))
        read += 1
    return list(found.values()), read


def published_on(bootstrap: str) -> list[AlertAction]:
    return [ALERT_ACTIONS.decode(value) for value, _ in records(bootstrap, ALERT_ACTIONS)]


def audit_in(engine: Engine) -> list[AlertAction]:
    with engine.connect() as sql:
        rows = sql.execute(select(ACTIONS.c.event).order_by(ACTIONS.c.position)).all()
    return [ALERT_ACTIONS.decode(row.event.encode()) for row in rows]


def deliveries_in(engine: Engine) -> dict[UUID, Delivery]:
    with engine.connect() as sql:
        rows = sql.execute(select(DELIVERIES)).all()
    return {
        UUID(row.delivery): Delivery(
            Message.model_validate_json(row.message), row.state, UUID(row.bundle or row.delivery)
        )
        for row in rows
    }  # fmt: skip


def threads_in(engine: Engine) -> dict[UUID, Thread]:
    with engine.connect() as sql:
        rows = sql.execute(select(THREADS.c.alert, THREADS.c.thread)).all()
    return {UUID(row.alert): Thread.model_validate_json(row.thread) for row in rows}


def shown_by(engine: Engine, alerts: Sequence[UUID]) -> tuple[dict[UUID, AlertRow], str]:
    """The rows of chart's lists, and the digest of its read model."""
    model = ReadModel(engine)
    rows = {alert: row for alert in alerts if (row := model.alert_row(alert)) is not None}
    return rows, Projection(engine).digest()


def rebuilt_from(bootstrap: str, url: str, say: Callable[[str], None]) -> str:
    """The digest of a read model that somebody else makes of the topics."""
    upgrade(url, "chart", "services.chart.adapters:migrations")
    return rebuild(ChartSettings(ledger=url, kafka_broker=bootstrap, group="rebuild-by-the-test"), say)


__all__ = [
    "Delivery", "Evidence", "Heard", "audit_in", "deliveries_in", "issued_on", "open_database", "published_on",
    "rebuilt_from", "shown_by", "threads_in",
]  # fmt: skip
