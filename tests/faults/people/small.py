"""A few alerts that are told, answered, superseded and taken back as they should be, made by notify's own functions.

For the tests of the verdict: what it says of this must be nothing, and of each damage to it something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import Actor, AlertAction, AlertRetracted, PatientId
from services.chart.domain.alerts import alert_of
from services.notify.domain.life import Acknowledge, Happening, Outcome, Sent, Woke, advance, concerned, take
from services.notify.domain.roster import load
from services.notify.domain.thread import Thread
from tests.faults.people.answering import DONE, Request
from tests.faults.people.evidence import Delivery, Evidence
from tests.faults.people.lives import Issue
from tests.faults.people.receivers import Accepted
from tests.faults.people.replicas import roster_text
from tests.faults.people.stories import Patient, critical, notice, quality, superseded, watch

BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
DIGEST = BEGIN + timedelta(minutes=10)


@dataclass
class Small:
    """Time goes by hand; every channel takes everything."""

    now: datetime = BEGIN
    threads: dict[UUID, Thread] = field(default_factory=dict)
    actions: list[AlertAction] = field(default_factory=list)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    issued: list[Issue] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.roster = load(roster_text("https://page.hospital.example", 25, DIGEST, 1.0))

    def says(self, *events: AnyAlert) -> None:
        """Something comes in on ``alerts.v1``."""
        for event in events:
            self.issued.append(Issue(event, self.now.timestamp()))
            known: dict[UUID, Thread | None] = {}
            while missing := concerned(event, known) - known.keys():
                known |= {alert: self.threads.get(alert) for alert in missing}
            for outcome in take(event, known, self.roster, self.now):
                self._keep(outcome)

    def passes(self, seconds: float) -> None:
        """Timers fire, and what is due is taken by its channel."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now += timedelta(seconds=1)
            for thread in [*self.threads.values()]:
                if thread.wake_at is not None and thread.wake_at <= self.now:
                    self._happens(thread.alert, Woke(self.now))
            self._deliver()

    def _deliver(self) -> None:
        for delivery in [*self.deliveries.values()]:
            message = delivery.message
            if delivery.state == "waiting" and message.not_before <= self.now:
                taken = Accepted(
                    message.to.channel, message.to.person, delivery.key, (message.alert,), (message.occasion,),
                    self.now.timestamp(), answered=True,
                )  # fmt: skip
                self.accepted.append(taken)
                self.deliveries[message.delivery] = Delivery(message, "sent", delivery.key)
                sent = Sent(message.delivery, message.to, message.occasion, message.level, self.now)
                self._happens(message.alert, sent)

    def acknowledges(self, alert: UUID, person: str) -> None:
        actor = Actor(type="person", id=person, via="console")
        self._happens(alert, Acknowledge(actor, "will_act", "", self.now))
        at = self.now.timestamp()
        self.requests.append(Request(uuid4(), "acknowledge", alert, person, "", DONE, at, at, 1))

    def _happens(self, alert: UUID, happening: Happening) -> None:
        self._keep(advance(self.threads[alert], happening, self.roster))

    def _keep(self, outcome: Outcome) -> None:
        self.threads[outcome.thread.alert] = outcome.thread
        self.actions += outcome.actions
        for message in outcome.messages:
            self.deliveries[message.delivery] = Delivery(message, "waiting", message.delivery)
        for gone in outcome.withdrawn:
            self.deliveries[gone] = Delivery(self.deliveries[gone].message, "withdrawn", gone)

    def evidence(self) -> Evidence:
        events: dict[UUID, list[AnyAlert]] = {alert: [] for alert in self.threads}
        with_others: dict[UUID, list[UUID]] = {alert: [] for alert in self.threads}
        for issue in self.issued:
            events[issue.event.alert].append(issue.event)
            if isinstance(issue.event, AlertRetracted):
                for other in issue.event.with_alerts:
                    with_others[other].append(issue.event.event_id)
        actions: dict[UUID, list[AlertAction]] = {alert: [] for alert in self.threads}
        for action in self.actions:
            actions[action.alert].append(action)
        shown = {alert: alert_of(events[alert], with_others[alert], actions[alert]) for alert in self.threads}
        return Evidence(
            roster=self.roster, issued=self.issued, accepted=self.accepted, requests=self.requests,
            published=[*self.actions, *self.actions[:3]], audit=self.actions, deliveries=self.deliveries,
            threads=self.threads, shown=shown, read_model="same", rebuilt="same", digest_at=DIGEST.timestamp(),
            ended_at=self.now.timestamp(),
        )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """The evidence, and the alerts by what became of them."""

    evidence: Evidence
    stands: UUID
    acknowledged: UUID
    withdrawn: UUID
    superseded: UUID
    heir: UUID
    quality: UUID
    notice: UUID
    training: UUID


def patient(number: int, **more: str) -> Patient:
    return Patient(PatientId(authority="NORTHWARD", type="MR", id=f"{number:06d}"), **more)  # type: ignore[arg-type]


def well_told() -> Told:
    """Ten minutes and a little more in which all goes well; at the end nothing is due."""
    small, chance = Small(), Random(1)
    people = [patient(number) for number in range(6)] + [patient(6, processing="training")]
    scripts = [critical, critical, watch, superseded, quality, notice, critical]
    steps = [begin(one, "e", chance) for one, begin in zip(people, scripts, strict=True)]
    for one, script in zip(people, steps, strict=True):
        script[0][1]()
        small.says(*one.tell())
    stands, acknowledged, withdrawn, old, quality_, notice_, training = (next(iter(one.issued)) for one in people)
    small.passes(3)
    small.acknowledges(acknowledged, "ana")
    small.passes(3)
    steps[3][1][1]()
    small.says(*people[3].tell())
    heir = next(alert for alert in people[3].issued if alert != old)
    small.acknowledges(heir, "ana")
    people[2].withdraw("VEGF e 1")
    people[2].wanted.clear()
    small.says(*people[2].tell())
    small.passes(120)
    small.passes(600)
    return Told(small.evidence(), stands, acknowledged, withdrawn, old, heir, quality_, notice_, training)
