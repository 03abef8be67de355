"""A search finds what its filters mean, whatever of it SQL does, in both databases; and no resource it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import Feed, records_of
from sqlalchemy import Engine

from refrain.contracts.events import Event, FlaggedReport, LabReport, Observation
from refrain.contracts.fhir_names import BASE, LOINC
from services.chart.adapters.fhir import narrowing
from services.chart.adapters.fhir.finding import Finder
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.fhir.searching import Searchable, asked, matches, of_resource
from services.chart.domain.views import PatientRow

ZONE = ZoneInfo("Europe/Paris")
Filters = tuple[tuple[str, str], ...]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CODES = (
    "VEGF", "GLU", "GL U", "GL  U", "glu", "34694-0", f"{LOINC}|34694-0", f"{LOINC}|", "|VEGF", "nothing",
    f"{BASE}/CodeSystem/analyte|VEGF", f"{BASE}/CodeSystem/analyte|nothing", "PANEL", "PAN EL", "%", "_",
)  # fmt: skip
CATEGORIES = ("laboratory", "imaging", "refrain-call", "LAB", "nothing", "http://nowhere|laboratory")
OBSERVATION_STATUSES = (
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
)  # fmt: skip
STATUSES = (
    *OBSERVATION_STATUSES, "partial", "active", "inactive", "http://hl7.org/fhir/observation-status|final", "nothing",
)  # fmt: skip
MOMENTS = ("2024", "2026", "2026-01", "2026-02-03", "2026-02-03T08:00:00Z", "2026-02-03T09:30:00", "2030-01-01")
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
TIMES = tuple(
    (precision, datetime.fromisoformat(f"{text}+00:00"))
    for precision, text in (
        ("year", "2024-01-01T00:00:00"), ("year", "2025-12-31T23:00:00"), ("year", "2026-01-01T10:00:00"),
        ("month", "2026-01-31T23:00:00"), ("month", "2026-02-01T12:00:00"), ("day", "2026-02-02T23:00:00"),
        ("day", "2026-02-03T12:00:00"), ("day", "2026-02-02T10:00:00"), ("hour", "2026-02-03T08:00:00"),
        ("minute", "2026-02-03T08:29:00"), ("second", "2026-02-03T08:30:00"), ("second", "2025-12-31T23:30:00"),
        ("unknown", "2026-02-03T08:00:00"),
    )
)  # fmt: skip
"""Precision, and the beginning of the time in the sender's zone, which may be another one."""
DEFAULT = {
    "specimen": "PLASMA_EDTA", "lab": "LAB", "method": "M1",
    "received": {"value": "100.10", "unit": "pg/mL", "range": "0-160"},
}  # fmt: skip


@st.composite
def results(draw: st.DrawFn) -> dict[str, Any]:
    """Results of every status, some mapped, some not, at times known to the second or to the year."""
    told: list[dict[str, Any]] = []
    for name in "abcdef"[: draw(st.integers(2, 6))]:
        first = DEFAULT | {
            "id": name, "code": draw(st.sampled_from(["VEGF", "VEGF", "IGG", "GLU", "GL U"])),
            "collected_at": "2026-02-03T08:00:00Z", "issued_at": "2026-02-03T12:00:00Z",
            "status": draw(st.sampled_from(["F", "F", "P", "A", "I", "X", "", "O"])),
        }  # fmt: skip
        told.append(first)
        if draw(st.booleans()):
            value = {"value": draw(st.sampled_from(["100.10", "200"])), "unit": "pg/mL", "range": "0-160"}
            later = {"issued_at": "2026-02-05T12:00:00Z", "received": value}
            told.append(first | later | {"status": draw(st.sampled_from(["C", "D", "W", "B", "V", "F"]))})
    return {"subject": {"id": "S-1"}, "observations": told}


def collected(events: list[Event], times: list[tuple[str, datetime]]) -> list[Event]:
    """The same records with other times of collection, in turn."""
    of_result: dict[UUID, dict[str, Any]] = {}

    def moved(seen: Observation) -> Observation:
        precision, at = times[len(of_result) % len(times)]
        own = of_result.setdefault(
            seen.result, {"collected_at": at, "collected_until": at, "time_precision": precision}
        )
        return seen.model_copy(update=own)

    def one(event: Event) -> Event:
        match event:
            case LabReport():
                return event.model_copy(update={"observations": tuple(moved(each) for each in event.observations)})
            case FlaggedReport():
                return event.model_copy(
                    update={
                        "observations": tuple(
                            each.model_copy(update={"observation": moved(each.observation)})
                            for each in event.observations
                        )
                    }
                )
        return event

    return [one(event) for event in events]


PARAMETERS = {
    "code": st.sampled_from(CODES), "category": st.sampled_from(CATEGORIES), "status": st.sampled_from(STATUSES),
    "date": st.builds("{}{}".format, st.sampled_from(PREFIXES), st.sampled_from(MOMENTS)),
    "_lastUpdated": st.builds("{}{}".format, st.sampled_from(PREFIXES), st.sampled_from(MOMENTS)),
    "identifier": st.sampled_from(["a", "b", "F-1", "|F-1", "nothing"]),
}  # fmt: skip
OF_KIND = {
    "Observation": ("code", "category", "status", "date", "_lastUpdated"),
    "DiagnosticReport": ("code", "category", "status", "date", "_lastUpdated", "identifier"),
    "Flag": ("code", "status", "date", "_lastUpdated"),
    "DetectedIssue": ("code", "status", "_lastUpdated"),
}


@st.composite
def searches(draw: st.DrawFn) -> tuple[str, Filters]:
    """A kind of resource, and one to three filters, each of one or two values of which one must hold."""
    kind = draw(st.sampled_from(sorted(OF_KIND)))
    names = draw(st.lists(st.sampled_from(OF_KIND[kind]), min_size=1, max_size=3))
    return kind, tuple((name, ",".join(draw(st.lists(PARAMETERS[name], min_size=1, max_size=2)))) for name in names)


def found(finder: Finder, patient: PatientRow, kind: str, given_: Filters) -> list[dict[str, Any]]:
    """All pages, two resources on each."""
    resources: list[dict[str, Any]] = []
    page = ""
    while True:
        parameters = [
            *given_,
            ("patient", str(patient.chart_id)),
            ("_count", "2"),
            *([("_page", page)] if page else []),
        ]
        got = finder.of_patient(asked(kind, parameters, ZONE), patient)
        resources += got.resources
        page = got.following
        if not page:
            return resources


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=25
)
@given(
    document=results(),
    times=st.lists(st.sampled_from(TIMES), min_size=1, max_size=6),
    asks=st.lists(searches(), min_size=5, max_size=10),
)
def test_what_is_found_is_what_is_meant(
    engine: Engine, projection: Projection, document: dict[str, Any], times: list[Any], asks: list[Any]
) -> None:
    projection.empty("drawn", {})
    Feed(projection.take)(collected(records_of(document), times))
    model = ReadModel(engine)
    finder = Finder(model, ZONE, {}, NOW)
    [patient] = model.search_patients()
    for kind, filters in asks:
        got = found(finder, patient, kind, filters)
        with pytest.MonkeyPatch.context() as patch:  # every row is looked at in full
            patch.setattr(narrowing, "of_results", lambda _: [])
            patch.setattr(narrowing, "of_reports", lambda _: [])
            assert got == found(finder, patient, kind, filters), (kind, filters)
        dated = [each for each in filters if each[0] == "date"]
        everything = found(finder, patient, kind, (*dated, *told_of_gone(filters)))
        meant = asked(kind, [each for each in filters if each[0] != "date"], ZONE)
        assert got == [one for one in everything if matches(meant, undated(one), NOW)], (kind, filters)


def undated(resource: dict[str, Any]) -> Searchable:
    """As its receiver sees it; only its row knows how precise its time is."""
    return of_resource({name: value for name, value in resource.items() if name != "effectiveDateTime"}, ZONE)


def told_of_gone(filters: Filters) -> Filters:
    """Results that are gone are told of to those who look for errors or changes."""
    asks = {"status", "_lastUpdated"} & {name for name, _ in filters}
    return (("_lastUpdated", "ge1900"),) if asks else ()


def test_every_status_is_found_by_its_name(engine: Engine, projection: Projection) -> None:
    told = [
        DEFAULT | {"id": f"r{number}", "code": "VEGF", "collected_at": at, "issued_at": issued, "status": status}
        for number, statuses in enumerate(["F", "P", "A", "I", "X", "", "U", "V", "FC", "FD", "FW", "FB", "FA", "O"])
        for at in [f"2026-02-{number + 1:02}T08:00:00Z"]
        for issued, status in zip(["2026-03-01T12:00:00Z", "2026-03-05T12:00:00Z"], statuses or [""], strict=False)
    ]
    Feed(projection.take)(records_of({"subject": {"id": "S-1"}, "observations": told}))
    model = ReadModel(engine)
    finder = Finder(model, ZONE, {}, NOW)
    [patient] = model.search_patients()
    for kind, names in (
        ("Observation", OBSERVATION_STATUSES),
        ("DiagnosticReport", [*OBSERVATION_STATUSES, "partial"]),
    ):
        everything = found(finder, patient, kind, (("_lastUpdated", "ge1900"),))
        for status in names:
            expected = [one for one in everything if one["status"] == status]
            assert found(finder, patient, kind, (("status", status),)) == expected
    assert {one["status"] for one in found(finder, patient, "Observation", (("_lastUpdated", "ge1900"),))} == set(
        OBSERVATION_STATUSES
    )
