"""Builders: the two patients of the demo as the real engines tell them, and results as the read model gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import Timeline, read_timeline
from refrain.contracts.events import AlertAction, CareEvent, Event, LabReport, PatientId
from refrain.contracts.ids import derive
from refrain.contracts.steps import Output
from refrain.contracts.topics import ALERT_ACTIONS, CARE_EVENTS, LAB_REPORTS, Topic
from services.chart.domain.views import ResultRow, SeriesView

Published = tuple[Topic, Event]


@dataclass
class Told(Pipeline):
    """The engines' pure steps, and every event that would be on Kafka, in order."""

    published: list[Published] = field(default_factory=list)

    def add(self, facts: Iterable[LabReport | CareEvent]) -> tuple[Any, ...]:
        facts = tuple(facts)
        self.published += [(LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS, fact) for fact in facts]
        return super().add(facts)

    def _take(self, outputs: Iterable[Output]) -> list[Event]:
        outputs = tuple(outputs)
        self.published += [(output.topic, output.event) for output in outputs]
        return super()._take(outputs)


@dataclass(frozen=True)
class Case:
    """One patient's whole story as published, and what its document calls each result."""

    patient: PatientId
    timeline: Timeline
    published: tuple[Published, ...]

    @property
    def chart_id(self) -> UUID:
        return derive("patient", self.patient.key)

    def result(self, name: str) -> UUID:
        return next(result for result, known in self.timeline.names.items() if known == name)


@cache
def case(document: str) -> Case:
    """``case-report`` or ``synthetic-001``, told to its end."""
    return told(json.loads(files("refrain.cli.demo").joinpath(f"{document}.json").read_text("utf-8")))


def told(document: dict[str, Any]) -> Case:
    """A timeline document through the real engines."""
    timeline = read_timeline(document)
    pipeline = Told(timeline.site)
    pipeline.add(timeline.standing)
    for moment in timeline.moments:
        pipeline.add(moment.facts)
    return Case(timeline.patient, timeline, tuple(pipeline.published))


def action(case: Case, alert: UUID, number: int, at: datetime, **said: Any) -> Published:
    """What notify did about an alert, as it would publish it."""
    event = AlertAction.model_validate(
        {
            "patient": case.patient, "occurred_at": at, "recorded_at": at, "alert": alert, "number": number, "at": at,
            "kind": "CRITICAL_RESULT", "tier": "P2", "actor": {"type": "system", "id": "notify"},
        } | said
    )  # fmt: skip
    return ALERT_ACTIONS, event.identified()


def a_row(number: str | None, at: datetime, **fields: Any) -> ResultRow:
    """A result as the read model gives one: VEGF in EDTA plasma, final, judged by 0 to 160."""
    known: dict[str, Any] = {
        "key": "A|MR|1", "result": derive("result", str(at), number, fields.get("nominal")), "processing": "live",
        "state": "current", "analyte": "VEGF", "name": "VEGF", "code": "VEGF", "system": "L", "series": "one",
        "status": "F", "status_class": "final", "issued_at": at, "collected_at": at, "time_precision": "second",
        "specimen": "PLASMA_EDTA", "method": "ELISA", "lab": "NORTH", "value_kind": "quantity",
        "text": f"{number} pg/mL", "number": None if number is None else Decimal(number), "unit": "pg/mL",
        "comparator": None, "nominal": None, "low": Decimal(0), "high": Decimal(160), "low_inclusive": True,
        "high_inclusive": True, "range_text": "0-160", "range_source": "reported", "interpretation": ("N",),
        "awaiting_flags": False, "usable": True, "held": (), "quality": (), "caveats": (), "tags": (), "reasons": (),
        "critical": None, "review": None, "repair_rule": None, "change_percent": None, "previous": None,
        "versions": 1, "corrected": False, "recorded_at": at,
    }  # fmt: skip
    known |= {"version": known["result"], "report": known["result"]} | fields
    return ResultRow(**known)


def a_series(*rows: ResultRow, **fields: Any) -> SeriesView:
    """Those results as one series."""
    first = rows[0]
    known: dict[str, Any] = {
        "series": first.series, "analyte": first.analyte, "name": first.name, "unit": first.unit,
        "specimen": first.specimen, "method": first.method, "lab": first.lab, "results": rows,
    }  # fmt: skip
    return SeriesView(**(known | fields))
