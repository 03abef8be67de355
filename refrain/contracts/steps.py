"""The shape of a decision: what a pure step hands to the process around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from refrain.contracts.events import Event, Wire
from refrain.contracts.topics import Topic

Issued = TypeVar("Issued", bound=Wire)


@dataclass(frozen=True, slots=True)
class Output:
    """One event for one topic."""

    topic: Topic
    event: Event


@dataclass(frozen=True, slots=True)
class Decision(Generic[Issued]):
    """What is issued from now on, and the events that get everybody there from what was issued before."""

    issued: Issued
    outputs: tuple[Output, ...]


class Step(Protocol[Issued]):
    """A service's pure step for one patient.

    ``facts`` are all facts of the patient, the new ones included, in any order and without repeats;
    ``issued`` is what was issued before; ``cause`` are the new facts. The result depends on the *set* of
    facts and on ``issued`` only: no clock, no random, no I/O, never the order. A fact that changes nothing
    gives no output.
    """

    def __call__(self, facts: Sequence[Event], issued: Issued, cause: Sequence[Event]) -> Decision[Issued]: ...
