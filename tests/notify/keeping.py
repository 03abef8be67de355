"""A store over a test's database, with a roster and a clock of its own, and happenings put by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from refrain.contracts.events import Actor, AlertAction, AlertRaised
from refrain.contracts.topics import ALERTS
from refrain.runtime.consume import Batch
from refrain.runtime.database import open_database
from refrain.runtime.incoming import decode
from services.notify.adapters.alerts_in import AlertsIn
from services.notify.adapters.desk import Desk, Step
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import SERVICE, Store
from services.notify.domain.happenings import Outcome
from services.notify.domain.roster import Roster, load
from services.notify.domain.thread import Message, Thread
from tests.notify.telling import NOON, PATIENT, a_thread, an_id, evidence

CLUSTER = "cluster-1"
TEXT = """
zone: Europe/Berlin
channels:
  mail: {type: smtp, detail: none, host: 127.0.0.1, port: 25, sender: refrain@hospital.example}
  pager: {type: webhook, detail: none, secret_env: PAGER_SECRET}
people:
  m.lee:
    name: M. Lee
    channels: [{channel: pager, address: "https://pager.hospital.example/lee"}, {channel: mail, address: lee@h.example}]
  a.roy:
    name: A. Roy
    channels: [{channel: pager, address: "https://pager.hospital.example/roy"}, {channel: mail, address: roy@h.example}]
  lab:
    name: Laboratory
    team: laboratory
    channels: [{channel: mail, address: lab@hospital.example}]
duties:
  on_call:
    members: [m.lee]
    period: day
    handover: {time: "08:00"}
    starts: 2026-01-01
chains:
  P1: {levels: [{to: [on_call]}, {to: [a.roy]}]}
  P2_24: {levels: [{to: [on_call]}, {to: [a.roy]}], snooze_max: 8 h}
  P2_72: {levels: [{to: [on_call]}, {to: [a.roy]}], snooze_max: 48 h}
  P3: {levels: [{to: [m.lee]}]}
  DQ: {levels: [{to: [lab]}]}
fallback: {clinical: [a.roy], laboratory: [lab]}
digest: {weekday: monday, time: "07:30"}
"""


def roster() -> Roster:
    return load(TEXT)


@dataclass
class Clock:
    """The time of a test, moved by hand."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Committed:
    """What a store said it wrote."""

    steps: list[Step] = field(default_factory=list)

    def __call__(self, steps: Sequence[Step]) -> None:
        self.steps.extend(steps)


def a_store(url: str, *, cluster: str = CLUSTER, committed: Callable[[Sequence[Step]], None] | None = None) -> Store:
    return Store(open_database(url, SERVICE), cluster, roster(), committed or Committed())


def put(store: Store, *outcomes: Outcome) -> None:
    """Write outcomes as if they had been decided."""

    def decide(desk: Desk) -> None:
        for outcome in outcomes:
            desk.put(outcome)

    store.work(decide)


def an_action(thread: Thread, number: int, **more: Any) -> AlertAction:
    action = {
        "patient": PATIENT, "occurred_at": NOON, "recorded_at": NOON, "alert": thread.alert, "number": number,
        "kind": thread.kind, "tier": thread.tier, "at": NOON, "actor": Actor(type="system", id="notify"),
        "state": thread.state, "body": {"type": "escalated", "level": 1, "reason": "unanswered"},
    }  # fmt: skip
    return AlertAction.model_validate(action | more).identified()


def delivered(message: Message, number: int) -> Message:
    """The same message as another delivery."""
    return message.model_copy(update={"delivery": an_id("delivery", message.delivery, number)})


def ids(threads: Sequence[Thread]) -> list[UUID]:
    return [thread.alert for thread in threads]


def issued(number: int = 1, *, fact: type[Any] = AlertRaised, sequence: int = 0, **more: Any) -> Any:
    """An event of the alert with this number; by default a critical result is raised at noon."""
    tier = more.get("tier", "P1")
    event = {
        "patient": PATIENT, "occurred_at": NOON, "recorded_at": NOON, "trace": "trace",
        "alert": a_thread(number).alert, "kind": "CRITICAL_RESULT" if tier == "P1" else "VEGF_RISE_WATCH",
        "tier": tier, "due_hours": 72 if tier == "P2" else None, "subject": "VEGF", "episode": an_id("episode", number),
        "text": "VEGF 871.5 pg/mL: beyond the limit", "evidence": (evidence("871.5 pg/mL"),), "at": NOON,
        "sequence": sequence,
    }  # fmt: skip
    return fact.model_validate(event | more).identified()


def arrived(*events: Any, partition: int = 0, offset: int = 0) -> Batch:
    """A batch as the consumer hands it over: real bytes, decoded."""
    messages = [
        KafkaRecord(ALERTS.name, partition, offset + place, event.patient.key.encode(), ALERTS.encode(event))
        for place, event in enumerate(events)
    ]
    facts, poison = decode({ALERTS.name: ALERTS}, messages)
    assert not poison
    place = ALERTS.name, partition
    return Batch(tuple(facts), {place: offset}, {place: offset + len(events)})


@dataclass(frozen=True)
class KafkaRecord:
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def take(store: Store, *events: Any, now: Callable[[], datetime] = Clock()) -> None:  # noqa: B008 - never moved
    AlertsIn(store, now)(arrived(*events))


def thread_of(store: Store, number: int = 1) -> Thread:
    thread = Queries(store).thread(a_thread(number).alert)
    assert thread is not None
    return thread


def done(store: Store, number: int = 1) -> list[str]:
    """What was done about an alert, in order."""
    return [action.body.type for action in Queries(store).actions(a_thread(number).alert)]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Blocking; the time is only there to end a test that would never end."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
