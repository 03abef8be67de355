"""Invented lab reports and care events for flagging's tests, and a patient that tells what was issued."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.reading import read_result
from refrain.clinical.specimens import settle
from refrain.clinical.statuses import classify
from refrain.contracts.events import (
    Alert,
    AlertRaised,
    CareEvent,
    Event,
    FlaggedObservation,
    FlaggedReport,
    LabReport,
    Observation,
    Order,
    PatientId,
    Repaired,
    Source,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import ALERTS, FLAGGED_REPORTS, LAB_REPORTS
from services.flagging.domain.judgement import FlaggingIssued, place

PATIENT = PatientId(authority="NORTH", type="MR", id="000731")
DAY_0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def result_id(name: str) -> UUID:
    return derive("result", name)


def observation(
    name: str = "r1",
    value: str = "42",
    unit: str = "pg/mL",
    limits: str = "0-160",
    *,
    analyte: str | None = "VEGF",
    code: str = "",
    day: float = 0,
    issued: float | None = None,
    status: str = "F",
    specimen: str = "SERUM",
    method: str = "UNKNOWN",
    lab: str = "LAB",
    flags: Sequence[str] = (),
    quality: Sequence[str] = (),
    seconds: int = 1,
    **other: Any,
) -> Observation:
    """One version of result ``name``; ``day`` and ``issued`` count days from day 0."""
    entry = CATALOGUE.get(analyte or "")
    reading = read_result(entry, "", (value,), unit, (limits,))
    settled, source = settle(entry, specimen)
    at = DAY_0 + timedelta(days=day)
    told = DAY_0 + timedelta(days=day + 0.25 if issued is None else issued)
    loinc = code or (entry.loinc[0] if entry and entry.loinc else analyte or "LOCAL")
    content = (
        name,
        value,
        unit,
        limits,
        status,
        told,
        at,
        specimen,
        method,
        lab,
        list(flags),
        loinc,
        other.get("attributes"),
    )
    return Observation(
        result=result_id(name), version=derive("version", *content), code=loinc, system="LN" if "-" in loinc else "L",
        analyte=analyte, status=status, status_class=classify(status)[0], issued_at=told, issued_from="OBR-22",
        value=reading.value, canonical=reading.canonical,
        repaired=Repaired.of(reading.repaired) if reading.repaired else None, range=reading.range,
        reported_flags=tuple(flags), collected_at=at, collected_until=at + timedelta(seconds=seconds),
        time_precision="second", collected_from="OBR-7", specimen=settled, specimen_source=source,
        specimen_raw=specimen, method=method, lab=lab, quality=(*reading.quality, *quality), **other,
    )  # fmt: skip


def report(*observations: Observation, order: str = "F200", **other: Any) -> LabReport:
    """One report of invented observations."""
    made = LabReport(
        patient=PATIENT, occurred_at=observations[0].collected_at,
        recorded_at=max(one.issued_at for one in observations), sender="north-lab", profile="p",
        order=Order(filler=order), observations=observations, source=Source(hash="x"), **{"sex": "M", **other},
    )  # fmt: skip
    return made.identified()


def one(*args: Any, **kwargs: Any) -> LabReport:
    """A report with one observation; keywords of the report go to ``of``."""
    return report(observation(*args, **kwargs))


def care(key: str, recorded: float = 0, **body: Any) -> CareEvent:
    at = DAY_0 + timedelta(days=recorded)
    return CareEvent.model_validate(
        {"patient": PATIENT, "occurred_at": at, "recorded_at": at, "key": key, "body": body}
    ).identified()


def review(name: str, rule: str, decision: str, at: float) -> CareEvent:
    moment = DAY_0 + timedelta(days=at)
    return care(
        f"review {name} {rule} {at}", at, type="repair_reviewed", result=result_id(name), repair_rule_id=rule,
        decision=decision, by="lab lead", at=moment,
    )  # fmt: skip


@dataclass
class Told:
    """A patient's ledger and everything that was told about it."""

    site: SiteSettings = field(default_factory=SiteSettings)
    facts: list[Event] = field(default_factory=list)
    issued: FlaggingIssued = field(default_factory=FlaggingIssued)
    events: list[Event] = field(default_factory=list)

    def add(self, *new: Event) -> list[Event]:
        """Take in new facts; what this one decision tells."""
        arrived = [_travelled(fact) for fact in new]
        known = {fact.event_id for fact in self.facts}
        arrived = [fact for fact in arrived if fact.event_id not in known]
        if not arrived:
            return []
        self.facts += arrived
        decision = place(self.facts, self.issued, arrived, self.site)
        self.issued = FlaggingIssued.model_validate_json(decision.issued.model_dump_json(by_alias=True))
        told = [output.topic.decode(output.topic.encode(output.event)) for output in decision.outputs]
        assert all(output.topic in (FLAGGED_REPORTS, ALERTS) for output in decision.outputs)
        self.events += told
        return told

    def views(self) -> dict[UUID, FlaggedObservation]:
        """Of each version the view with the highest revision."""
        latest: dict[UUID, tuple[int, FlaggedObservation]] = {}
        for event in self.events:
            if isinstance(event, FlaggedReport):
                for seen in event.observations:
                    known = latest.get(seen.observation.version)
                    if known is None or event.revision > known[0]:
                        latest[seen.observation.version] = event.revision, seen
        return {version: seen for version, (_, seen) in latest.items()}

    def view(self, name: str) -> FlaggedObservation:
        """The view of the version that counts."""
        [found] = [v for v in self.views().values() if v.observation.result == result_id(name) and v.current]
        return found

    def codes(self, name: str) -> set[str]:
        return set(self.view(name).interpretation)

    def alerts(self, processing: str = "live") -> set[tuple[str, str, str, str]]:
        """Kind, subject, rule and state of every alert."""
        known = self.issued.alerts.get(processing, {})  # type: ignore[call-overload]
        return {(a.kind, a.subject, a.rule.id, a.state) for a in known.values()}

    def open(self) -> set[tuple[str, str]]:
        return {(kind, subject) for kind, subject, _, state in self.alerts() if state == "open"}

    def raised(self) -> list[AlertRaised]:
        return [event for event in self.events if isinstance(event, AlertRaised)]

    def told_of(self, kind: str) -> list[Alert]:
        return [event for event in self.events if isinstance(event, Alert) and event.kind == kind]

    def end_state(self) -> tuple[Any, ...]:
        """What a reader and the alert list hold in the end, whatever happened on the way."""
        known = self.issued.alerts.get("live", {})
        alerts = {(a.alert, a.kind, a.subject, a.text, a.evidence, a.tags) for a in known.values() if a.state == "open"}
        return self.views(), alerts


def _travelled(fact: Event) -> Event:
    if isinstance(fact, LabReport):
        arrived: Event = LAB_REPORTS.decode(LAB_REPORTS.encode(fact))
        return arrived
    return fact


@dataclass(frozen=True)
class Builder:
    """All of the above for the tests, which cannot import this file."""

    observation = staticmethod(observation)
    report = staticmethod(report)
    one = staticmethod(one)
    care = staticmethod(care)
    review = staticmethod(review)
    result_id = staticmethod(result_id)
    Told = Told

    @staticmethod
    def told(*facts: Event, site: SiteSettings | None = None) -> Told:
        """A patient whose facts arrived together."""
        patient = Told(site or SiteSettings())
        patient.add(*facts)
        return patient

    @staticmethod
    def in_order(facts: Iterable[Event], site: SiteSettings | None = None) -> Told:
        """A patient whose facts arrived one by one."""
        patient = Told(site or SiteSettings())
        for fact in facts:
            patient.add(fact)
        return patient

    @staticmethod
    def shuffled(facts: Sequence[Event], seed: int) -> list[Event]:
        mixed = list(facts)
        random.Random(seed).shuffle(mixed)
        return mixed


@pytest.fixture(scope="session")
def lab() -> Builder:
    return Builder()
