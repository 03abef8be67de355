"""Reads topics with kafka-python, a batch at a time: taken by SQL first, acknowledged to Kafka afterwards.

For the services that keep state without Faust. A crash anywhere repeats a batch, so ``take`` must make repeats
harmless. What cannot be read, or makes ``take`` raise, goes to the dead-letter topic before anything moves past it,
and the partition moves on; SQL or Kafka being away is waited for, then the process leaves with nothing acknowledged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from refrain.contracts.topics import Topic
from refrain.runtime.consumer_lag import Lag
from refrain.runtime.consumer_metrics import ConsumerMetrics
from refrain.runtime.health import Progress
from refrain.runtime.incoming import Arrived, Poison, decode
from refrain.runtime.leaving import ExitCode, Leave, leave, place_of
from refrain.runtime.produce import Producer, dead_letter

log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_MILLISECONDS = 200
BATCH = 500
BOOTSTRAP_MILLISECONDS = 5_000
LOOK_SECONDS = 2.0
"""How often an idle consumer asks whether its database still stands where it left it, and acknowledges what it owes."""
EMPTY_SECONDS = 20.0
"""A consumer without any partition for so long joins anew, and waits twice as long the next time: kafka-python 3.0 may
miss its share for ever. Where there are more replicas than partitions this is the usual state of some."""
Partition = tuple[str, int]
"""Topic name and partition number."""

Starts = Callable[[Sequence[Partition]], Mapping[Partition, int]]
"""Where a database stands: for every partition asked for the next offset, 0 where it has read nothing."""


class MovedElsewhere(Exception):
    """``take`` says that its database stands at other offsets than this batch: ask ``starts`` again."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A record of which only the head is wanted, such as a dead letter: its value is not looked at."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: Mapping[str, bytes]
    at_milliseconds: int
    """Kafka's time of the record, since 1970."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one poll that could be read, in order per partition, and the offsets that they cover."""

    facts: tuple[Arrived, ...]
    first: Mapping[Partition, int]
    """Where each partition stood before: the offset that ``starts`` or the batch before gave, gaps included; without
    ``starts`` that of the first record."""
    after: Mapping[Partition, int]
    """The next offset of each partition once the batch is taken; covers dead letters too."""
    noted: tuple[Noted, ...] = ()
    ends: Mapping[Partition, int] = field(default_factory=dict)
    """End of the log, of partitions where it is known."""


class Take(Protocol):
    """Keeps a batch durably before it returns. A database that is away is waited for; MovedElsewhere seeks."""

    def __call__(self, batch: Batch) -> None: ...


class _Left(Exception):
    """The process was told to leave; nothing more is to be done here."""


class Consumer:
    """One consumer of some topics. ``starts`` gives the offsets to begin at where SQL knows better than the group.

    ``noting`` names further topics of which ``take`` gets the heads only.
    """

    def __init__(
        self,
        service: str,
        broker: str,
        topics: Sequence[Topic],
        take: Take,
        metrics: ConsumerMetrics,
        *,
        group: str = "",
        starts: Starts | None = None,
        noting: Sequence[str] = (),
        patience_seconds: float = 45.0,
        leave: Leave = leave,
    ) -> None:
        self._service = service
        self._broker = broker
        self._group = group or service
        self._topics = {topic.name: topic for topic in topics}
        self._noting = tuple(noting)
        self._take = take
        self._metrics = metrics
        self._starts = starts
        self._patience = patience_seconds
        self._leave = leave
        self._at: dict[Partition, int] = {}
        self._owed: dict[Partition, int] = {}
        self._look_at = 0.0
        self._assigned_at = time.monotonic()
        self._empty_seconds = EMPTY_SECONDS
        self._lag = Lag()
        self.progress = Progress()
        self._caught_up = threading.Event()

    @property
    def caught_up(self) -> bool:
        """Whether nothing waited when it was last looked."""
        return self._caught_up.is_set()

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop; blocking, in a thread of its own. Any defect ends the process."""
        producer = Producer(self._broker, self._service)
        try:
            while not stop.is_set():
                self._read(producer, stop)
        except _Left:
            return
        except Exception as error:  # noqa: BLE001 - the edge of the thread: nothing was acknowledged
            self._leave(ExitCode.DEFECT, place_of(error))
        finally:
            self._caught_up.clear()
            producer.close()

    def _read(self, producer: Producer, stop: threading.Event) -> None:
        """Join the group and work, until told to stop or left without a share of the partitions."""
        consumer = self._retry(self._open, _kafka_is_away, ExitCode.KAFKA_AWAY)
        try:
            self._retry(lambda: self._learn(consumer), _kafka_is_away, ExitCode.KAFKA_AWAY)
            consumer.subscribe([*self._topics, *self._noting], listener=_Forgetting(self._at))
            self._assigned_at = time.monotonic()
            while not stop.is_set() and not self._without_a_share(consumer):
                self._turn(consumer, producer)
        finally:
            consumer.close(autocommit=False)

    def _without_a_share(self, consumer: Any) -> bool:
        now = time.monotonic()
        if consumer.assignment():
            self._assigned_at, self._empty_seconds = now, EMPTY_SECONDS
            return False
        if now - self._assigned_at < self._empty_seconds:
            return False
        log.warning("no partition for long; joining anew", extra={"count": int(self._empty_seconds)})
        self._empty_seconds *= 2
        return True

    def _open(self) -> Any:
        return KafkaConsumer(
            bootstrap_servers=self._broker.split(","), group_id=self._group, client_id=f"refrain-{self._service}",
            enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=BATCH,
            session_timeout_ms=6_000, heartbeat_interval_ms=2_000, max_partition_fetch_bytes=4 * 1024 * 1024,
            bootstrap_timeout_ms=BOOTSTRAP_MILLISECONDS,
        )  # fmt: skip

    def _learn(self, consumer: Any) -> None:
        """Know the partitions before joining: kafka-python 3.0 shares out none of a topic that it does not know yet,
        and at times does not notice when it does (one start in some tens, on a busy machine)."""
        for topic in (*self._topics, *self._noting):
            consumer.partitions_for_topic(topic)

    def _turn(self, consumer: Any, producer: Producer) -> None:
        polled = consumer.poll(timeout_ms=POLL_MILLISECONDS)
        moved = self._find_places(consumer)
        messages = [
            message
            for partition, found in polled.items()
            if (partition.topic, partition.partition) not in moved
            for message in found
        ]
        if messages:
            with self.progress.batch():
                try:
                    self._work(consumer, producer, messages)
                except MovedElsewhere:
                    log.info("the database stands elsewhere", extra={"count": len(messages)})
                    self._at.clear()
        else:
            self._look_again(consumer)
        self._tell_lag(consumer)

    def _find_places(self, consumer: Any) -> set[Partition]:
        """Put partitions whose place is not known where the database says; records polled of them are void."""
        if self._starts is None:
            return set()
        lost = [place for one in consumer.assignment() if (place := (one.topic, one.partition)) not in self._at]
        if lost:
            offsets = self._ask(lost)
            for place in lost:
                consumer.seek(TopicPartition(*place), offsets[place])
                self._at[place] = self._owed[place] = offsets[place]
        return set(lost)

    def _look_again(self, consumer: Any) -> None:
        """Nothing came: whether the database was emptied or read on by another one meanwhile. Else nobody would see."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._acknowledge(consumer)
        if self._starts is None:
            return
        for place, offset in self._ask(list(self._at)).items():
            if self._at.get(place) != offset:
                self._at.pop(place, None)

    def _ask(self, places: Sequence[Partition]) -> Mapping[Partition, int]:
        starts = self._starts
        return self._retry(lambda: starts(places) if starts else {}, _database_is_away, ExitCode.LEDGER_AWAY)

    def _work(self, consumer: Any, producer: Producer, messages: Sequence[Any]) -> None:
        facts, poison = decode(self._topics, [message for message in messages if message.topic in self._topics])
        noted = [_noted(message) for message in messages if message.topic not in self._topics]
        first: dict[Partition, int] = {}
        after: dict[Partition, int] = {}
        for message in messages:
            place = message.topic, message.partition
            first.setdefault(place, self._at.get(place, message.offset))
            after[place] = message.offset + 1
        self._bury(producer, poison)
        batch = Batch(tuple(facts), first, after, tuple(noted), _ends(consumer, after))
        poison += self._settle(batch, producer)
        if self._starts is not None:
            self._at |= after
        self._count(facts, poison)
        self._owed |= after
        self._acknowledge(consumer)

    def _settle(self, batch: Batch, producer: Producer) -> list[Poison]:
        """Take the batch; when that raises, one record at a time, so that only the culprit is set aside."""
        try:
            self._patiently(batch)
        except (MovedElsewhere, _Left):
            raise
        except Exception as error:  # noqa: BLE001 - found again below, record by record
            log.warning("a batch is taken record by record", extra={"reason": place_of(error)})
            return self._one_by_one(batch, producer)
        return []

    def _one_by_one(self, batch: Batch, producer: Producer) -> list[Poison]:
        culprits: list[Poison] = []
        at = dict(batch.first)
        for note in batch.noted:
            self._step(at, (note.topic, note.partition), note.offset + 1, noted=(note,))
        for fact in batch.facts:
            place, following = (fact.record.topic.name, fact.record.partition), fact.record.offset + 1
            try:
                self._step(at, place, following, facts=(fact,))
            except (MovedElsewhere, _Left):
                raise
            except Exception as error:  # noqa: BLE001 - about this record, whatever it is
                culprits.append(Poison(fact.record, type(error).__name__, "step"))
                self._bury(producer, culprits[-1:])
                self._step(at, place, following)
        for place, following in batch.after.items():
            if at[place] < following:
                self._step(at, place, following)
        return culprits

    def _step(self, at: dict[Partition, int], place: Partition, following: int, **records: Any) -> None:
        """Take what one partition brings next, perhaps nothing but the offset."""
        self._patiently(
            Batch(records.get("facts", ()), {place: at[place]}, {place: following}, records.get("noted", ()))
        )
        at[place] = following

    def _patiently(self, batch: Batch) -> None:
        self._retry(lambda: self._take(batch), _database_is_away, ExitCode.LEDGER_AWAY)

    def _bury(self, producer: Producer, poison: Sequence[Poison]) -> None:
        letters = [dead_letter(one, self._service) for one in poison]
        if letters:
            self._retry(lambda: producer.send(letters), _kafka_is_away, ExitCode.KAFKA_AWAY)

    def _retry(self, work: Callable[[], T], passing: Callable[[BaseException], bool], code: ExitCode) -> T:
        retrying = Retrying(
            stop=stop_after_delay(self._patience),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            retry=retry_if_exception(passing),
        )
        try:
            return retrying(work)
        except RetryError as error:
            self._leave(code, type(error.last_attempt.exception()).__name__)
            raise _Left from None

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

    def _acknowledge(self, consumer: Any) -> None:
        """A commit that fails costs a repetition, never a record. It stays owed: else a lag would be shown for ever."""
        mine = {(one.topic, one.partition) for one in consumer.assignment()}
        self._owed = {place: offset for place, offset in self._owed.items() if place in mine}
        if not self._owed:
            return
        try:
            consumer.commit(
                {TopicPartition(*at): OffsetAndMetadata(offset, "", -1) for at, offset in self._owed.items()}
            )
        except KafkaError as error:
            log.warning("offsets were not acknowledged", extra={"reason": type(error).__name__})
        else:
            self._owed = {}

    def _tell_lag(self, consumer: Any) -> None:
        waiting, known = self._lag.measure(consumer, self._at)
        for topic in self._topics:
            self._metrics.lag.labels(topic).set(waiting.get(topic, 0))
        behind = sum(waiting.values())
        self.progress.behind(behind)
        (self._caught_up.set if known and not behind else self._caught_up.clear)()


class _Forgetting(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    """Partitions that come or go have no known place: the next turn asks the database, outside Kafka's own thread."""

    def __init__(self, at: dict[Partition, int]) -> None:
        self._at = at

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._forget(revoked)

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._forget(assigned)

    def _forget(self, partitions: Any) -> None:
        for one in partitions:
            self._at.pop((one.topic, one.partition), None)


def _noted(message: Any) -> Noted:
    headers = {name: value or b"" for name, value in message.headers or ()}
    return Noted(message.topic, message.partition, message.offset, message.key or b"", headers, message.timestamp)


def _ends(consumer: Any, places: Mapping[Partition, int]) -> dict[Partition, int]:
    found = {place: consumer.highwater(TopicPartition(*place)) for place in places}
    return {place: end for place, end in found.items() if end is not None}


def _kafka_is_away(error: BaseException) -> bool:
    return isinstance(error, KafkaError)


def _database_is_away(error: BaseException) -> bool:
    """Not so when it refused what it was given: then the record is at fault, and waiting would not help."""
    if isinstance(error, DataError | IntegrityError):
        return False
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return False
    return isinstance(error, SQLAlchemyError)
