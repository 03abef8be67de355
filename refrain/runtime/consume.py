"""Reads topics with kafka-python, a batch at a time: taken by SQL first, acknowledged to Kafka afterwards.

For the services that keep state without Faust. A crash anywhere repeats a batch, so ``take`` must make repeats
harmless. What cannot be read, or makes ``take`` raise, goes to the dead-letter topic, and the partition moves on;
SQL or Kafka being away is waited for, then the process leaves with nothing acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from refrain.contracts.topics import Topic
from refrain.runtime.health import Progress
from refrain.runtime.incoming import Arrived, Poison, decode
from refrain.runtime.leaving import ExitCode, Leave, leave
from refrain.runtime.produce import Producer, dead_letter

log = logging.getLogger(__name__)

POLL_MILLISECONDS = 200
BATCH = 500
OUTCOMES = ("new", "dead_letter")
CAUSES = ("decode", "step")

Partition = tuple[str, int]
"""Topic name and partition number."""


class MovedElsewhere(Exception):
    """``take`` says that its database stands at other offsets than this batch: ask ``starts`` again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one poll that could be read, in order per partition, and the offsets that they cover."""

    facts: tuple[Arrived, ...]
    first: Mapping[Partition, int]
    after: Mapping[Partition, int]
    """The next offset of each partition once the batch is taken; covers dead letters too."""


class Take(Protocol):
    """Keeps a batch durably before it returns. SQLAlchemyError is waited for; MovedElsewhere seeks."""

    def __call__(self, batch: Batch) -> None: ...


@dataclass(frozen=True, slots=True)
class ConsumerMetrics:
    """Declared by each service under its own name."""

    records: Counter
    """Records by topic and outcome (new, dead_letter)."""
    dead_letters: Counter
    """By topic and stage: decode or step."""
    lag: Gauge
    """Records waiting, by topic, of the partitions that this process has."""
    newest_fact: Gauge
    """``recorded_at`` of the newest fact as a Unix time."""

    def initialise(self, topics: Sequence[Topic]) -> None:
        """Show every label from the start, so that a rate over it is defined."""
        for topic in topics:
            self.lag.labels(topic.name)
            for outcome in OUTCOMES:
                self.records.labels(topic.name, outcome)
            for cause in CAUSES:
                self.dead_letters.labels(topic.name, cause)


class Consumer:
    """One consumer of some topics. ``starts`` gives the offsets to begin at where SQL knows better than the group."""

    def __init__(
        self,
        service: str,
        broker: str,
        topics: Sequence[Topic],
        take: Take,
        metrics: ConsumerMetrics,
        *,
        group: str = "",
        starts: Callable[[Sequence[Partition]], Mapping[Partition, int]] | None = None,
        patience_seconds: float = 45.0,
        leave: Leave = leave,
    ) -> None:
        self._service = service
        self._broker = broker
        self._group = group or service
        self._topics = {topic.name: topic for topic in topics}
        self._take = take
        self._metrics = metrics
        self._starts = starts
        self._patience = patience_seconds
        self._leave = leave
        self.progress = Progress()
        self._caught_up = threading.Event()

    @property
    def caught_up(self) -> bool:
        """Whether nothing waited when it was last looked."""
        return self._caught_up.is_set()

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop; blocking, in a thread of its own. Any defect ends the process."""
        consumer = KafkaConsumer(
            bootstrap_servers=self._broker.split(","), group_id=self._group, client_id=f"refrain-{self._service}",
            enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=BATCH,
            session_timeout_ms=6_000, heartbeat_interval_ms=2_000, max_partition_fetch_bytes=4 * 1024 * 1024,
        )  # fmt: skip
        producer = Producer(self._broker, self._service)
        try:
            consumer.subscribe(list(self._topics), listener=_Seeking(consumer, self._starts))
            while not stop.is_set():
                self._turn(consumer, producer)
        except Exception as error:  # noqa: BLE001 - the edge of the thread: nothing was acknowledged
            self._leave(ExitCode.DEFECT, type(error).__name__)
        finally:
            producer.close()
            consumer.close(autocommit=False)

    def _turn(self, consumer: Any, producer: Producer) -> None:
        polled = consumer.poll(timeout_ms=POLL_MILLISECONDS)
        messages = list(chain.from_iterable(polled.values()))
        if messages:
            with self.progress.batch():
                facts, poison = decode(self._topics, messages)
                first: dict[Partition, int] = {}
                after: dict[Partition, int] = {}
                for message in messages:
                    place = message.topic, message.partition
                    first.setdefault(place, message.offset)
                    after[place] = message.offset + 1
                try:
                    poison += self._settle(Batch(tuple(facts), first, after))
                except MovedElsewhere:
                    _seek(consumer, self._starts, list(first))
                    return
                self._bury(producer, poison)
                self._count(facts, poison)
                self._acknowledge(consumer, after)
        self._tell_lag(consumer)

    def _settle(self, batch: Batch) -> list[Poison]:
        """Take the batch; when that raises, one record at a time, so that only the culprit is set aside."""
        try:
            self._patiently(self._take, batch)
            return []
        except (MovedElsewhere, SQLAlchemyError):
            raise
        except Exception:  # noqa: BLE001 - found again below, record by record
            return self._one_by_one(batch)

    def _one_by_one(self, batch: Batch) -> list[Poison]:
        culprits: list[Poison] = []
        first = dict(batch.first)
        for fact in batch.facts:
            place = fact.record.topic.name, fact.record.partition
            following = {place: fact.record.offset + 1}
            try:
                self._patiently(self._take, Batch((fact,), {place: first[place]}, following))
            except (MovedElsewhere, SQLAlchemyError):
                raise
            except Exception as error:  # noqa: BLE001 - about this record, whatever it is
                culprits.append(Poison(fact.record, type(error).__name__, "step"))
                self._patiently(self._take, Batch((), {place: first[place]}, following))
            first |= following
        rest = {place: offset for place, offset in batch.after.items() if first[place] < offset}
        if rest:
            self._patiently(self._take, Batch((), {place: first[place] for place in rest}, rest))
        return culprits

    def _patiently(self, work: Callable[..., None], *arguments: Any) -> None:
        self._retry(lambda: work(*arguments), SQLAlchemyError, ExitCode.LEDGER_AWAY)

    def _bury(self, producer: Producer, poison: Sequence[Poison]) -> None:
        letters = [dead_letter(one, self._service) for one in poison]
        if letters:
            self._retry(lambda: producer.send(letters), KafkaError, ExitCode.KAFKA_AWAY)

    def _retry(self, work: Callable[[], None], passing: type[Exception], code: ExitCode) -> None:
        retrying = Retrying(
            stop=stop_after_delay(self._patience),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            retry=retry_if_exception_type(passing),
        )
        try:
            retrying(work)
        except RetryError as error:
            self._leave(code, type(error.last_attempt.exception()).__name__)
            raise

    def _count(self, facts: Sequence[Arrived], poison: Sequence[Poison]) -> None:
        set_aside = {one.record.place for one in poison}
        for fact in facts:
            if fact.record.place not in set_aside:
                self._metrics.records.labels(fact.record.topic.name, "new").inc()
                self._metrics.newest_fact.set(fact.fact.event.recorded_at.timestamp())
        for one in poison:
            record = one.record
            self._metrics.records.labels(record.topic.name, "dead_letter").inc()
            self._metrics.dead_letters.labels(record.topic.name, one.stage).inc()
            log.error(
                "a record was set aside",
                extra={"topic": record.topic.name, "partition": record.partition, "offset": record.offset,
                       "reason": one.cause},
            )  # fmt: skip

    def _acknowledge(self, consumer: Any, after: Mapping[Partition, int]) -> None:
        """A commit that fails costs a repetition, never a record: the group's next owner reads the batch again."""
        offsets = {TopicPartition(*place): OffsetAndMetadata(offset, "", -1) for place, offset in after.items()}
        try:
            consumer.commit(offsets)
        except KafkaError as error:
            log.warning("offsets were not acknowledged", extra={"reason": type(error).__name__})

    def _tell_lag(self, consumer: Any) -> None:
        waiting = dict.fromkeys(self._topics, 0)
        assigned = consumer.assignment()
        known = bool(assigned)
        for partition in assigned:
            end = consumer.highwater(partition)
            position = consumer.position(partition, timeout_ms=1000) if end is not None else None
            if end is None or position is None:
                known = False
            else:
                waiting[partition.topic] += max(end - position, 0)
        for topic, records in waiting.items():
            self._metrics.lag.labels(topic).set(records)
        behind = sum(waiting.values())
        self.progress.behind(behind)
        (self._caught_up.set if known and not behind else self._caught_up.clear)()


class _Seeking(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    """Puts newly assigned partitions where the database says."""

    def __init__(self, consumer: Any, starts: Callable[[Sequence[Partition]], Mapping[Partition, int]] | None) -> None:
        self._consumer = consumer
        self._starts = starts

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing to do: what was taken was acknowledged, and the rest is read again by the next owner."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        _seek(self._consumer, self._starts, [(one.topic, one.partition) for one in assigned])


def _seek(
    consumer: Any,
    starts: Callable[[Sequence[Partition]], Mapping[Partition, int]] | None,
    partitions: Sequence[Partition],
) -> None:
    if starts is None:
        return
    for place, offset in starts(partitions).items():
        consumer.seek(TopicPartition(*place), offset)
