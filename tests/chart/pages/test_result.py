"""One result: every version it had, what its corrections changed, and the reviews that wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.domain.views import ResultRow
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case

Browser = Callable[..., TestClient]


@pytest.fixture
def corrected(synthetic: Case, read_model: ReadModel) -> ResultRow:
    """The VEGF whose correction took alerts back."""
    rows = [row for row in read_model.results(synthetic.patient.key, limit=500) if row.corrected]
    return min((row for row in rows if row.analyte == "VEGF"), key=lambda row: row.collected_at)


def test_every_version_stands_there_and_the_old_value_is_struck_through(
    client_as: Browser, synthetic: Case, corrected: ResultRow, read_model: ReadModel
) -> None:
    answer = client_as("viewer").get(f"/patients/{synthetic.chart_id}/results/{corrected.result}")
    versions = read_model.versions(corrected.result)
    assert len(versions) > 1
    for version in versions:
        shown = f"<strong>{version.text}</strong>" if version.counts else f"<del>{version.text}</del> replaced"
        assert shown in answer.text
    assert f"corrected from “{versions[0].text}”" in said(answer)
    assert "corrected (C)" in said(answer)


def test_what_a_correction_changed_is_listed(
    client_as: Browser, synthetic: Case, corrected: ResultRow, read_model: ReadModel
) -> None:
    answer = client_as("viewer").get(f"/patients/{synthetic.chart_id}/results/{corrected.result}")
    page = said(answer).split("What its corrections changed")[1].split("What rests on it")[0]
    before = read_model.versions(corrected.result)[0].text
    assert "alert VEGF progression confirmed was withdrawn: 187 pg/mL is now 78 pg/mL." in page
    assert f"<del>{before}</del>" in answer.text
    assert "Line 1, VEGF:" in page
    assert "VEGF progression (PDV) confirmed → complete VEGF response (CRV) unconfirmed" in page


def test_a_result_that_was_never_corrected_says_so(client_as: Browser, case_report: Case) -> None:
    path = f"/patients/{case_report.chart_id}/results/{case_report.result('t2-vegf')}"
    page = said(client_as("viewer").get(path))
    assert "It was never corrected." in page
    assert "Line 1, VEGF: Complete VEGF response (CRV), confirmed" in page


def test_only_the_laboratory_may_decide_on_a_repair(client_as: Browser, case_report: Case) -> None:
    path = f"/patients/{case_report.chart_id}/results/{case_report.result('t0-igg')}"
    laboratory = client_as("laboratory").get(path)
    assert "Accept the repaired reading" in said(laboratory)
    assert "Repaired reading: 11.29 g/L, interval 8.6 to 17.4." in said(laboratory)
    ward = client_as("clinician").get(path)
    assert "repair_reviewed" not in ward.text
    assert "It waits for the laboratory's review: DQ-01." in said(ward)


def test_a_result_leads_to_the_patient_who_has_it(client_as: Browser, case_report: Case, synthetic: Case) -> None:
    result = case_report.result("t2-vegf")
    answer = client_as("viewer").get(f"/patients/{synthetic.chart_id}/results/{result}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/patients/{case_report.chart_id}/results/{result}"


def test_an_unknown_result_is_a_sentence(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}/results/{uuid4()}")
    assert answer.status_code == 404
    assert "There is no such result here." in said(answer)


def test_the_look_is_written_down(client_as: Browser, console: Console, case_report: Case) -> None:
    result = case_report.result("t2-vegf")
    client_as("viewer").get(f"/patients/{case_report.chart_id}/results/{result}")
    [look] = console.audit.looks(person="viewer")
    assert (look.what, look.patient, look.subject) == ("result", str(case_report.chart_id), str(result))


def test_an_implausible_value_waits_for_the_laboratorys_word(
    client_as: Browser, synthetic: Case, read_model: ReadModel
) -> None:
    held = next(row for row in read_model.results(synthetic.patient.key, limit=500) if "IMPLAUSIBLE" in row.held)
    page = client_as("laboratory").get(f"/patients/{synthetic.chart_id}/results/{held.result}")
    assert 'name="repair_rule_id" value="implausible_value"' in page.text
    assert "outside the plausible window of the analyte" in said(page)
    assert "Accept: the value is right" in said(page)
