"""The case report's patient through ``/fhir``: the numbers as printed, the calls as made, nothing claimed beyond."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fhir_client import Fhir, Fill, patient_of, story
from fhir_oracle import check, codes, component, extension

from refrain.contracts.fhir_names import LOINC

FHIR = "http%3A%2F%2Fhl7.org%2Ffhir%2F"


@pytest.fixture(autouse=True)
def told(fill: Fill) -> None:
    fill(story("case-report"))


@pytest.fixture
def patient() -> str:
    return patient_of(story("case-report"))


def test_everything_of_the_patient_is_valid(fhir: Fhir, patient: str) -> None:
    check(fhir.get(f"Patient/{patient}"))
    found = {
        kind: fhir.all(f"{kind}?patient={patient}&_count=7")
        for kind in ("Observation", "DiagnosticReport", "Flag", "DetectedIssue")
    }
    for resources in found.values():
        assert resources
        for resource in resources:
            check(resource)
            assert fhir.get(f"{resource['resourceType']}/{resource['id']}") == resource


def test_a_repaired_value_stays_beside_the_received_one(fhir: Fhir, patient: str) -> None:
    [first, *_] = [
        found for found in fhir.all(f"Observation?patient={patient}&code=IGG") if component(found, "repaired")
    ]
    received, repaired, reading = first["valueQuantity"], component(first, "repaired"), component(first, "reading")
    assert repaired is not None
    assert reading is not None
    assert (repaired["valueQuantity"]["value"], repaired["valueQuantity"]["unit"]) == (received["value"], "g/L")
    assert received["unit"] == "mg/L"
    assert extension(repaired, "repair")["rule"] == extension(reading, "repair")["rule"]
    assert extension(repaired, "repair")["review"] == ["pending"]
    assert extension(first, "judgement")["usable"] == [False]
    assert "REVIEW_PENDING" in extension(first, "judgement")["held"]


def test_digits_are_those_of_the_laboratory(fhir: Fhir, patient: str) -> None:
    answer = fhir.client.get(f"/fhir/Observation?patient={patient}&code=VEGF&_count=200").text
    assert '"value":247.26' in answer
    assert Decimal("42.35") in [
        found.get("valueQuantity", {}).get("value") for found in fhir.all(f"Observation?patient={patient}&code=VEGF")
    ]


def test_a_candidate_is_never_the_value_of_a_call(fhir: Fhir, patient: str) -> None:
    calls = fhir.all(f"Observation?patient={patient}&category=refrain-call")
    by_axis = {codes([call["code"]])[0]: call for call in calls}
    hematologic = by_axis["HEMATOLOGIC"]
    assert codes([hematologic["valueCodeableConcept"]]) == ["NEH"]
    assert hematologic["status"] == "preliminary"
    candidate = component(hematologic, "candidate")
    assert candidate is not None
    assert codes([candidate["valueCodeableConcept"]]) == ["CRH"]
    assert "URINE_IFE_MISSING" in extension(hematologic, "judgement")["reason"]
    for call in calls:
        for reference in call.get("derivedFrom", ()):
            fhir.get(reference["reference"])


@pytest.mark.parametrize(
    ("kind", "system"),
    [
        ("Observation", "observation-status"), ("DiagnosticReport", "diagnostic-report-status"),
        ("Flag", "flag-status"), ("DetectedIssue", "observation-status"),
    ],
)  # fmt: skip
def test_a_status_is_found_with_the_code_system_that_fhir_gives_it(
    fhir: Fhir, patient: str, kind: str, system: str
) -> None:
    everything = fhir.all(f"{kind}?patient={patient}")
    for status in {each["status"] for each in everything}:
        of_system = fhir.all(f"{kind}?patient={patient}&status={FHIR}{system}|{status}")
        assert of_system == [each for each in everything if each["status"] == status]
    assert fhir.all(f"{kind}?patient={patient}&status={FHIR}other|{everything[0]['status']}") == []


def test_what_a_flag_and_an_issue_rest_on_stands_where_fhir_has_a_place_for_it(fhir: Fhir, patient: str) -> None:
    for flag in fhir.all(f"Flag?patient={patient}"):
        urls = [each["url"] for each in flag["extension"] if "valueReference" in each]
        assert set(urls) == {"http://hl7.org/fhir/StructureDefinition/flag-detail"}
    for issue in fhir.all(f"DetectedIssue?patient={patient}"):
        details = [each for evidence in issue["evidence"] for each in evidence["detail"]]
        assert details == issue["implicated"]


def test_loinc_stands_beside_the_code_as_received(fhir: Fhir, patient: str) -> None:
    [first, *_] = fhir.all(f"Observation?patient={patient}&code={LOINC}|34694-0")
    systems = {each["system"]: each["code"] for each in first["code"]["coding"]}
    assert systems[LOINC] == "34694-0"
    [loinc] = [each for each in first["code"]["coding"] if each["system"] == LOINC]
    assert "display" not in loinc, "the laboratory's name is none of LOINC's"
    assert first["code"]["text"]
    assert extension(first, "as-received")["code"]
