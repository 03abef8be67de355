"""Reads a message back from ``quarantine.v1``, byte for byte as it was received."""

from __future__ import annotations

import asyncio
import contextlib
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError
from pydantic import ValidationError

from refrain.contracts.events import Quarantined
from refrain.contracts.topics import QUARANTINE
from services.intake.adapters.work_list import Item, RawAt

REQUEST_TIMEOUT_MS = 2_000
READERS = 2
"""Messages that are read back at once; more wait."""
CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of two intake processes may differ when an entry is looked for by its time (our choice)."""


class Gone(Exception):
    """Kafka no longer has the bytes: the record expired, or the log is another one."""


class Away(Exception):
    """Kafka did not answer in time."""


class RawMessages:
    """One consumer for each reading, without a group: nothing is committed."""

    def __init__(self, bootstrap_servers: Sequence[str]) -> None:
        self._servers = list(bootstrap_servers)
        self._readers = ThreadPoolExecutor(READERS, "raw")

    def close(self) -> None:
        """Ends the worker threads without waiting for what nobody waits for any more."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, item: Item, seconds: float) -> bytes:
        """The bytes of an entry's message, within ``seconds``. Gone, or Away when that was not enough."""
        until = time.monotonic() + seconds
        reading = asyncio.get_running_loop().run_in_executor(self._readers, self._read, item, until)
        try:
            return await asyncio.wait_for(reading, seconds)
        except (KafkaError, TimeoutError):
            raise Away from None

    def _read(self, item: Item, until: float) -> bytes:
        with _consumer(self._servers) as consumer:
            found = _at(consumer, item.raw, until) if item.raw and item.raw.offset >= 0 else None
            if item.raw is None or item.raw.offset < 0:
                found = _search(consumer, item, until)
            if found is None or found.raw is None or found.hash != item.hash:
                raise Gone
            return b64decode(found.raw)


@contextmanager
def _consumer(servers: Sequence[str]) -> Iterator[Any]:
    consumer = KafkaConsumer(
        bootstrap_servers=servers, client_id="refrain-intake-raw", enable_auto_commit=False, auto_offset_reset="none",
        request_timeout_ms=REQUEST_TIMEOUT_MS, bootstrap_timeout_ms=REQUEST_TIMEOUT_MS, max_poll_records=50,
        fetch_max_bytes=2 * QUARANTINE.max_record_bytes, max_partition_fetch_bytes=2 * QUARANTINE.max_record_bytes,
    )  # fmt: skip
    try:
        yield consumer
    finally:
        with contextlib.suppress(KafkaError):
            consumer.close(autocommit=False)


def _at(consumer: Any, raw: RawAt, until: float) -> Quarantined | None:
    """The entry of one record; None when the record is not there any more."""
    partition = TopicPartition(QUARANTINE.name, raw.partition)
    consumer.assign([partition])
    first, end = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
    if not first <= raw.offset < end:
        return None
    consumer.seek(partition, raw.offset)
    try:
        while (left := until - time.monotonic()) > 0:
            for record in consumer.poll(timeout_ms=int(left * 1000)).get(partition, ()):
                return _entry(record) if record.offset == raw.offset else None
    except OffsetOutOfRangeError:
        return None
    raise TimeoutError


def _search(consumer: Any, item: Item, until: float) -> Quarantined | None:
    """An entry of the same message that has the bytes, from the time on when it was recorded; None: there is none."""
    partitions = [TopicPartition(QUARANTINE.name, one) for one in consumer.partitions_for_topic(QUARANTINE.name) or ()]
    consumer.assign(partitions)
    since = int((item.recorded_at - CLOCKS_APART).timestamp() * 1000)
    starts, ends = consumer.offsets_for_times(dict.fromkeys(partitions, since)), consumer.end_offsets(partitions)
    left = {partition for partition in partitions if starts[partition] is not None}
    for partition in partitions:
        consumer.seek(partition, starts[partition].offset if partition in left else ends[partition])
    while left:
        if time.monotonic() > until:
            raise TimeoutError
        for records in consumer.poll(timeout_ms=200).values():
            for entry in map(_entry, records):
                if entry is not None and entry.hash == item.hash and entry.raw is not None:
                    return entry
        left = {partition for partition in left if consumer.position(partition) < ends[partition]}
    return None


def _entry(record: Any) -> Quarantined | None:
    """The entry of a record; None when another program wrote something else there."""
    try:
        entry: Quarantined = QUARANTINE.decode(record.value)
    except ValidationError:
        return None
    return entry
