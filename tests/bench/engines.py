"""One worker of an engine on a backlog, timed by its own counter; and the way from the door to a response."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from datetime import UTC, datetime

from kafka import KafkaConsumer, TopicPartition

from refrain.contracts.topics import PARTITIONS, RESPONSES, inputs_of
from tests.faults.processes import Fleet, Slot
from tests.faults.told import values

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 120.0
QUIET_SECONDS = 4.0
"""No response for so long: the last one has come."""


def records_of(engine: str, bootstrap: str) -> int:
    """How many records wait for an engine that has read nothing."""
    return sum(1 for topic in inputs_of(engine) for _ in values(bootstrap, topic.name))


def records_per_second(fleet: Fleet, engine: str, records: int) -> float:
    """Start one worker on the whole backlog and stop it; the time before its first batch does not count."""
    [slot] = fleet.start([engine])
    samples: list[tuple[float, int]] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while not samples or samples[-1][1] < records:
        if time.monotonic() > end:
            raise TimeoutError(f"{engine} did not get through its backlog")
        time.sleep(POLL_SECONDS)
        if handled := _handled(slot):
            samples.append((time.monotonic(), handled))
    fleet.stop()
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    return (last - first) / (last_at - first_at) if last > first else float("nan")


def _handled(slot: Slot) -> int:
    """Records that were decided, of all topics and outcomes; 0 before the worker says anything."""
    try:
        url = f"http://127.0.0.1:{slot.port('metrics')}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    pattern = rf"^refrain_{slot.service}_reports_total\{{.*\}} (\S+)$"
    return int(sum(float(count) for count in re.findall(pattern, text, re.MULTILINE)))


class Responses(threading.Thread):
    """Watches ``responses.v1`` from now on, and keeps how long after ``recorded_at`` each snapshot arrived."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(","), enable_auto_commit=False)
        partitions = [TopicPartition(RESPONSES.name, number) for number in range(PARTITIONS)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            self._consumer.position(partition)
        self._last = time.monotonic()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            for records in self._consumer.poll(timeout_ms=50).values():
                now = datetime.now(UTC)
                self._last = time.monotonic()
                self.seconds += [(now - RESPONSES.decode(one.value).recorded_at).total_seconds() for one in records]
        self._consumer.close()

    def until_quiet(self) -> list[float]:
        """All of them, once nothing comes any more."""
        while time.monotonic() - self._last < QUIET_SECONDS:
            time.sleep(POLL_SECONDS)
        self._over.set()
        self.join()
        return self.seconds
