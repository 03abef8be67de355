"""A chart to write results and care events into; what it builds are the facts that response reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from refrain.clinical.ranges import Range
from refrain.clinical.values import Value
from refrain.contracts.events import (
    CareBody,
    CareEvent,
    FlaggedObservation,
    FlaggedReport,
    Isotype,
    LineCourse,
    Observation,
    PatientId,
    ResponseAssessed,
    RuleRef,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from services.response.domain.course import assess

PATIENT = PatientId(authority="HOSP", type="MR", id="P1")
START = date(2025, 1, 6)
"""First dose of line 1."""
RULE = RuleRef(id="FLAG", version="1.0.0")
CARE_BODY: TypeAdapter[CareBody] = TypeAdapter(CareBody)
CLASSES = {"F": "final", "C": "corrected", "P": "preliminary", "W": "withdrawn", "D": "withdrawn", "X": "unobtainable"}
UNITS = {
    "VEGF": "pg/mL", "MPROT_S": "g/L", "IGG": "g/L", "PET_LESION": "{SUV}", "B12": "pg/mL", "SFLC_L": "mg/L",
    "BM_FLOW": "%", "PRL": "ng/mL",
}  # fmt: skip
SPECIMENS = {"IFE_U": "URINE", "BM_FLOW": "MARROW", "PET_LESION": "IMAGE"}


class Chart:
    """Facts of one patient, with a POEMS line that starts at ``START`` and an IgG lambda clone."""

    def __init__(self, **site: Any) -> None:
        self.site = SiteSettings(**site)
        self.facts: list[FlaggedReport | CareEvent] = []
        self.names: dict[UUID, str] = {}

    def therapy(self, rule_set: str = "poems", clone: tuple[str | None, str | None] | None = ("IgG", "lambda"),
                **line: Any) -> Chart:  # fmt: skip
        self.care("line", {"type": "line_started", "line": 1, "start": START, "rule_set": rule_set, **line})
        self.drug("carfilzomib", 0)
        if clone:
            self.care("clone", {"type": "clone_stated", "heavy": clone[0], "light": clone[1]})
        return self

    def care(self, key: str, body: dict[str, Any], *, known: int | None = None, withdrawn: bool = False,
             recorded: int = 0) -> CareEvent:  # fmt: skip
        event = CareEvent(
            patient=PATIENT, occurred_at=at(0), recorded_at=at(recorded), key=key, withdrawn=withdrawn,
            known_from=at(known, 16) if known is not None else None, body=CARE_BODY.validate_python(body),
        ).identified()  # fmt: skip
        self.facts.append(event)
        return event

    def drug(self, name: str, first: int, last: int | None = None, status: str = "given") -> CareEvent:
        last = first if last is None else last
        body = {"type": "drug", "drug": name, "first": on(first), "last": on(last), "status": status}
        return self.care(f"drug {name} {first}", body)

    def finding(self, day: int, **body: Any) -> CareEvent:
        return self.care(f"visit {day}", {"type": "clinical_finding", "on": on(day), **body}, known=day)

    def result(
        self, name: str, analyte: str, day: int, value: object, *, high: object = None, low: object = None,
        high_inclusive: bool = True, status: str = "F", issued: int | None = None, hour: int = 8, series: str = "",
        isotype: tuple[str | None, str | None] | None = None, held: tuple[str, ...] = (), method: str = "UNKNOWN",
        caveats: tuple[str, ...] = (), codes: tuple[str, ...] = (), revision: int = 1, translation: int = 0,
        issued_hour: int = 16, processing: str = "live", lab: str = "LAB", sub_id: str = "",
        reasons: tuple[str, ...] = (), **attributes: str,
    ) -> FlaggedReport:  # fmt: skip
        """One version of one result; ``value`` is a number, ``<5``, or POS, NEG, IND."""
        number, comparator, nominal = read(value)
        result = derive("result", name)
        self.names[result] = name
        unit = UNITS.get(analyte, "1")
        version = derive("version", name, status, str(value), day, issued, issued_hour)
        kind = "quantity" if number is not None else "ordinal"
        observation = Observation.model_validate(
            {
                "result": result, "version": version, "code": analyte, "system": "L", "analyte": analyte,
                "status": status, "status_class": CLASSES[status], "issued_from": "OBR-22",
                "issued_at": at(day if issued is None else issued, issued_hour),
                "value": Value(kind=kind, text=str(value), comparator=comparator, number=number),  # type: ignore[arg-type]
                "range": Range(kind="absent"), "collected_at": at(day, hour),
                "collected_until": at(day, hour) + timedelta(seconds=1), "time_precision": "second",
                "collected_from": "SPM-17", "specimen": SPECIMENS.get(analyte, "SERUM"), "specimen_source": "stated",
                "lab": lab, "method": method, "sub_id": sub_id, "attributes": attributes,
                "isotype": Isotype.model_validate({"heavy": isotype[0], "light": isotype[1]}) if isotype else None,
            }
        )  # fmt: skip
        held = (*held, *(("NOT_FINAL",) if status == "P" else ()))
        view = FlaggedObservation(
            observation=observation, interpretation=codes, range_source="reported" if high is not None else "none",
            low=decimal(low), high=decimal(high), low_inclusive=True if low is not None else None,
            high_inclusive=high_inclusive if high is not None else None, number=number, comparator=comparator,
            unit=unit if number is not None else None, nominal=nominal, series=series or f"{analyte}-A",
            caveats=caveats, reasons=reasons, current=True, usable=not held, held=held, rule=RULE,
        )  # fmt: skip
        report = FlaggedReport(
            patient=PATIENT, occurred_at=observation.collected_at, recorded_at=observation.issued_at,
            report=derive("report", str(version), translation), revision=revision, sender="LAB",
            translation=translation, processing=processing, observations=(view,),
        ).identified()  # fmt: skip
        self.facts.append(report)
        return report

    def vegf(self, day: int, value: object, *, high: object = 160, **more: Any) -> FlaggedReport:
        return self.result(more.pop("name", f"vegf {day}"), "VEGF", day, value, high=high, **more)

    def m(self, day: int, value: object, **more: Any) -> FlaggedReport:
        return self.result(more.pop("name", f"m {day}"), "MPROT_S", day, value, **more)

    def ife(self, day: int, value: object, *, kind: str = "IFE_S", **more: Any) -> FlaggedReport:
        return self.result(more.pop("name", f"{kind} {day}"), kind, day, value, **more)

    def marrow(self, day: int, clonal: str = "N", **more: Any) -> FlaggedReport:
        value = "NEG" if clonal == "N" else "0.4"
        return self.result(f"marrow {day}", "BM_FLOW", day, value, clonal=clonal, **more)

    def pet(self, day: int, value: object, *, lesion: str = "T11", liver: str = "3", new: str = "N",
            statement: str = "", **more: Any) -> FlaggedReport:  # fmt: skip
        attributes = {"lesion": lesion, "liver_suvmax": liver, "new_lesion": new, "statement": statement}
        told = {key: text for key, text in attributes.items() if text}
        return self.result(f"pet {day} {lesion}", "PET_LESION", day, value, **told, **more)

    # --- what comes out ---

    def course(self) -> ResponseAssessed:
        snapshot = assess(self.facts, self.site)
        assert snapshot is not None
        return snapshot

    def line(self, number: int = 1) -> LineCourse:
        return next(line for line in self.course().lines if line.line == number)

    def axis(self, name: str) -> Any:
        return self.line().axes[name]

    def steps(self, analyte: str, series: str = "") -> dict[str, Any]:
        """Assessments of an analyte in line 1 by result name."""
        return {
            self.names[step.result]: step
            for trajectory in self.line().trajectories
            if trajectory.analyte == analyte and series in ("", trajectory.series)
            for step in trajectory.assessments
        }

    def name(self, result: UUID | None) -> str | None:
        return None if result is None else self.names.get(result, str(result))


def decimal(number: object) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def on(day: int) -> date:
    return START + timedelta(days=day)


def at(day: int, hour: int = 8) -> datetime:
    return datetime(START.year, START.month, START.day, hour, tzinfo=UTC) + timedelta(days=day)


def read(value: object) -> tuple[Decimal | None, Any, Any]:
    text = str(value)
    if text in ("POS", "NEG", "IND"):
        return None, None, text
    comparator = next((sign for sign in ("<=", ">=", "<", ">") if text.startswith(sign)), None)
    return Decimal(text.removeprefix(comparator or "")), comparator, None


@pytest.fixture
def chart() -> Chart:
    """A chart with one POEMS line whose first dose is day 0."""
    return Chart().therapy()


@pytest.fixture
def new_chart() -> Callable[..., Chart]:
    """Makes empty charts; keyword arguments are site settings."""
    return Chart


@pytest.fixture(scope="session")
def case_report() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "story" / "case-report.json"
    return json.loads(path.read_text(encoding="utf-8"))
