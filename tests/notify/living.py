"""Invented alert events, a roster, and a small world in which an alert lives: threads, deliveries, and time by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import (
    Actor,
    AlertAction,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Evidence,
    PatientId,
    RuleRef,
    ValueChange,
)
from refrain.contracts.ids import derive
from services.notify.domain.life import (
    Acknowledge,
    Begun,
    Failed,
    Happening,
    Outcome,
    Reassign,
    RecordReadBack,
    Sent,
    Snooze,
    Woke,
    advance,
    concerned,
    take,
)
from services.notify.domain.roster import Roster, load
from services.notify.domain.thread import Message, Thread

PATIENT = PatientId(authority="NORTH", type="MR", id="000731")
TUESDAY = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
"""13:00 in Berlin, nobody's quiet hours."""
NIGHT = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)
"""23:30 in Berlin: quiet for everybody who has quiet hours."""
MONDAY_DIGEST = datetime(2026, 3, 16, 6, 30, tzinfo=UTC)
"""07:30 in Berlin."""

ROSTER = """
zone: Europe/Berlin
channels:
  page: {type: webhook, secret_env: PAGE_SECRET}
  mail: {type: smtp, host: mail.hospital.example, sender: refrain@hospital.example}
  chat: {type: apprise, url_env: CHAT_URL}
people:
  ana:
    name: Ana
    channels:
      - {channel: page, address: "https://page.hospital.example/ana", tiers: [P1]}
      - {channel: mail, address: ana@hospital.example}
      - {channel: chat, address: ana}
    quiet: {from: "22:00", to: "07:00"}
    away: [{from: 2026-05-04, to: 2026-05-08}]
  ben:
    name: Ben
    channels:
      - {channel: page, address: "https://page.hospital.example/ben", tiers: [P1]}
      - {channel: mail, address: ben@hospital.example}
    quiet: {from: "22:00", to: "07:00"}
    away: [{from: 2026-05-04, to: 2026-05-08}]
  cho:
    name: Cho, service lead
    channels:
      - {channel: page, address: "https://page.hospital.example/cho", tiers: [P1]}
      - {channel: mail, address: cho@hospital.example}
    quiet: {from: "22:00", to: "07:00"}
  queue:
    name: Laboratory queue
    team: laboratory
    channels: [{channel: mail, address: queue@hospital.example}]
  dai:
    name: Dai, laboratory lead
    team: laboratory
    channels: [{channel: mail, address: dai@hospital.example}]
    quiet: {from: "20:00", to: "06:00"}
chains:
  P1: {levels: [{to: [ana]}, {to: [ben]}, {to: [cho]}]}
  P2_24: {levels: [{to: [ana]}, {to: [ben]}, {to: [cho]}]}
  P2_72: {levels: [{to: [ana]}, {to: [ben]}, {to: [cho]}]}
  P3: {levels: [{to: [ana, ben]}]}
  DQ: {levels: [{to: [queue]}, {to: [dai]}]}
fallback: {clinical: [cho], laboratory: [dai]}
digest: {weekday: monday, time: "07:30"}
"""

P1: dict[str, Any] = {"tier": "P1", "kind": "CRITICAL_RESULT"}
P2_24: dict[str, Any] = {"tier": "P2", "due_hours": 24}
P2_72: dict[str, Any] = {"tier": "P2", "due_hours": 72}
P3: dict[str, Any] = {"tier": "P3", "kind": "RESPONSE_UPGRADE"}
DQ: dict[str, Any] = {"tier": "DQ", "kind": "DQ_UNIT"}


@cache
def roster() -> Roster:
    return load(ROSTER)


def an_id(*parts: object) -> UUID:
    return derive("test", *map(str, parts))


A = an_id("alert", "a")


def corrected(before: str = "250 pg/mL", after: str | None = "24 pg/mL", name: str = "r") -> ValueChange:
    return ValueChange(result=an_id("result", name), analyte="VEGF", before=before, after=after)


def _head(name: str, sequence: int, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "patient": PATIENT, "occurred_at": TUESDAY, "recorded_at": TUESDAY, "caused_by": (an_id("fact", name),),
        "rule": RuleRef(id="R-1", version="1.0.0"), "alert": an_id("alert", name), "kind": "VEGF_RISE_WATCH",
        "tier": "P2", "due_hours": None if "tier" in more else 72, "subject": "VEGF", "line": 1,
        "episode": an_id("episode", "e"), "text": "VEGF has risen", "at": TUESDAY, "sequence": sequence,
        "evidence": (Evidence(result=an_id("result", "r"), version=an_id("version", sequence), analyte="VEGF",
                              text="250 pg/mL", collected_at=TUESDAY),),
    } | more  # fmt: skip


def raised(name: str = "a", sequence: int = 0, **more: Any) -> AlertRaised:
    return AlertRaised.model_validate(_head(name, sequence, more)).identified()


def amended(name: str = "a", sequence: int = 1, **more: Any) -> AlertAmended:
    return AlertAmended.model_validate({"what_changed": "evidence changed"} | _head(name, sequence, more)).identified()


def closed(name: str = "a", sequence: int = 1, **more: Any) -> AlertClosed:
    return AlertClosed.model_validate({"reason": "inside its interval"} | _head(name, sequence, more)).identified()


def retracted(name: str = "a", sequence: int = 1, **more: Any) -> AlertRetracted:
    return AlertRetracted.model_validate({"reason": "corrected"} | _head(name, sequence, more)).identified()


def by(person: str, role: str = "clinician") -> Actor:
    return Actor(type="person", id=person, role=role, via="console")


@dataclass
class World:
    """What a store would keep, and what everybody was told so far."""

    roster: Roster = field(default_factory=roster)
    now: datetime = TUESDAY
    threads: dict[UUID, Thread] = field(default_factory=dict)
    actions: list[AlertAction] = field(default_factory=list)
    waiting: dict[UUID, Message] = field(default_factory=dict)
    withdrawn: dict[UUID, Message] = field(default_factory=dict)
    taken: list[Message] = field(default_factory=list)
    """Messages that people got, in order: of what comes again under the same key the receiver drops the repeat."""
    told: list[str] = field(default_factory=list)
    """The same as ``person occasion``."""
    watch: Callable[[Thread | None, Outcome], None] = lambda _before, _outcome: None
    keys: dict[UUID, UUID] = field(default_factory=dict)
    """By delivery, what the channel is shown."""
    received: set[UUID] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    """Whom a channel was tried with that did not answer."""

    def issue(self, *events: AnyAlert) -> tuple[Outcome, ...]:
        """Each event with the threads it concerns, as the consumer does it; the outcomes of the last."""
        outcomes: tuple[Outcome, ...] = ()
        for event in events:
            known: dict[UUID, Thread | None] = {}
            while missing := concerned(event, known) - known.keys():
                known |= {alert: self.threads.get(alert) for alert in missing}
            outcomes = take(event, known, self.roster, self.now)
            for outcome in outcomes:
                self._keep(outcome)
        return outcomes

    def happens(self, happening: Happening, alert: UUID = A) -> Outcome:
        outcome = advance(self.threads[alert], happening, self.roster)
        self._keep(outcome)
        return outcome

    def _keep(self, outcome: Outcome) -> None:
        self.watch(self.threads.get(outcome.thread.alert), outcome)
        self.threads[outcome.thread.alert] = outcome.thread
        self.actions += outcome.actions
        for delivery in outcome.withdrawn:
            self.withdrawn[delivery] = self.waiting.pop(delivery)
        for message in outcome.messages:
            self.waiting[message.delivery] = message
            self.keys[message.delivery] = self.keys[message.repeats] if message.repeats else message.delivery

    def thread(self, name: str = "a") -> Thread:
        return self.threads[an_id("alert", name)]

    def takes(self, message: Message) -> Outcome:
        """A channel takes a message, be it one that was withdrawn on its way."""
        self.waiting.pop(message.delivery, None)
        self.withdrawn.pop(message.delivery, None)
        self._receives(message)
        return self.happens(
            Sent(message.delivery, message.to, message.occasion, message.level, self.now), message.alert
        )

    def tries(self, message: Message, *, took: bool) -> Outcome:
        """A channel is tried with a message and never answers; it may have taken it all the same."""
        outcome = self.happens(Begun(message.delivery, self.now), message.alert)
        self.perhaps.add(message.to.person)
        if took:
            self._receives(message)
        return outcome

    def _receives(self, message: Message) -> None:
        if (key := self.keys.get(message.delivery, message.delivery)) not in self.received:
            self.received.add(key)
            self.taken.append(message)
            self.told.append(f"{message.to.person} {message.occasion}")

    def refuses(self, message: Message, reason: str = "unreachable") -> Outcome:
        self.waiting.pop(message.delivery)
        return self.happens(Failed(message, reason, self.now), message.alert)

    def passes(self, works: Callable[[Message], bool] = lambda _: True, **by: float) -> None:
        """Time goes by: timers fire and due messages are taken, or given up where they do not work, each in its
        moment."""
        end = self.now + timedelta(**by)
        while (moment := self._next()) is not None and moment <= end:
            self.now = max(self.now, moment)
            for alert in [one for one, thread in self.threads.items() if _due(thread, self.now)]:
                self.happens(Woke(self.now), alert)
            for message in [one for one in self.waiting.values() if one.not_before <= self.now]:
                if message.delivery in self.waiting:
                    (self.takes if works(message) else self.refuses)(message)
        self.now = end

    def _next(self) -> datetime | None:
        moments = [message.not_before for message in self.waiting.values()]
        moments += [thread.wake_at for thread in self.threads.values() if thread.wake_at]
        return min(moments, default=None)

    def settles(self) -> None:
        """What waits a moment for others of its draw goes out."""
        self.passes(seconds=30)

    def forget(self) -> None:
        """Start a new list of who was told."""
        self.told.clear()
        self.taken.clear()

    def acknowledges(self, person: str = "ana", alert: UUID = A, reason: str = "will_act") -> Outcome:
        return self.happens(Acknowledge(by(person), reason, "", self.now), alert)

    def reads_back(self, person: str = "ana", alert: UUID = A) -> Outcome:
        return self.happens(RecordReadBack(by(person), "Nurse Kim", "", self.now), alert)

    def snoozes(self, person: str = "ana", alert: UUID = A, **length: float) -> Outcome:
        return self.happens(Snooze(by(person), self.now + timedelta(**length), "in theatre", self.now), alert)

    def reassigns(self, to: str, person: str = "ana", alert: UUID = A) -> Outcome:
        return self.happens(Reassign(by(person), to, "knows the patient", self.now), alert)

    def types(self, name: str = "a") -> list[str]:
        return [action.body.type for action in self.actions if action.alert == an_id("alert", name)]


def _due(thread: Thread, now: datetime) -> bool:
    return thread.wake_at is not None and thread.wake_at <= now


def people(messages: Iterable[Message]) -> list[str]:
    return sorted(message.to.person for message in messages)


def told_world(**tier: Any) -> World:
    """An alert that the first contacts have been told of."""
    world = World()
    world.issue(raised(**tier))
    world.settles()
    return world
