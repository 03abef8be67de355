"""Bytes come back from a real quarantine topic: by their offset, by their time, or not at all, with the reason."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from refrain.contracts.events import Quarantined
from refrain.contracts.topics import QUARANTINE
from services.intake.adapters.raw_messages import Away, Gone, RawMessages
from services.intake.adapters.work_list import Item, RawAt

pytestmark = pytest.mark.kafka


@pytest.fixture
async def raw_messages(kafka: str) -> AsyncIterator[RawMessages]:
    made = RawMessages(kafka.split(","))
    yield made
    made.close()


def put(broker: str, payload: bytes, *, keep: bool = True, partition: int | None = None) -> Item:
    """Puts an entry on the topic; the item that the work list has of it."""
    producer = KafkaProducer(
        bootstrap_servers=broker.split(","), max_request_size=QUARANTINE.max_record_bytes, compression_type="gzip"
    )
    entry = Quarantined(
        event_id=uuid4(), recorded_at=datetime.now(UTC), sender="north-lab", reason="no_patient_id", place="PID[1]-3",
        whole_message=True, hash=sha256(payload).hexdigest(), size=len(payload),
        raw=b64encode(payload).decode() if keep else None,
    )  # fmt: skip
    key = str(entry.event_id)
    sent = producer.send(QUARANTINE.name, key=key.encode(), value=QUARANTINE.encode(entry), partition=partition)
    there = sent.get(30)
    producer.close()
    return Item(
        event_id=key, recorded_at=entry.recorded_at, sender="north-lab", listener="mllp", reason="no_patient_id",
        place="PID[1]-3", whole_message=True, hash=entry.hash, size=entry.size, raw_kept=keep,
        raw=RawAt(key, there.partition, there.offset), resolved_at=None, resolved_by="", resolution="", comment="",
        request="",
    )  # fmt: skip


async def test_every_byte_comes_back_from_its_offset(kafka: str, raw_messages: RawMessages) -> None:
    payloads = [b"\x0b\xff\x00 one", uuid4().bytes * 500_000, b"three " + uuid4().bytes]
    items = [put(kafka, payload) for payload in payloads]
    assert [await raw_messages.fetch(item, 60) for item in items] == payloads


async def test_an_entry_from_before_is_found_by_its_time(kafka: str, raw_messages: RawMessages) -> None:
    payload = uuid4().bytes
    put(kafka, uuid4().bytes)
    item = put(kafka, payload, keep=False)
    put(kafka, payload)
    put(kafka, uuid4().bytes)
    before = replace(item, raw=None, raw_kept=None)
    assert await raw_messages.fetch(before, 60) == payload
    assert await raw_messages.fetch(replace(before, raw=RawAt(item.event_id, 0, -1)), 60) == payload


async def test_what_is_nowhere_is_gone(kafka: str, raw_messages: RawMessages) -> None:
    item = put(kafka, uuid4().bytes)
    nowhere = replace(item, raw=None, hash="ab" * 32)
    later = replace(nowhere, recorded_at=datetime.now(UTC) + timedelta(days=1))
    beyond = replace(item, raw=replace(item.raw, offset=10**9))
    other = replace(item, hash="cd" * 32)
    for one in (nowhere, later, beyond, other, put(kafka, uuid4().bytes, keep=False)):
        with pytest.raises(Gone):
            await raw_messages.fetch(one, 60)


async def test_a_record_that_expired_is_gone(private_kafka) -> None:
    broker = private_kafka().bootstrap
    old, new = put(broker, b"old", partition=0), put(broker, b"new", partition=0)
    admin = KafkaAdminClient(bootstrap_servers=broker.split(","))
    admin.delete_records({TopicPartition(QUARANTINE.name, 0): new.raw.offset})
    admin.close()
    raw_messages = RawMessages(broker.split(","))
    with pytest.raises(Gone):
        await raw_messages.fetch(old, 60)
    assert await raw_messages.fetch(new, 60) == b"new"
    raw_messages.close()


async def test_within_the_time_that_the_caller_has(kafka: str, raw_messages: RawMessages) -> None:
    item = put(kafka, uuid4().bytes)
    with pytest.raises(Away):
        await raw_messages.fetch(item, 0)
    nobody = RawMessages(["127.0.0.1:1"])
    with pytest.raises(Away):
        await nobody.fetch(item, 0.5)
    nobody.close()
