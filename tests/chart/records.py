"""Records for tests of chart: what intake and the engines put on Kafka for an invented story, and batches of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from refrain.contracts.events import (
    Acknowledged,
    Actor,
    Alert,
    AlertAction,
    AlertRaised,
    CareEvent,
    Ended,
    Escalated,
    Event,
    FlaggedReport,
    LabReport,
    ReadBack,
    Recipient,
    Reopened,
    ResponseAssessed,
    Snoozed,
    Told,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import (
    ALERT_ACTIONS,
    ALERTS,
    CARE_EVENTS,
    FLAGGED_REPORTS,
    LAB_REPORTS,
    RESPONSES,
    Topic,
)
from refrain.runtime.consume import Batch, Noted
from refrain.runtime.facts import Fact
from refrain.runtime.incoming import Arrived, Record

sys.path.append(str(Path(__file__).parents[1] / "story"))

from drawn_stories import Stream, facts_of, send_all

SYSTEM = Actor(type="system", id="notify")
LEE = Actor(type="person", id="m.lee", role="clinician", via="console")
TO = Recipient(person="m.lee", channel="mail")


def topic_of(event: Event) -> Topic:
    """Where an event belongs."""
    match event:
        case LabReport():
            return LAB_REPORTS
        case FlaggedReport():
            return FLAGGED_REPORTS
        case ResponseAssessed():
            return RESPONSES
        case CareEvent():
            return CARE_EVENTS
        case AlertAction():
            return ALERT_ACTIONS
        case Alert():
            return ALERTS
    raise TypeError(type(event).__name__)


def arrived(event: Event, *, partition: int = 0, offset: int = 0, redrives: str = "") -> Arrived:
    """An event as the consumer hands it over: encoded and decoded."""
    topic = topic_of(event)
    value = topic.encode(event)
    record = Record(topic, partition, offset, event.patient.key.encode(), value, redrives)
    return Arrived(record, Fact(topic, topic.decode(value), len(value)))


class Feed:
    """Hands events to a projection as one consumer would, numbering offsets per topic."""

    def __init__(self, take: Any) -> None:
        self._take = take
        self.at: dict[tuple[str, int], int] = {}

    def __call__(self, events: Iterable[Event], noted: Sequence[Noted] = ()) -> None:
        """One batch."""
        first: dict[tuple[str, int], int] = {}
        facts = []
        for event in events:
            place = topic_of(event).name, 0
            offset = self.at.get(place, 0)
            first.setdefault(place, offset)
            self.at[place] = offset + 1
            facts.append(arrived(event, offset=offset))
        for note in noted:
            place = note.topic, note.partition
            first.setdefault(place, self.at.get(place, 0))
            self.at[place] = note.offset + 1
        self._take(Batch(tuple(facts), first, {place: self.at[place] for place in first}, tuple(noted)))


class Recorded(Stream):
    """The three engines as Kafka has them, with every record that any of them or intake wrote."""

    def __init__(self) -> None:
        super().__init__(SiteSettings())
        self.records: list[Event] = []

    def send(self, topic: Topic, event: Event) -> None:
        self.records.append(event)
        super().send(topic, event)

    def settle(self) -> None:
        """Let every engine read all it has, one record at a time, so that every step in between is told."""
        while places := self.waiting():
            self.work(places[0], 1)


def records_of(document: dict[str, Any]) -> list[Event]:
    """Everything on Kafka after a timeline was told fact by fact, in an order that may have been."""
    stream = Recorded()
    for fact in facts_of(document):
        send_all(stream, [fact])
        stream.settle()
    return stream.records


def action(alert: Alert, number: int, body: Any, state: str, *, actor: Actor = LEE, **more: Any) -> AlertAction:
    """One action about an alert, ``number`` minutes after its event."""
    return AlertAction.model_validate(
        {
            "patient": alert.patient, "occurred_at": alert.at, "recorded_at": alert.recorded_at,
            "caused_by": (alert.event_id,), "alert": alert.alert, "number": number, "kind": alert.kind,
            "tier": alert.tier, "at": alert.recorded_at + timedelta(minutes=number), "actor": actor, "state": state,
            "body": body,
        }
        | more
    ).identified()  # fmt: skip


def told(alert: Alert, number: int = 1, **more: Any) -> AlertAction:
    delivery = derive("delivery", str(alert.alert), number)
    body = Told(to=TO, occasion="raised", level=0, delivery=delivery)
    due = alert.recorded_at + timedelta(minutes=15)
    return action(alert, number, body, "delivered", **{"actor": SYSTEM, "due_at": due} | more)


def acknowledged(alert: Alert, number: int = 2, reason: str = "will_act") -> AlertAction:
    body = Acknowledged(reason=reason, override=False)
    return action(alert, number, body, "acknowledged", assigned_to="m.lee")


def read_back(alert: Alert, number: int = 3) -> AlertAction:
    return action(alert, number, ReadBack(by="ward 4"), "read_back", assigned_to="m.lee")


def escalated(alert: Alert, number: int = 2, level: int = 1) -> AlertAction:
    due = alert.recorded_at + timedelta(hours=1)
    return action(alert, number, Escalated(level=level, reason="unanswered"), "escalated", actor=SYSTEM, due_at=due)


def snoozed(alert: Alert, number: int = 2) -> AlertAction:
    until = alert.recorded_at + timedelta(hours=4)
    return action(alert, number, Snoozed(until=until, reason="repeat ordered"), "snoozed", due_at=until)


def reopened(alert: Alert, number: int = 3) -> AlertAction:
    return action(alert, number, Reopened(reason="urgency changed"), "raised", actor=SYSTEM)


def ended(alert: Alert, number: int = 4, how: str = "closed") -> AlertAction:
    return action(alert, number, Ended(how=how), how, actor=SYSTEM)  # type: ignore[arg-type]


def actions_for(records: Sequence[Event]) -> list[AlertAction]:
    """What people did: every second alert is acknowledged, every third escalated and reopened."""
    raised = [event for event in records if isinstance(event, AlertRaised)]
    made: list[AlertAction] = []
    for index, alert in enumerate(raised):
        made.append(told(alert))
        if index % 2:
            made += [acknowledged(alert), read_back(alert)]
        if not index % 3:
            made += [escalated(alert, 4), reopened(alert, 5)]
    return made


def note(topic: Topic, service: str, offset: int, *, of: int, key: bytes = b"", cause: str = "KeyError") -> Noted:
    """A dead letter of a service, about the record at ``of``."""
    headers = {
        "id": f"{service}-{topic.name}-0-{of}".encode(), "cause": cause.encode(), "stage": b"step",
    }  # fmt: skip
    return Noted(topic.dead_letters(service), 0, offset, key, headers, 1_767_600_000_000)
