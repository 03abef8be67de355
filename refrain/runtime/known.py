"""What a ledger holds of a patient, what a decision changes, and the cache of decoded patients."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Generic, Self, TypeVar

from refrain.contracts.events import Wire
from refrain.contracts.steps import Output
from refrain.runtime.facts import Fact

Issued = TypeVar("Issued", bound=Wire)

CACHE_BYTES = 24 * 1024 * 1024
"""Wire bytes of decoded facts kept in memory; decoded they take several times as much."""

OVERHEAD_BYTES = 1000
"""What a cached patient weighs beside the facts."""


class Conflict(Exception):
    """Another worker changed a patient in between: nothing was written. Load again, decide again."""


@dataclass(frozen=True, slots=True)
class Known(Generic[Issued]):
    """What the ledger holds of one patient. ``version`` is 0 for a patient it does not know."""

    version: int
    issued: Issued
    facts: Mapping[tuple[str, str], Fact] = field(default_factory=dict)
    """By topic and subject, the highest revision of each."""
    unreadable: tuple[str, ...] = ()
    """Records of this patient that went to a dead-letter topic."""

    def without(self, records: Collection[str]) -> Self:
        """The same, without dead letters that have come again."""
        return replace(self, unreadable=tuple(one for one in self.unreadable if one not in records))

    @property
    def size(self) -> int:
        return OVERHEAD_BYTES + sum(fact.size for fact in self.facts.values())


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact to keep, with its bytes as received."""

    fact: Fact
    payload: bytes


@dataclass(frozen=True, slots=True)
class Change(Generic[Issued]):
    """What one decision writes, and the state it was decided on."""

    patient: str
    before: Known[Issued]
    facts: tuple[NewFact, ...]
    issued: Issued
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that became a dead letter. ``patient`` is the Kafka key, the only thing that is known of it."""

    patient: str
    record: str
    cause: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """One encoded output that Kafka has not acknowledged yet."""

    position: int
    topic: str
    key: bytes
    value: bytes


class Cache(Generic[Issued]):
    """Recently used patients, decoded, by key and version; bounded by the wire size of their facts."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[int, Known[Issued]]] = OrderedDict()

    def get(self, patient: str, version: int) -> Known[Issued] | None:
        with self._lock:
            _, known = self._held.get(patient, (0, None))
            if known is None or known.version != version:
                return None
            self._held.move_to_end(patient)
            return known

    def put(self, patient: str, known: Known[Issued]) -> None:
        with self._lock:
            self._drop(patient)
            self._held[patient] = known.size, known
            self._size += known.size
            while self._size > self._limit:
                self._drop(next(iter(self._held)))

    def forget(self, patients: Iterable[str]) -> None:
        with self._lock:
            for patient in patients:
                self._drop(patient)

    def _drop(self, patient: str) -> None:
        size, _ = self._held.pop(patient, (0, None))
        self._size -= size
