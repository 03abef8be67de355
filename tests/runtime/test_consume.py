"""The consumer of notify and chart on a real Kafka: batches, rebalances, poison, databases that go away and return."""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import DataError, OperationalError

from refrain.cli.kafka import LocalKafka
from refrain.cli.topics import create_topics
from refrain.contracts.events import CareEvent, Infection, PatientId
from refrain.contracts.topics import CARE_EVENTS, Topic
from refrain.runtime.consume import Batch, Consumer, MovedElsewhere, Partition
from refrain.runtime.consumer_metrics import ConsumerMetrics
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer

pytestmark = pytest.mark.kafka

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
SERVICE = "chart"
WAIT_SECONDS = 60.0


@dataclass
class Stream:
    """A topic of the test's own, with its dead letters, shaped like care-events."""

    kafka: str
    topic: Topic
    group: str = field(default_factory=lambda: f"test-{uuid4().hex[:8]}")

    def send(self, numbers: Sequence[int], patient: str = "0007") -> None:
        records = [Outgoing.of(self.topic, an_infection(patient, number)) for number in numbers]
        self.send_raw(records)

    def send_raw(self, records: Sequence[Outgoing]) -> None:
        producer = Producer(self.kafka, "test")
        producer.send(records)
        producer.close()

    def dead_letters(self) -> list:
        """All of them, in any order."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)
        name = self.topic.dead_letters(SERVICE)
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list = []
        while any(consumer.position(one) < ends[one] for one in partitions):
            for records in consumer.poll(timeout_ms=300).values():
                found.extend(records)
        consumer.close()
        return found

    def committed(self) -> int:
        """Sum over partitions of what the group has acknowledged."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka, group_id=self.group, enable_auto_commit=False)
        partitions = [TopicPartition(self.topic.name, number) for number in range(self.topic.partitions)]
        total = sum(consumer.committed(one) or 0 for one in partitions)
        consumer.close(autocommit=False)
        return total


def an_infection(patient: str, number: int) -> CareEvent:
    who = PatientId(authority="TESTWARD", type="MR", id=patient)
    body = Infection(name="made up", onset=date(2026, 1, 1))
    return CareEvent(patient=who, occurred_at=AT, recorded_at=AT, key=f"infection-{number}", body=body).identified()


def stream_on(bootstrap: str, partitions: int = 4) -> Stream:
    name = f"{CARE_EVENTS.name.removesuffix('.v1')}-{uuid4().hex[:8]}.v1"
    topic = Topic(name, CareEvent, ("intake",), (SERVICE,), "of one test", partitions=partitions)
    create_topics(bootstrap, topics=[topic])
    return Stream(bootstrap, topic)


@pytest.fixture
def stream(kafka: str) -> Stream:
    return stream_on(kafka)


def metrics() -> ConsumerMetrics:
    registry = CollectorRegistry()
    return ConsumerMetrics(
        Counter("records", "of a test", ["topic", "outcome"], registry=registry),
        Counter("dead_letters", "of a test", ["topic", "cause"], registry=registry),
        Gauge("lag", "of a test", ["topic"], registry=registry),
        Gauge("newest", "of a test", registry=registry),
    )


class Kept:
    """A database that keeps keys and offsets in one step, as chart does, and can be told to fail."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.keys: list[str] = []
        self.next: dict[Partition, int] = {}
        self.sizes: list[int] = []
        self.stale = 0
        self.fail: Callable[[Batch], None] = lambda _: None

    def take(self, batch: Batch) -> None:
        self.fail(batch)
        with self.lock:
            if any(self.next.get(place, 0) != offset for place, offset in batch.first.items()):
                self.stale += 1
                raise MovedElsewhere
            self.keys.extend(fact.fact.event.key for fact in batch.facts)  # type: ignore[attr-defined]
            self.next |= batch.after
            self.sizes.append(len(batch.facts))

    def starts(self, places: Sequence[Partition]) -> Mapping[Partition, int]:
        with self.lock:
            return {place: self.next.get(place, 0) for place in places}

    def empty(self) -> None:
        with self.lock:
            self.keys.clear()
            self.next.clear()


class Left:
    """Where a consumer said that the process has to leave, and why."""

    def __init__(self) -> None:
        self.codes: list[ExitCode] = []

    def __call__(self, code: ExitCode, _: str) -> None:
        self.codes.append(code)


@contextmanager
def reading(stream: Stream, kept: Kept, **options: object) -> Iterator[Consumer]:
    """A consumer in a thread of its own; ``with_starts=False`` lets the group say where to begin."""
    if options.pop("with_starts", True):
        options["starts"] = kept.starts
    take = options.pop("take", kept.take)
    given: dict = {"metrics": metrics(), "group": stream.group} | options
    consumer = Consumer(SERVICE, stream.kafka, [stream.topic], take, **given)  # type: ignore[arg-type]
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield consumer
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def eventually(look: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not look():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def keys(numbers: Sequence[int]) -> list[str]:
    return sorted(f"infection-{number}" for number in numbers)


def of(metric: Counter | Gauge, *labels: str) -> float:
    return metric.labels(*labels)._value.get()


def test_a_backlog_comes_in_batches_and_each_record_once(stream: Stream) -> None:
    stream.send(range(700))
    kept = Kept()
    with reading(stream, kept) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) >= 700)
        assert consumer.progress.alive
    assert sorted(kept.keys) == keys(range(700))
    assert len(kept.sizes) < 50, "records of one poll are one batch"
    assert max(kept.sizes) <= 500
    assert stream.committed() == 700
    with reading(stream, kept) as consumer:
        eventually(lambda: consumer.caught_up)
        stream.send([700])
        eventually(lambda: len(kept.keys) > 700)
    assert sorted(kept.keys) == keys(range(701)), "nothing is read again after a restart"


def test_without_a_place_in_the_database_the_group_remembers(stream: Stream) -> None:
    stream.send(range(5))
    seen: list[str] = []

    def take(batch: Batch) -> None:
        seen.extend(fact.fact.event.key for fact in batch.facts)  # type: ignore[attr-defined]

    for expected in (5, 8):
        with reading(stream, Kept(), take=take, with_starts=False) as consumer:
            eventually(lambda: consumer.caught_up and len(seen) >= expected)  # noqa: B023 - called within the loop
        stream.send(range(expected, 8))
    assert sorted(seen) == keys(range(8))


def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_the_rest_is_taken(stream: Stream) -> None:
    stream.send([1])
    key = an_infection("0007", 1).patient.key.encode()
    stream.send_raw([Outgoing(stream.topic.name, key, b'{"fact": "nothing we know"}')])
    stream.send([2])
    kept, told = Kept(), metrics()
    with reading(stream, kept, metrics=told) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 2)
    [letter] = stream.dead_letters()
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (key, b'{"fact": "nothing we know"}')
    assert headers["stage"] == b"decode"
    assert headers["cause"] == b"ValidationError"
    assert headers["id"].decode().startswith(f"{SERVICE}-{stream.topic.name}-")
    assert of(told.dead_letters, stream.topic.name, "decode") == 1
    assert of(told.records, stream.topic.name, "new") == 2
    assert sum(kept.next.values()) == 3


def test_a_record_that_makes_take_raise_is_set_aside_alone(stream: Stream) -> None:
    stream.send(range(20))
    kept, told, left = Kept(), metrics(), Left()

    def refuse(batch: Batch) -> None:
        if any(fact.fact.event.key == "infection-7" for fact in batch.facts):  # type: ignore[attr-defined]
            raise ZeroDivisionError("a text that may name a patient")

    kept.fail = refuse
    with reading(stream, kept, metrics=told, leave=left) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 19)
    assert sorted(kept.keys) == keys([number for number in range(20) if number != 7])
    [letter] = stream.dead_letters()
    assert stream.topic.decode(letter.value).key == "infection-7"
    assert dict(letter.headers)["cause"] == b"ZeroDivisionError"
    assert of(told.dead_letters, stream.topic.name, "step") == 1
    assert sum(kept.next.values()) == 20
    assert left.codes == []


def test_a_record_that_the_database_refuses_is_poison_and_not_a_database_that_is_away(stream: Stream) -> None:
    stream.send(range(5))
    kept, left = Kept(), Left()

    def refuse(batch: Batch) -> None:
        if any(fact.fact.event.key == "infection-3" for fact in batch.facts):  # type: ignore[attr-defined]
            raise DataError("insert", {}, ValueError("a NUL character"))

    kept.fail = refuse
    with reading(stream, kept, leave=left, patience_seconds=3600) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 4)
    assert len(stream.dead_letters()) == 1
    assert left.codes == []


def test_nothing_moves_past_poison_before_kafka_has_its_dead_letter(stream: Stream) -> None:
    """A crash between the two would lose a record without a trace."""
    key = an_infection("0007", 1).patient.key.encode()
    stream.send_raw([Outgoing(stream.topic.name, key, b"not JSON")])
    stream.send([1])
    kept = Kept()
    found: list[int] = []

    def look_first(batch: Batch) -> None:
        found.append(len(stream.dead_letters()))
        if any(fact.fact.event.key == "infection-1" for fact in batch.facts):  # type: ignore[attr-defined]
            raise ZeroDivisionError

    kept.fail = look_first
    with reading(stream, kept):
        eventually(lambda: sum(kept.next.values()) == 2)
    assert found[0] == 1, "the record that cannot be decoded"
    assert found[-1] == 2, "the record that take refused, before its offset was taken"


def test_a_database_that_is_away_is_waited_for(stream: Stream) -> None:
    stream.send(range(3))
    kept, left = Kept(), Left()
    away = threading.Event()
    away.set()
    tried = threading.Event()

    def check(_: Batch) -> None:
        if away.is_set():
            tried.set()
            raise OperationalError("select", {}, ConnectionError())

    kept.fail = check
    with reading(stream, kept, leave=left) as consumer:
        assert tried.wait(WAIT_SECONDS)
        assert kept.keys == []
        assert stream.committed() == 0
        away.clear()
        eventually(lambda: consumer.caught_up and len(kept.keys) == 3)
    assert left.codes == []
    assert stream.dead_letters() == []


def test_a_database_that_stays_away_ends_the_process_with_nothing_acknowledged(stream: Stream) -> None:
    stream.send(range(3))
    kept, left = Kept(), Left()

    def away(_: Batch) -> None:
        raise OperationalError("select", {}, ConnectionError())

    kept.fail = away
    with reading(stream, kept, leave=left, patience_seconds=0.3):
        eventually(lambda: left.codes)
    assert left.codes == [ExitCode.LEDGER_AWAY], "told once"
    assert stream.committed() == 0
    assert stream.dead_letters() == []


def test_a_database_that_cannot_say_where_it_stands_is_waited_for(stream: Stream) -> None:
    stream.send(range(3))
    kept = Kept()
    calls = Tally()

    def starts(places: Sequence[Partition]) -> Mapping[Partition, int]:
        calls["starts"] += 1
        if calls["starts"] < 3:
            raise OperationalError("select", {}, ConnectionError())
        return kept.starts(places)

    with reading(stream, kept, starts=starts, with_starts=False) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 3)
    assert calls["starts"] >= 3


def test_two_consumers_share_the_partitions_and_no_record_is_taken_twice_or_left_out(stream: Stream) -> None:
    kept, left = Kept(), Left()
    patients = [f"{number:04}" for number in range(12)]
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for number in range(count):
            stream.send([sent + number], patients[(sent + number) % len(patients)])
        sent += count

    with reading(stream, kept, leave=left) as first:
        send(20)
        eventually(lambda: first.caught_up and len(kept.keys) == 20)
        with reading(stream, kept, leave=left) as second:
            eventually(lambda: first._at and second._at and first._at.keys().isdisjoint(second._at))
            send(20)
            eventually(lambda: len(kept.keys) >= 40)
        send(20)
        eventually(lambda: first.caught_up and len(kept.keys) >= 60)
    assert sorted(kept.keys) == keys(range(sent))
    assert sum(kept.next.values()) == sent
    assert left.codes == []


def test_a_database_that_was_emptied_is_read_into_from_the_start(stream: Stream) -> None:
    """A rebuild beside a worker that is busy: its next batch is refused, and it goes back."""
    stream.send(range(10))
    kept = Kept()
    with reading(stream, kept) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 10)
        kept.empty()
        stream.send([10])
        eventually(lambda: len(kept.keys) >= 11)
    assert sorted(kept.keys) == keys(range(11))


def test_a_database_that_was_emptied_while_nothing_comes_is_filled_again(stream: Stream) -> None:
    stream.send(range(10))
    kept = Kept()
    with reading(stream, kept) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 10)
        kept.empty()
        eventually(lambda: len(kept.keys) >= 10)
    assert sorted(kept.keys) == keys(range(10))
    assert kept.stale == 0, "nothing had to be refused"


def test_a_database_that_has_read_everything_is_caught_up_in_a_new_group_too(stream: Stream) -> None:
    """Kafka sends nothing then, and says nothing of the ends unless it is asked."""
    stream.send(range(10))
    kept = Kept()
    with reading(stream, kept) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 10)
    with reading(stream, kept, group=f"{stream.group}-new") as consumer:
        eventually(lambda: consumer.caught_up)
    assert sorted(kept.keys) == keys(range(10))


def test_heads_of_other_topics_come_without_their_values(stream: Stream) -> None:
    stream.send_raw([Outgoing(stream.topic.name, b"who|ever|0007", b"not JSON")])
    with reading(stream, Kept()) as consumer:
        eventually(lambda: consumer.caught_up)
    noted: list = []

    def take(batch: Batch) -> None:
        noted.extend(batch.noted)

    stream.group += "-heads"
    letters = stream.topic.dead_letters(SERVICE)
    with reading(stream, Kept(), take=take, with_starts=False, noting=[letters]):
        eventually(lambda: noted)
    note = noted[0]  # of the first consumer; the second one set the record aside as well
    assert (note.topic, note.key) == (letters, b"who|ever|0007")
    assert note.headers["id"].decode() == f"{SERVICE}-{stream.topic.name}-{note.partition}-0"
    assert not hasattr(note, "value")


def test_kafka_that_is_away_at_the_start_is_waited_for_and_then_left() -> None:
    left = Left()
    nowhere = Stream("127.0.0.1:1", CARE_EVENTS)
    with reading(nowhere, Kept(), leave=left, patience_seconds=0.3):
        eventually(lambda: left.codes)
    assert left.codes == [ExitCode.KAFKA_AWAY]


def test_kafka_that_goes_away_and_comes_back_is_read_on(private_kafka: Callable[[], LocalKafka]) -> None:
    node = private_kafka()
    stream = stream_on(node.bootstrap)
    stream.send(range(3))
    kept, left = Kept(), Left()
    with reading(stream, kept, leave=left) as consumer:
        eventually(lambda: consumer.caught_up and len(kept.keys) == 3)
        node.stop()
        node.start()
        stream.send([3])
        eventually(lambda: len(kept.keys) == 4)
    assert sorted(kept.keys) == keys(range(4))
    assert left.codes == []


def test_a_commit_that_failed_is_made_up_for_while_nothing_comes(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a lag would be shown until the next record of each partition."""
    commit, failed = KafkaConsumer.commit, []

    def fails_at_first(consumer: KafkaConsumer, *arguments: object, **options: object) -> object:
        if not failed:
            failed.append(True)
            raise CommitFailedError("as in a rebalance")
        return commit(consumer, *arguments, **options)

    monkeypatch.setattr(KafkaConsumer, "commit", fails_at_first)
    stream.send(range(5))
    kept = Kept()
    with reading(stream, kept):
        eventually(lambda: stream.committed() == 5)
    assert failed
    assert sorted(kept.keys) == keys(range(5))


def test_a_consumer_without_a_share_of_the_partitions_joins_anew(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refrain.runtime.consume.EMPTY_SECONDS", 1.0)
    subscribe, joined = KafkaConsumer.subscribe, []

    def in_vain_at_first(consumer: KafkaConsumer, topics: Sequence[str], **options: object) -> None:
        joined.append(topics)
        if len(joined) > 1:
            subscribe(consumer, topics, **options)

    monkeypatch.setattr(KafkaConsumer, "subscribe", in_vain_at_first)
    monkeypatch.setattr(KafkaConsumer, "poll", _poll_unless_in_vain(KafkaConsumer.poll, joined))
    stream.send(range(5))
    kept = Kept()
    with reading(stream, kept):
        eventually(lambda: len(kept.keys) >= 5)
    assert len(joined) == 2


def _poll_unless_in_vain(poll: Callable[..., object], joined: Sequence[object]) -> Callable[..., object]:
    """kafka-python refuses to poll without a subscription: then nothing comes, as when nothing is shared out."""

    def polled(consumer: KafkaConsumer, **options: object) -> object:
        return poll(consumer, **options) if len(joined) > 1 else {}

    return polled
