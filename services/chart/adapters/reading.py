"""Reading Kafka into the read model: which log it is, and the consumer that starts where the database stands."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.topics import LAB_REPORTS, inputs_of
from refrain.runtime.consume import Consumer, Partition
from refrain.runtime.leaving import Leave, leave
from services.chart import metrics
from services.chart.adapters.letters import SERVICE_OF
from services.chart.adapters.projection import Projection

log = logging.getLogger(__name__)

SERVICE = "chart"
BOOTSTRAP_MILLISECONDS = 3_000
AGAIN_SECONDS = 1.0
"""Until Kafka or the database is asked again at the start."""

TOPICS = inputs_of(SERVICE)
LETTERS = tuple(sorted(SERVICE_OF))


class TopicMissing(Exception):
    """Kafka has not all the topics yet."""


@dataclass(frozen=True, slots=True)
class Log:
    """One Kafka log as it is now."""

    name: str
    """Cluster and the id of a topic, so that a wiped log is another one."""
    begins: Mapping[Partition, int]
    ends: Mapping[Partition, int]

    @property
    def goals(self) -> dict[Partition, int]:
        """Ends of the partitions that hold anything."""
        return {place: end for place, end in self.ends.items() if end > self.begins[place]}


def look_at(broker: str) -> Log:
    """What Kafka holds of our topics. KafkaError when it does not answer, TopicMissing when it has not all of them."""
    servers = broker.split(",")
    admin = KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=BOOTSTRAP_MILLISECONDS)
    try:
        cluster = admin.describe_cluster()["cluster_id"]
        found = admin.describe_topics([*(topic.name for topic in TOPICS), *LETTERS])
    finally:
        admin.close()
    if any(topic["error_code"] for topic in found):
        raise TopicMissing
    reports = next(topic for topic in found if topic["name"] == LAB_REPORTS.name)
    partitions = [
        TopicPartition(topic["name"], one["partition_index"]) for topic in found for one in topic["partitions"]
    ]
    consumer = KafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, bootstrap_timeout_ms=BOOTSTRAP_MILLISECONDS
    )
    try:
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    finally:
        consumer.close()
    return Log(f"{cluster}/{reports.get('topic_id', '')}", _by_place(begins), _by_place(ends))


def _by_place(offsets: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    return {(one.topic, one.partition): offset for one, offset in offsets.items()}


class Reader:
    """Reads until told to stop. Waits for Kafka and the database at the start, so that pages are served meanwhile."""

    def __init__(
        self,
        projection: Projection,
        broker: str,
        *,
        group: str = "",
        patience_seconds: float = 45.0,
        leave: Leave = leave,
    ) -> None:
        self._projection = projection
        self._broker = broker
        self._consumer = Consumer(
            SERVICE, broker, TOPICS, projection.take, metrics.CONSUMER, group=group, starts=projection.starts,
            noting=LETTERS, patience_seconds=patience_seconds, leave=leave,
        )  # fmt: skip

    @property
    def caught_up(self) -> bool:
        """Whether nothing waited when it was last looked."""
        return self._consumer.caught_up

    @property
    def alive(self) -> bool:
        """False when records wait and nothing was taken for too long."""
        return self._consumer.progress.alive

    def run(self, stop: threading.Event) -> None:
        """Blocking, in a thread of its own."""
        while not stop.is_set():
            try:
                self._settle()
            except (KafkaError, SQLAlchemyError, TopicMissing) as error:
                log.warning("waiting for Kafka and the database", extra={"reason": type(error).__name__})
                stop.wait(AGAIN_SECONDS)
            else:
                self._consumer.run(stop)
                return

    def _settle(self) -> None:
        there = look_at(self._broker)
        if self._projection.settle_on(there.name, there.ends, there.goals):
            metrics.EMPTIED.inc()
            log.warning("another Kafka log: the read model begins anew", extra={"cluster": there.name})
