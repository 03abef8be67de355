"""An alert that opens at one result and closes at a later one: the fold that safety and band queries share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from refrain.contracts.events import Assessment

Effect = Literal["opens", "closes"] | None
"""What a result does to the question; None where it says nothing either way."""


@dataclass(frozen=True, slots=True)
class Span:
    """Results that keep one question open, the opener first, and the one that closed it."""

    held_by: tuple[Assessment, ...]
    closed_by: Assessment | None

    @property
    def opener(self) -> Assessment:
        return self.held_by[0]

    @property
    def results(self) -> tuple[Assessment, ...]:
        """What the alert rests on: where it opened, and its newest result."""
        return self.held_by if len(self.held_by) < 2 else (self.held_by[0], self.held_by[-1])

    @property
    def covers(self) -> tuple[str, ...]:
        return tuple(str(each.result) for each in self.held_by[1:])


def spans(results: Iterable[Assessment], effect: Callable[[Assessment], Effect]) -> Iterator[Span]:
    """Every span of a series of results in clinical order, oldest first; at most the last one is open."""
    held: list[Assessment] = []
    for each in results:
        match effect(each):
            case "opens":
                held.append(each)
            case "closes" if held:
                yield Span(tuple(held), each)
                held = []
    if held:
        yield Span(tuple(held), None)
