"""The producer of notify and chart on a real Kafka: it returns when Kafka has the records, and comes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.producer.sender import Sender

from refrain.cli.kafka import LocalKafka
from refrain.cli.topics import create_topics
from refrain.contracts.events import CareEvent, Infection, PatientId
from refrain.contracts.topics import CARE_EVENTS, Topic
from refrain.runtime.incoming import Poison, Record
from refrain.runtime.produce import Outgoing, Producer, dead_letter

pytestmark = pytest.mark.kafka

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def a_topic(bootstrap: str) -> Topic:
    name = f"{CARE_EVENTS.name.removesuffix('.v1')}-{uuid4().hex[:8]}.v1"
    topic = Topic(name, CareEvent, ("intake",), ("chart",), "of one test", partitions=4)
    create_topics(bootstrap, topics=[topic])
    return topic


def an_infection(patient: str, number: int) -> CareEvent:
    who = PatientId(authority="TESTWARD", type="MR", id=patient)
    body = Infection(name="made up", onset=date(2026, 1, 1))
    return CareEvent(patient=who, occurred_at=AT, recorded_at=AT, key=f"infection-{number}", body=body).identified()


def read(bootstrap: str, name: str) -> list:
    """Everything on a topic now, by partition and offset."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found: list = []
    while any(consumer.position(one) < ends[one] for one in partitions):
        for records in consumer.poll(timeout_ms=300).values():
            found.extend(records)
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def test_a_patients_events_are_there_in_order_when_send_returns(kafka: str) -> None:
    topic = a_topic(kafka)
    events = [an_infection(patient, number) for number in range(20) for patient in ("0007", "0008")]
    producer = Producer(kafka, "test")
    producer.send([Outgoing.of(topic, event) for event in events])
    records = read(kafka, topic.name)
    assert len(records) == 40
    for patient in ("0007", "0008"):
        mine = [record for record in records if record.key == an_infection(patient, 0).patient.key.encode()]
        assert len({record.partition for record in mine}) == 1
        assert [topic.decode(record.value).key for record in mine] == [f"infection-{number}" for number in range(20)]
    producer.close()


def test_a_record_that_is_too_large_is_refused_and_the_next_one_goes(kafka: str) -> None:
    topic = a_topic(kafka)
    producer = Producer(kafka, "test")
    with pytest.raises(KafkaError):
        producer.send([Outgoing(topic.name, b"key", b"x" * 3 * 1024 * 1024)])
    producer.send([Outgoing(topic.name, b"key", b"small")])
    assert [record.value for record in read(kafka, topic.name)] == [b"small"]
    producer.close()


def test_a_dead_letter_has_the_original_bytes_and_what_is_known_of_them(kafka: str) -> None:
    topic = a_topic(kafka)
    poison = Poison(Record(topic, 3, 17, b"who|ever|0007", b"\xff no JSON"), "ValidationError", "decode")
    letter = dead_letter(poison, "chart")
    assert letter.topic == topic.dead_letters("chart")
    producer = Producer(kafka, "test")
    producer.send([letter])
    producer.close()
    [record] = read(kafka, letter.topic)
    assert (record.key, record.value) == (b"who|ever|0007", b"\xff no JSON")
    assert dict(record.headers) == {
        "id": f"chart-{topic.name}-3-17".encode(), "cause": b"ValidationError", "stage": b"decode",
    }  # fmt: skip


def test_kafka_away_is_told_and_kafka_back_is_found_again(private_kafka: Callable[[], LocalKafka]) -> None:
    node = private_kafka()
    topic = a_topic(node.bootstrap)
    producer = Producer(node.bootstrap, "away")
    producer.send([Outgoing(topic.name, b"key", b"first")])
    node.stop()
    with pytest.raises(KafkaError):
        producer.send([Outgoing(topic.name, b"key", b"lost")])
    for sender in [one for one in threading.enumerate() if isinstance(one, Sender)]:
        if sender.config["client_id"] == "refrain-away":
            sender.join(30)
            assert not sender.is_alive(), "nobody sends it later"
    node.start()
    producer.send([Outgoing(topic.name, b"key", b"second")])
    producer.close()
    values = [record.value for record in read(node.bootstrap, topic.name)]
    assert values == [b"first", b"second"]
