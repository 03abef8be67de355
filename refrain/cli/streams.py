"""What is on the topics and how far each service has read, for ``status`` and for the demo to know when all is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec

from refrain.contracts.topics import PARTITIONS, Topic, inputs_of

REQUEST_MILLISECONDS = 10_000
IDLE_MILLISECONDS = 10_000
"""How long a read to a known end waits for the next record before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Records of one topic that a service has not acknowledged yet, and the records there are in all."""

    waiting: int
    in_all: int


@contextmanager
def admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(
        bootstrap_servers=bootstrap.split(","), bootstrap_timeout_ms=REQUEST_MILLISECONDS,
        request_timeout_ms=REQUEST_MILLISECONDS,
    )  # fmt: skip
    try:
        yield client
    finally:
        client.close()


def backlog(client: KafkaAdminClient, service: str) -> dict[str, Backlog]:
    """By topic, what the consumer group of a service (its name is the service's) still has before it."""
    partitions = [TopicPartition(t.name, number) for t in inputs_of(service) for number in range(t.partitions)]
    begin, end = (_offsets(client, partitions, spec) for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST))
    committed = client.list_group_offsets({service: partitions})[service]
    found = {}
    for topic in inputs_of(service):
        own = [partition for partition in partitions if partition.topic == topic.name]
        waiting = sum(end[p] - max(begin[p], _position(committed, p)) for p in own)
        found[topic.name] = Backlog(waiting, sum(end[p] - begin[p] for p in own))
    return found


def _offsets(client: KafkaAdminClient, partitions: list[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
    found = client.list_partition_offsets(dict.fromkeys(partitions, spec))
    return {partition: int(at.offset) for partition, at in found.items()}


def _position(committed: Mapping[TopicPartition, Any], partition: TopicPartition) -> int:
    at = committed.get(partition)
    return -1 if at is None else int(at.offset)


def read_patient(bootstrap: str, topic: Topic, key: str) -> list[Any]:
    """All events of one patient on a topic, oldest first, up to the end that the topic has now."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","), enable_auto_commit=False, auto_offset_reset="earliest",
        consumer_timeout_ms=IDLE_MILLISECONDS,
    )  # fmt: skip
    partitions = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]
    try:
        consumer.assign(partitions)
        begin, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        left = {partition for partition in partitions if end[partition] > begin[partition]}
        consumer.assign(sorted(left))
        found = []
        while left:
            record = next(consumer)
            partition = TopicPartition(record.topic, record.partition)
            if record.offset < end[partition] and record.key == key.encode():
                found.append(topic.decode(record.value))
            if record.offset + 1 >= end[partition]:
                left.discard(partition)
        return found
    finally:
        consumer.close()
