"""Whatever the story, every resource is valid, says the status of clinical.md 5.2, and claims nothing beyond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from drawn_stories import NUMBERS, a_timeline
from fhir_client import Feed, patient_of, records_of
from fhir_oracle import check, codes, extension
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from refrain.clinical.versions import standing
from refrain.contracts.events import Event
from services.chart.adapters.fhir.finding import Finder
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.fhir.searching import SEARCHES, asked
from services.chart.domain.views import ObservationView

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
CLINICAL_5_2 = {
    "I": "registered", "P": "preliminary", "R": "preliminary", "S": "preliminary", "F": "final", "V": "final",
    "U": "final", "A": "amended", "B": "amended", "C": "corrected", "X": "cancelled", "D": "entered-in-error",
    "W": "entered-in-error", "": "unknown",
}  # fmt: skip
"""Copied from clinical.md 5.2; O and N are no results."""

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@pytest.fixture
def tell(chart_engine: Engine) -> Any:
    """Projects a story into an emptied read model, and gives a finder over it."""
    projection = Projection(chart_engine)

    def told(records: list[Event]) -> tuple[Finder, ReadModel]:
        projection.empty("drawn", {})
        Feed(projection.take)(records)
        model = ReadModel(chart_engine)
        return Finder(model, UTC_ZONE, {}, NOW), model

    return told


def everything(finder: Finder, model: ReadModel, patient: str, more: tuple[tuple[str, str], ...] = ()) -> Any:
    """Every resource of a patient, of all kinds, page by page."""
    row = finder.one("Patient", patient)
    assert row is not None
    yield row.resource
    known = model.patient(row.patient)
    assert known is not None
    for kind in SEARCHES.keys() - {"Patient"}:
        page = ""
        while True:
            parameters = [("patient", patient), ("_count", "3"), *more, *([("_page", page)] if page else [])]
            found = finder.of_patient(asked(kind, parameters, UTC_ZONE), known)
            yield from found.resources
            page = found.following
            if not page:
                break


@QUICK
@given(document=a_timeline())
def test_every_resource_of_a_drawn_course_is_valid_and_found_by_its_id(tell: Any, document: dict[str, Any]) -> None:
    records = records_of(document)
    finder, model = tell(records)
    seen = set()
    for resource in everything(finder, model, patient_of(records)):
        check(resource)
        place = resource["resourceType"], resource["id"]
        assert place not in seen, "told twice"
        seen.add(place)
        again = finder.one(*place)
        assert again is not None
        assert again.resource == resource
        if resource["resourceType"] == "Observation":
            claims_what_flagging_said(resource, model)
    assert len({place for place in seen if place[0] == "Observation"}) >= len(
        {result.result for result in model.results(records[0].patient.key, 500)}
    )


def claims_what_flagging_said(resource: dict[str, Any], model: ReadModel) -> None:
    if resource["id"].startswith("call."):
        one_rise_is_no_progression(resource)
        return
    view = model.observation(resource["id"])
    assert view is not None
    counting = next(version for version in view.versions if version.version == view.row.version)
    told = codes(resource.get("interpretation", []))
    if counting.flagged is None or resource["status"] in ("entered-in-error", "cancelled", "registered"):
        assert told == []
    else:
        assert set(told) <= set(counting.flagged.interpretation)
    if told and not set(told) & {"N", "L", "H", "LU", "HU", "LL", "HH", "A", "AA"}:
        assert any("coding" not in each for each in resource["interpretation"]), "a blank that reads as normal"
    if "N" in told:
        assert counting.flagged is not None
        assert "N" in counting.flagged.interpretation
    for component in resource.get("component", ()):
        assert "N" not in codes(component.get("interpretation", [])) or "N" in told or "dataAbsentReason" in resource


def one_rise_is_no_progression(call: dict[str, Any]) -> None:
    said = call.get("valueCodeableConcept", {})
    if codes([said])[:1] in (["PDV"], ["PDH"]) and call["status"] == "preliminary":
        level = [each for each in call["component"] if codes([each["code"]]) == codes([said])]
        assert "progression" not in f"{said['text']} {[each['code']['text'] for each in level]}"


@st.composite
def versions(draw: st.DrawFn) -> dict[str, Any]:
    """A few results with up to five versions each, of every status, some at one and the same moment."""
    observations = []
    for name in draw(st.sampled_from([["a"], ["a", "b"]])):
        code = draw(st.sampled_from(["VEGF", "B12"]))
        values, unit, limits = NUMBERS[code]
        for _ in range(draw(st.integers(1, 5))):
            issued = START + timedelta(hours=draw(st.integers(1, 6)))
            status = draw(st.sampled_from([*CLINICAL_5_2, "F", "C", "C", "D"]))
            observations.append(
                {
                    "id": name, "code": code, "specimen": "SERUM", "lab": "LAB", "method": "M1", "status": status,
                    "collected_at": START.isoformat(), "issued_at": issued.isoformat(),
                    "received": {"value": draw(st.sampled_from(values[:4])), "unit": unit, "range": limits},
                }
            )  # fmt: skip
    lines = [{"line": 1, "rule_set": "poems", "start": "2026-01-05"}]
    return {"subject": {"id": "S"}, "therapy_lines": lines, "observations": observations}


@QUICK
@given(document=versions())
def test_statuses_are_those_of_the_table_and_old_values_stay_in_the_history(
    tell: Any, document: dict[str, Any]
) -> None:
    records = records_of(document)
    finder, model = tell(records)
    told = {
        resource["id"]: resource
        for resource in everything(finder, model, patient_of(records), (("_lastUpdated", "ge2000"),))
        if resource["resourceType"] == "Observation" and not resource["id"].startswith("call.")
    }
    rows = model.results(records[0].patient.key, 500, all_states=True)
    assert told.keys() == {str(row.result) for row in rows}
    for identifier, resource in told.items():
        check(resource)
        view = model.observation(rows[0].result if identifier == str(rows[0].result) else rows[-1].result)
        assert view is not None
        status_is_right(resource, view)
        history_is_whole(finder, resource, view)


def status_is_right(resource: dict[str, Any], view: ObservationView) -> None:
    counting = standing(version.observation for version in view.versions)
    assert counting is not None
    expected = CLINICAL_5_2[counting.version.status.strip()]
    if counting.version.status_class == "corrected":
        expected = "corrected"  # V and B with another value are corrections
    assert resource["status"] == ("entered-in-error" if view.row.state in ("removed", "moved") else expected)
    if resource["status"] in ("entered-in-error", "cancelled", "registered"):
        assert not any(name.startswith("value") for name in resource)
        assert "interpretation" not in resource
        assert "component" not in resource


def history_is_whole(finder: Finder, resource: dict[str, Any], view: ObservationView) -> None:
    known = finder.history(resource["id"])
    assert known is not None
    readings, _, _ = known
    assert {reading.version.version for reading in readings} == {version.version for version in view.versions}
    assert readings[0].version.version == view.row.version
    assert len({reading.resource["meta"]["versionId"] for reading in readings}) == len(readings)
    for reading in readings:
        check(reading.resource)
        sent = extension(reading.resource, "as-received")
        own = reading.version.observation
        assert sent["value"] == [own.value.text] or own.value.missing == "empty"
        own_status = CLINICAL_5_2[own.status.strip()]
        assert reading.resource["status"] in (own_status, "corrected")
        if reading.resource["status"] != own_status:
            assert own.status in ("V", "B")
