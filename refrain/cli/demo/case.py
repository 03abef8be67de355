"""The case report's patient as data of the package: what was received, moment by moment, and what was published.

Everything calendar in it is invented (the report prints no dates); the values are the report's.
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

PATIENT = PatientId(authority="CASE-LAB", type="MR", id="case-dkrd-001")
"""As the profile ``case-report`` reads the demo's PID-3."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What became known together: results as received, and care events."""

    at: datetime
    records: tuple[Json, ...]
    care_events: tuple[CareEvent, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """The patient: known beforehand, then moment by moment."""

    document: Json
    standing: tuple[CareEvent, ...]
    moments: tuple[Moment, ...]

    @property
    def points(self) -> Sequence[Json]:
        """The time points of the report, oldest first, with what is expected at each."""
        points: Sequence[Json] = self.document["timepoints"]
        return points

    def records(self) -> list[Json]:
        return [record for moment in self.moments for record in moment.records]


@cache
def case() -> Case:
    """The document of the package, its care events under the demo's patient id."""
    document = json.loads(files("refrain.cli.demo").joinpath("case-report.json").read_text(encoding="utf-8"))
    timeline = read_timeline(document)
    records = {record["id"]: record for point in document["timepoints"] for record in point.get("observations", ())}
    moments = []
    for moment in timeline.moments:
        reports = [fact for fact in moment.facts if isinstance(fact, LabReport)]
        names = [timeline.names[one.result] for report in reports for one in report.observations]
        care = tuple(_ours(fact) for fact in moment.facts if isinstance(fact, CareEvent))
        moments.append(Moment(moment.at, tuple(records[name] for name in names), care))
    return Case(document, tuple(_ours(event) for event in timeline.standing), tuple(moments))


def _ours(event: CareEvent) -> CareEvent:
    return event.model_copy(update={"patient": PATIENT}).identified()
