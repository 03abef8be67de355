"""Faust as it was measured to hold: its settings, the guard over offsets, and acknowledging last.

The figures and the traps behind every line are in docs/decisions/0001.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import faust
from faust.transport.drivers import aiokafka as driver

from refrain.runtime.settings import WorkerSettings

OUTPUT_BYTES = 12 * 1024 * 1024
"""Largest output before compression; the topic's own limit counts after it."""


class Placed(Protocol):
    """What the guard reads of a Faust message."""

    topic: str
    partition: int
    offset: int
    generation_id: int


def _unused_folder(service: str) -> Path:
    """Where Faust makes the folders of tables that do not exist."""
    return Path(tempfile.gettempdir()) / f"refrain-{service}-{os.getuid()}"


def stream_app(service: str, settings: WorkerSettings) -> faust.App:
    """A Faust app that runs streams only: no tables, no web server, no topics made by itself."""
    app = faust.App(
        settings.group or service,
        broker=";".join(f"kafka://{server.strip()}" for server in settings.kafka_broker.split(",")),
        autodiscover=False, web_enabled=False, datadir=_unused_folder(service),
        key_serializer="raw", value_serializer="raw", topic_disable_leader=True, topic_allow_declare=False,
        store="memory://", stream_wait_empty=True, consumer_auto_offset_reset="earliest",
        producer_acks=-1, producer_linger=0.005, producer_max_batch_size=131072, producer_compression_type="gzip",
        producer_max_request_size=OUTPUT_BYTES,
        broker_max_poll_records=500, broker_commit_interval=1.0,
        broker_session_timeout=6.0, broker_heartbeat_interval=2.0,
        broker_rebalance_timeout=20.0, broker_request_timeout=20.0,
    )  # fmt: skip
    app.transport = Transport(app.conf.broker_consumer, app)
    return app


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Seeks every partition back to where its group stands, also one of which the group committed nothing yet.

    Faust drops what a fetch brings in the middle of a rebalance and seeks back to the committed offsets. aiokafka
    leaves a partition without one where it is, and what was dropped of it would be lost (docs/decisions/0007).
    """

    async def seek_to_committed(self) -> Mapping[Any, int | None]:
        committed: Mapping[Any, int | None] = await self.call_thread(self._seek_to_committed, self._ensure_consumer())
        return committed

    async def _seek_to_committed(self, consumer: Any) -> Mapping[Any, int | None]:
        committed: Mapping[Any, int | None] = await consumer.seek_to_committed()
        beginnings = await consumer.beginning_offsets(list(committed))
        assigned = consumer.assignment()  # from here on nothing is awaited: a rebalance cannot come between
        starts = {partition: max(offset or 0, beginnings[partition]) for partition, offset in committed.items()}
        for partition in starts:
            if not committed[partition] and partition in assigned:
                consumer.seek(partition, starts[partition])
        self.consumer.starts = {(one.topic, one.partition): offset for one, offset in starts.items()}
        return committed


class Consumer(driver.Consumer):
    """Knows where each partition was to go on when it was sought last."""

    starts: Mapping[tuple[str, int], int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class Transport(driver.Transport):
    """Faust's aiokafka, with this consumer."""

    Consumer = Consumer


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets that never came although the partition was ours all the time."""

    topic: str
    partition: int
    expected: int
    found: int


@dataclass(slots=True)
class OffsetGuard:
    """Sees a loss that Faust would not report: within one partition and generation, offsets are contiguous.

    They begin where the group stood, or before. Input topics are neither compacted nor transactional. An offset that
    comes again is a repetition, no hole.
    """

    starts: Callable[[], Mapping[tuple[str, int], int]] = dict
    """Where the group stood in each partition when its generation began; a partition it lacks may begin anywhere."""
    _next: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def hole(self, messages: Iterable[Placed]) -> Hole | None:
        """The first hole in a batch, or None; remembers where each partition stands."""
        for message in messages:
            place = message.topic, message.partition
            generation, expected = self._next.get(place, (None, 0))
            if generation != message.generation_id:
                expected = self.starts().get(place, message.offset)
            if message.offset > expected:
                return Hole(*place, expected, message.offset)
            self._next[place] = message.generation_id, max(message.offset + 1, expected)
        return None
