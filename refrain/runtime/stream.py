"""Faust as it was measured to hold: its settings, the guard over offsets, and acknowledging last.

The figures and the traps behind every line are in docs/decisions/0001.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import faust

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
    return faust.App(
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

    Input topics are neither compacted nor transactional. An offset that comes again is a repetition, no hole.
    """

    _next: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def hole(self, messages: Iterable[Placed]) -> Hole | None:
        """The first hole in a batch, or None; remembers where each partition stands."""
        for message in messages:
            place = message.topic, message.partition
            generation, expected = self._next.get(place, (message.generation_id, message.offset))
            if generation == message.generation_id and message.offset > expected:
                return Hole(*place, expected, message.offset)
            following = message.offset + 1
            if generation == message.generation_id:
                following = max(following, expected)
            self._next[place] = message.generation_id, following
        return None
