"""How many records wait for a consumer of kafka-python."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

log = logging.getLogger(__name__)

ASK_SECONDS = 2.0
"""How often Kafka is asked for the ends that are not known."""
ASK_MILLISECONDS = 1_000
"""Longest wait for its answer."""


class Lag:
    """Told of the consumer after every poll."""

    def __init__(self) -> None:
        self._ends: dict[TopicPartition, int | None] = {}
        self._ask_at = 0.0

    def measure(self, consumer: Any, at: Mapping[tuple[str, int], int]) -> tuple[dict[str, int], bool]:
        """Records that wait, by topic, and whether all partitions are known; ``at``: where a database stands."""
        waiting: dict[str, int] = {}
        assigned = consumer.assignment()
        known = bool(assigned)
        for partition, end in self._find_ends(consumer, assigned).items():
            position = at.get((partition.topic, partition.partition))
            if end is not None and (position is None or position < end):  # perhaps what is between is gone from the log
                position = consumer.position(partition, timeout_ms=ASK_MILLISECONDS)
            if end is None or position is None:
                known = False
            else:
                waiting[partition.topic] = waiting.get(partition.topic, 0) + max(end - position, 0)
        return waiting, known

    def _find_ends(self, consumer: Any, assigned: Any) -> Mapping[TopicPartition, int | None]:
        """Ends of the log. A fetch that brings nothing says nothing of them, so that they are asked for once."""
        ends = {one: consumer.highwater(one) for one in assigned}
        self._ends = {one: known if known is not None else self._ends.get(one) for one, known in ends.items()}
        unknown = [one for one, end in self._ends.items() if end is None]
        if unknown and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_SECONDS
            try:
                self._ends |= consumer.end_offsets(unknown, timeout_ms=ASK_MILLISECONDS)
            except KafkaError as error:
                log.info("the ends of the log are not known", extra={"reason": type(error).__name__})
        return self._ends
