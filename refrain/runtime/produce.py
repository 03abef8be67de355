"""Writes records with kafka-python and returns when Kafka has all of them (``acks=all``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from refrain.contracts.topics import Topic
from refrain.runtime.incoming import Poison

DELIVERY_TIMEOUT_MS = 5_000
REQUEST_TIMEOUT_MS = 2_000
MAX_BLOCK_MS = 2_000
GRACE_SECONDS = 2.0
BOOTSTRAP_TIMEOUT_MS = 3_000
"""How long a new producer looks for Kafka; then whoever sends tries again, and hears of a stop in between."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, topic: Topic, event: Any) -> Outgoing:
        """An event of a patient topic, under its patient's key."""
        return cls(topic.name, event.patient.key.encode(), topic.encode(event))


class Producer:
    """Connects when first used; blocking. An idempotent producer that failed may not recover: it is made anew."""

    def __init__(self, broker: str, service: str) -> None:
        self._options = {
            "bootstrap_servers": broker.split(","), "client_id": f"refrain-{service}", "acks": "all",
            "enable_idempotence": True, "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
            "request_timeout_ms": REQUEST_TIMEOUT_MS, "max_block_ms": MAX_BLOCK_MS, "compression_type": "gzip",
            "max_request_size": 2 * 1024 * 1024, "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        }  # fmt: skip
        self._producer: Any = None

    def send(self, records: Sequence[Outgoing]) -> None:
        """Return when all are acknowledged; KafkaError when not, and then some of them may be there all the same."""
        try:
            if self._producer is None:
                self._producer = KafkaProducer(**self._options)
            sent = [
                self._producer.send(one.topic, key=one.key, value=one.value, headers=list(one.headers))
                for one in records
            ]
            for future in sent:
                future.get(timeout=DELIVERY_TIMEOUT_MS / 1000 + GRACE_SECONDS)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go without waiting for what nobody waits for any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            _give_up(producer)


def _give_up(producer: Any) -> None:
    """Close a producer with all it holds. Left to itself one with pending records refuses to close, and its thread
    would go on sending them behind the back of the next producer."""
    try:
        producer.close(timeout=0)
    except KafkaError:
        producer._sender.force_close()
        producer._sender.join(GRACE_SECONDS)
        with suppress(KafkaError):
            producer.close(timeout=0)


def dead_letter(letter: Poison, service: str) -> Outgoing:
    """The original key and bytes, with what is known about them in the headers."""
    headers = (
        ("id", letter.record_id(service).encode()),
        ("cause", letter.cause.encode()),
        ("stage", letter.stage.encode()),
    )
    return Outgoing(letter.record.topic.dead_letters(service), letter.record.key, letter.record.value, headers)
