"""The alerts of a run: invented patients whose findings come, change and go, told in the words of the engines.

The events are made by :func:`refrain.contracts.alerting.reconcile`, which the engines use: sequence numbers, values,
retractions that name several alerts and alerts that supersede others are as in production.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from refrain.contracts.alerting import AnyAlert, Context, Finding, IssuedAlerts, reconcile
from refrain.contracts.events import Event, Evidence, PatientId, Processing, RuleRef
from refrain.contracts.ids import derive

BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
AT_ONCE, SOON, LATER = (0.02, 0.6), (2.5, 9.0), (18.0, 35.0)
"""Seconds until the next step, at pace 1: before a message has settled, while it is on its way, when all were told."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an engine puts on ``alerts.v1`` in one go, ``after`` so many seconds of the run."""

    after: float
    events: tuple[AnyAlert, ...]


@dataclass
class Patient:
    """One patient as an engine folds them: what should be open, what the results say, and what was issued."""

    id: PatientId
    processing: Processing = "live"
    wanted: dict[str, Finding] = field(default_factory=dict)
    results: dict[UUID, Evidence] = field(default_factory=dict)
    issued: IssuedAlerts = field(default_factory=dict)
    steps: int = 0

    def result(self, name: str, text: str) -> Evidence:
        """A result, or its next version."""
        self.steps += 1
        result, at = derive("result", self.id.key, name), BEGIN + timedelta(seconds=self.steps)
        self.results[result] = piece = Evidence(
            result=result, version=derive("version", name, self.steps), analyte=name.partition(" ")[0], text=text,
            collected_at=at,
        )  # fmt: skip
        return piece

    def withdraw(self, name: str) -> None:
        self.results.pop(derive("result", self.id.key, name), None)

    def want(self, name: str, kind: str, tier: Any, opener: Evidence, **more: Any) -> None:
        """Call for an alert that rests on its opener, and on ``evidence`` if that is given."""
        at = BEGIN + timedelta(seconds=self.steps)
        self.wanted[name] = Finding(
            **{
                "kind": kind, "tier": tier, "subject": opener.analyte, "opener": str(opener.result),
                "text": f"{opener.analyte} {opener.text}", "at": at, "rule": RuleRef(id=kind, version="1.0.0"),
                "evidence": (opener,), "line": 1,
            } | more
        )  # fmt: skip

    def change(self, name: str, **changes: Any) -> None:
        self.wanted[name] = replace(self.wanted[name], **changes)

    def tell(self) -> tuple[AnyAlert, ...]:
        """The events between what was issued and what is called for now."""
        self.steps += 1
        at = BEGIN + timedelta(seconds=self.steps)
        cause = Event(
            fact="invented", event_id=derive("cause", self.id.key, self.steps), patient=self.id, occurred_at=at,
            recorded_at=at, trace=f"trace-{self.id.id}-{self.steps}",
        )  # fmt: skip
        context = Context(self.id, [cause], processing=self.processing)
        self.issued, events = reconcile(list(self.wanted.values()), self.issued, self.results, context)
        return events


Change = Callable[[], None]
Script = list[tuple[tuple[float, float], Change]]
"""Steps of an episode: how long after the one before, and what happens."""


def critical(patient: Patient, name: str, chance: Random) -> Script:
    """A P1 that stands, is corrected, closed, withdrawn, or withdrawn and true after all."""
    at = f"K {name}"

    def opens() -> None:
        patient.want(name, "CRITICAL_RESULT", "P1", patient.result(at, "6.8 mmol/L"))

    def corrected() -> None:
        piece = patient.result(at, "6.7 mmol/L")
        patient.change(name, evidence=(piece,), text="K 6.7 mmol/L")

    def gone() -> None:
        patient.withdraw(at)
        patient.wanted.pop(name, None)

    def closes() -> None:
        patient.change(name, state="closed", closed_because="a later result is inside its interval")

    def context() -> None:
        patient.change(name, tags=("expected",))

    when = chance.choice((AT_ONCE, SOON, LATER))
    further: list[Script] = [
        [], [], [], [(when, corrected)], [(when, gone)], [(when, context)], [(LATER, closes)],
        [(when, gone), (chance.choice((AT_ONCE, SOON, LATER)), opens)], [(SOON, corrected), (when, gone)],
    ]  # fmt: skip
    return [((0.0, 0.0), opens), *chance.choice(further)]


def watch(patient: Patient, name: str, chance: Random) -> Script:
    """A rise that is confirmed, and sometimes both are taken back by one event."""
    first, second = f"VEGF {name} 1", f"VEGF {name} 2"

    def rises() -> None:
        patient.want(f"{name} watch", "VEGF_RISE_WATCH", "P2", patient.result(first, "612 pg/mL"), due_hours=72)

    def confirmed() -> None:
        opener = patient.wanted[f"{name} watch"].opener
        patient.change(f"{name} watch", state="closed", closed_because="confirmed")
        patient.want(
            f"{name} confirmed", "VEGF_PROGRESSION_CONFIRMED", "P2", patient.result(second, "640 pg/mL"), due_hours=24,
            episode=opener,
        )  # fmt: skip

    def gone() -> None:
        patient.withdraw(second)
        patient.result(first, "61 pg/mL")
        for one in ("watch", "confirmed"):
            patient.wanted.pop(f"{name} {one}", None)

    script: Script = [((0.0, 0.0), rises), (chance.choice((SOON, LATER)), confirmed)]
    return [*script, (chance.choice((AT_ONCE, SOON, LATER)), gone)] if chance.random() < 0.4 else script


def superseded(patient: Patient, name: str, chance: Random) -> Script:
    """An earlier opener arrives late: the same episode goes on under another id, and may then be taken back."""
    late, early = f"FLC {name} late", f"FLC {name} early"
    hours = chance.choice((24, 72))

    def opens() -> None:
        patient.want(name, "RESPONSE_LOSS", "P2", patient.result(late, "lost"), due_hours=hours)

    def earlier() -> None:
        covered = patient.wanted[name]
        patient.want(
            name, "RESPONSE_LOSS", "P2", patient.result(early, "lost"), due_hours=hours, covers=(covered.opener,)
        )

    def gone() -> None:
        for one in (late, early):
            patient.withdraw(one)
        patient.wanted.pop(name, None)

    script: Script = [((0.0, 0.0), opens), (chance.choice((AT_ONCE, SOON, LATER)), earlier)]
    return [*script, (chance.choice((AT_ONCE, SOON, LATER)), gone)] if chance.random() < 0.35 else script


def more_urgent(patient: Patient, name: str, chance: Random) -> Script:
    """Told anew when it becomes more urgent."""

    def opens() -> None:
        patient.want(name, "IGG_LOW_SAFETY", "P2", patient.result(f"IGG {name}", "3.9 g/L"), due_hours=72)

    def worse() -> None:
        piece = patient.result(f"IGG {name} again", "1.9 g/L")
        tier, hours = chance.choice((("P1", None), ("P2", 24)))
        patient.change(name, tier=tier, due_hours=hours, evidence=(piece,), text="IGG 1.9 g/L")

    return [((0.0, 0.0), opens), (chance.choice((AT_ONCE, SOON, LATER)), worse)]


def treatable(patient: Patient, name: str, chance: Random) -> Script:
    """Closes at the first value inside its interval; some open again."""
    at = f"TSH {name}"

    def opens() -> None:
        patient.want(name, "TREATABLE_FINDING", "P2", patient.result(at, "9.1 mU/L"), due_hours=72)

    def closes() -> None:
        patient.change(name, state="closed", closed_because="inside its interval")

    def again() -> None:
        patient.change(name, state="open", evidence=(patient.result(f"{at} again", "9.4 mU/L"),))

    script: Script = [((0.0, 0.0), opens), (chance.choice((AT_ONCE, SOON, LATER)), closes)]
    return [*script, (chance.choice((SOON, LATER)), again)] if chance.random() < 0.5 else script


def quality(patient: Patient, name: str, chance: Random) -> Script:
    """A question to the laboratory; some are settled by a review."""

    def opens() -> None:
        patient.want(name, "DQ_UNIT", "DQ", patient.result(f"IGG {name}", "11.29 mg/L"))

    def reviewed() -> None:
        patient.change(name, state="closed", closed_because="reviewed")

    script: Script = [((0.0, 0.0), opens)]
    return [*script, (chance.choice((SOON, LATER)), reviewed)] if chance.random() < 0.25 else script


def notice(patient: Patient, name: str, chance: Random) -> Script:
    """A P3, born closed; some are taken back."""

    def opens() -> None:
        patient.want(name, "RESPONSE_UPGRADE", "P3", patient.result(f"PET {name}", "better"), notice=True)

    def gone() -> None:
        patient.withdraw(f"PET {name}")
        patient.wanted.pop(name, None)

    script: Script = [((0.0, 0.0), opens)]
    return [*script, (chance.choice((SOON, LATER)), gone)] if chance.random() < 0.2 else script


EPISODES: Mapping[Callable[[Patient, str, Random], Script], int] = {
    critical: 30, watch: 14, superseded: 14, more_urgent: 9, treatable: 9, quality: 16, notice: 8,
}  # fmt: skip
TRAINING = 0.04
"""So many patients are of a training system: nobody may be told of them."""


def tellings(alerts: int, seconds: float, pace: float, chance: Random) -> list[Telling]:
    """At least so many alerts, begun within ``seconds``; each patient's events stay in their order.

    ``pace`` stretches what follows after a beginning.
    """
    found: list[Telling] = []
    known = 0
    while known < alerts:
        number = len({telling.events[0].patient.key for telling in found})
        patient = Patient(
            PatientId(authority="NORTHWARD", type="MR", id=f"{chance.randrange(10**9):09d}-{number}"),
            processing="training" if chance.random() < TRAINING else "live",
        )
        found += _life(patient, seconds, pace, chance)
        known += len(patient.issued)
    return sorted(found, key=lambda telling: telling.after)


def _life(patient: Patient, seconds: float, pace: float, chance: Random) -> list[Telling]:
    """A few episodes side by side."""
    steps: list[tuple[float, Change]] = []
    for place in range(chance.randint(1, 4)):
        begin = chance.choices(list(EPISODES), list(EPISODES.values()))[0]
        at = chance.uniform(0, seconds)
        for gap, change in begin(patient, f"e{place}", chance):
            at += pace * chance.uniform(*gap)
            steps.append((at, change))
    told: list[Telling] = []
    for at, change in sorted(steps, key=lambda step: step[0]):
        change()
        if events := patient.tell():
            told.append(Telling(at, events))
    return told
