"""What a machine may not do to the API: searches that cost too much, numbers that no page has."""

from __future__ import annotations

import pytest
from fhir_client import Fhir, Fill, patient_of, story

from services.chart.domain.fhir.searching import MOST_VALUES


@pytest.mark.parametrize("given", [{"code": ",".join(["x"] * (MOST_VALUES + 1))}, {"_id": ",".join("x" * 30_000)}])
def test_a_search_of_too_many_values_is_not_begun(fhir: Fhir, fill: Fill, given: dict[str, str]) -> None:
    fill(story("case-report"))
    asked = {"patient": patient_of(story("case-report"))} | given
    answer = fhir.client.post("/fhir/Observation/_search", data=asked)
    assert answer.status_code == 400
    assert [issue["code"] for issue in answer.json()["issue"]] == ["too-costly"]


def test_as_many_as_are_allowed_are_answered(fhir: Fhir, fill: Fill) -> None:
    fill(story("case-report"))
    codes = ",".join(["VEGF"] * (MOST_VALUES - 1))
    asked = {"patient": patient_of(story("case-report")), "code": codes}
    assert fhir.client.post("/fhir/Observation/_search", data=asked).status_code == 200


@pytest.mark.parametrize("digits", [20, 5000])
@pytest.mark.parametrize("name", ["_count={0}", "_page=call~{0}", "_page=result~{0}.{1}", "_page=result~1.{0}"])
def test_a_number_that_no_page_has_is_no_defect(fhir: Fhir, fill: Fill, name: str, digits: int) -> None:
    fill(story("case-report"))
    patient = patient_of(story("case-report"))
    answer = fhir.client.get(f"/fhir/Observation?patient={patient}&{name.format('9' * digits, patient)}")
    assert answer.status_code in (200, 400)
