"""From Kafka's records to facts. What cannot be read is a value, never an exception: an agent that raises has its
message acknowledged, and the result is gone (docs/decisions/0001)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from refrain.contracts.topics import Topic
from refrain.runtime.facts import Fact
from refrain.runtime.known import NewFact

REDRIVES = "redrives"
"""Header of a record that is a dead letter sent again: the dead letter's ``id``."""


class Message(Protocol):
    """The part of Faust's message that is read here."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] | None


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it came."""

    topic: Topic
    partition: int
    offset: int
    key: bytes
    value: bytes
    redrives: str = ""
    """Id of the dead letter that this record is, sent again by a person; empty for any other record."""

    @property
    def place(self) -> str:
        return f"{self.topic.name}-{self.partition}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record that could be read."""

    record: Record
    fact: Fact

    @property
    def patient(self) -> str:
        return self.fact.event.patient.key

    @property
    def new(self) -> NewFact:
        return NewFact(self.fact, self.record.value)


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that goes to the dead-letter topic. ``cause`` is an exception type: its text may hold a value."""

    record: Record
    cause: str
    stage: Literal["decode", "step"]

    @property
    def patient(self) -> str:
        """The Kafka key, the only thing that is sure to be readable."""
        return self.record.key.decode("utf-8", "backslashreplace")

    def record_id(self, service: str) -> str:
        """The same for every repetition, so that a replayed dead letter is recognised (answers 4)."""
        return f"{service}-{self.record.place}"


def decode(topics: Mapping[str, Topic], messages: Iterable[Message]) -> tuple[list[Arrived], list[Poison]]:
    """Read a batch, in order. Never raises for what a record says."""
    facts: list[Arrived] = []
    poison: list[Poison] = []
    for message in messages:
        topic = topics[message.topic]
        redrives = dict(message.headers or ()).get(REDRIVES, b"").decode("utf-8", "backslashreplace")
        record = Record(topic, message.partition, message.offset, message.key or b"", message.value or b"", redrives)
        try:
            facts.append(Arrived(record, Fact(topic, topic.decode(record.value), len(record.value))))
        except Exception as error:  # noqa: BLE001 - whatever a record provokes is about that record
            poison.append(Poison(record, type(error).__name__, "decode"))
    return facts, poison
