"""The demo's patients as data of the package: what was received, moment by moment, and what must come of it.

Two of them: the case report's patient, whose values are the report's and whose calendar is invented (the report
prints no dates), and a synthetic one who relapses, is corrected and relapses again, of whom everything is invented.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from refrain.cli.timeline import read_timeline
from refrain.contracts.events import CareEvent, LabReport, PatientId

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a patient's results, as the profile of that name in intake reads them."""

    profile: str
    application: str
    facility: str
    control_prefix: str
    patient_name: str
    """PID-5."""
    order_name: str
    """OBR-4.2."""


CASE_LAB = Sender("case-report", "CASE-LIS", "CASE-LAB", "CASE", "REPORT^CASE", "Results of the case report")
SYNTHETIC_LAB = Sender("synthetic", "SYNTH-LIS", "SYNTH-LAB", "SYNTH", "SYNTHETIC^NOBODY", "Invented results")
PATIENT = PatientId(authority="CASE-LAB", type="MR", id="case-dkrd-001")
"""The case report's patient, as the profile ``case-report`` reads the demo's PID-3."""
SYNTHETIC = PatientId(authority="SYNTHETIC", type="MR", id="synthetic-001")
"""The invented patient, as the profile ``synthetic`` reads it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What became known together: results as received, and care events."""

    at: datetime
    records: tuple[Json, ...]
    care_events: tuple[CareEvent, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One patient: known beforehand, then moment by moment."""

    patient: PatientId
    sender: Sender
    document: Json
    standing: tuple[CareEvent, ...]
    moments: tuple[Moment, ...]

    @property
    def points(self) -> Sequence[Json]:
        """The time points of the document, oldest first, with what is expected at each."""
        points: Sequence[Json] = self.document["timepoints"]
        return points

    def records(self) -> list[Json]:
        """Every version of every result, as received, in the order in which they became known."""
        return [record for moment in self.moments for record in moment.records]

    def current(self) -> dict[str, Json]:
        """By the document's id, the last version of each result."""
        return {record["id"]: record for record in self.records()}


@cache
def case() -> Case:
    """The case report's patient."""
    return _read("case-report.json", PATIENT, CASE_LAB)


@cache
def synthetic() -> Case:
    """The invented patient who relapses, is corrected and relapses again."""
    return _read("synthetic-001.json", SYNTHETIC, SYNTHETIC_LAB)


def _read(name: str, patient: PatientId, sender: Sender) -> Case:
    """A document of the package, its care events under the demo's patient id."""
    document = json.loads(files("refrain.cli.demo").joinpath(name).read_text(encoding="utf-8"))
    timeline = read_timeline(document)
    versions = {
        (record["id"], datetime.fromisoformat(record["issued_at"])): record
        for point in document["timepoints"]
        for record in point.get("observations", ())
    }
    moments = []
    for moment in timeline.moments:
        reports = [fact for fact in moment.facts if isinstance(fact, LabReport)]
        seen = [(timeline.names[one.result], one.issued_at) for report in reports for one in report.observations]
        care = tuple(_of(patient, fact) for fact in moment.facts if isinstance(fact, CareEvent))
        moments.append(Moment(moment.at, tuple(versions[version] for version in seen), care))
    standing = tuple(_of(patient, event) for event in timeline.standing)
    return Case(patient, sender, document, standing, tuple(moments))


def _of(patient: PatientId, event: CareEvent) -> CareEvent:
    return event.model_copy(update={"patient": patient}).identified()
