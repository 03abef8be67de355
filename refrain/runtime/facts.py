"""What a fact is about: under which subject and revision a ledger keeps it, and by which ids it can be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from refrain.contracts.events import Alert, Event, FlaggedReport, LabReport, ResponseAssessed
from refrain.contracts.topics import Topic

RESPONSE_SUBJECT = "response"
"""A patient has one course; a newer snapshot replaces the older one."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An event read from a topic. ``size`` is that of its bytes on the wire."""

    topic: Topic
    event: Event
    size: int = 0

    @property
    def place(self) -> tuple[str, str]:
        """Topic and subject: the place in a patient's ledger that this fact takes."""
        return self.topic.name, subject_of(self.event)

    @property
    def rank(self) -> tuple[int, str]:
        """Of two facts for one place the higher rank stays, whichever came first."""
        return revision_of(self.event), str(self.event.event_id)


def subject_of(event: Event) -> str:
    """A flagged report is about its report, an assessment about the course, any other fact about itself."""
    match event:
        case FlaggedReport():
            return str(event.report)
        case ResponseAssessed():
            return RESPONSE_SUBJECT
        case _:
            return str(event.event_id)


def revision_of(event: Event) -> int:
    """The number that orders views of one subject; 0 for a plain fact."""
    return event.revision if isinstance(event, FlaggedReport | ResponseAssessed) else 0


def mentioned_by(event: Event) -> Iterator[UUID]:
    """Ids under which a person may ask for this event: its own, its alert's, its report's, its results'.

    An assessment repeats the whole course; its results are found through the reports they came in.
    """
    yield event.event_id
    match event:
        case LabReport():
            yield from (observation.result for observation in event.observations)
        case FlaggedReport():
            yield event.report
            yield from (flagged.observation.result for flagged in event.observations)
        case Alert():
            yield event.alert
            yield from (piece.result for piece in event.evidence)
        case _:
            return
