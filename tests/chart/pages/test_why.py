"""Why: the way of one value into its flags, the rule with its mark, the neighbours, and what the engines say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from tests.chart.pages.engines_beside import engines
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case

Browser = Callable[..., TestClient]


@pytest.fixture
def beside(tmp_path: Path, case_report: Case, make_console: Callable[..., Console]) -> Iterator[Console]:
    """A console with the three engines beside it, which know the case report's patient."""
    with engines(tmp_path, case_report) as addresses:
        yield make_console(**addresses)


def test_a_result_is_followed_from_what_came_to_what_was_judged(client_as: Browser, case_report: Case) -> None:
    page = said(client_as("viewer").get(f"/why/{case_report.result('t0-igg')}"))
    assert "Value as sent “11.29”, unit “mg/L”" in page
    assert "the unit lost a prefix (rule DQ-01, magnitude, high confidence): 11.29 g/L, interval 8.6 to 17.4" in page
    assert "waits for a person's review" in page
    assert "Interval used 8.6 to 17.4 g/L, printed with the result, repaired" in page
    assert "No: a repaired value waits for a person's review (REVIEW_PENDING)" in page


def test_a_flag_cites_its_rule_and_how_well_the_rule_is_known(client_as: Browser, case_report: Case) -> None:
    page = said(client_as("viewer").get(f"/why/{case_report.result('t2-vegf')}"))
    assert "Rule R-2 version 1.0.0, source site-policy; not verified: a clinician must sign it" in page
    assert "(unverified-needs-clinician)" in page
    assert "Upper end 160: high begins above it; the end itself is inside." in page
    assert "+19.6 %. Up or down is said from 50 % on, better or worse from 25 % on." in page


def test_what_rests_on_a_result_is_named(client_as: Browser, case_report: Case) -> None:
    page = said(client_as("viewer").get(f"/why/{case_report.result('t0-vegf')}"))
    assert "Line 1, VEGF: Complete VEGF response (CRV), confirmed (the baseline, evidence)" in page


def test_without_the_engines_the_page_is_whole_and_says_so(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/why/{case_report.result('t2-vegf')}")
    assert answer.status_code == 200
    page = said(answer)
    for engine in ("flagging", "response", "relapse"):
        assert f"not possible at present: {engine} does not answer. The rest of the page is as it should be." in page


def test_the_engines_are_asked_beside_the_read_model(client_as: Browser, beside: Console, case_report: Case) -> None:
    page = said(client_as("viewer", console=beside).get(f"/why/{case_report.result('t2-vegf')}"))
    assert "does not answer" not in page
    assert "vascular endothelial growth factor: normal (N); printed with the result; usable. Rule R-2" in page
    assert "Line 1, VEGF: complete VEGF response (CRV), confirmed. Rule POEMS-V-CRV version 1.0.0" in page
    assert "better response (RESPONSE_UPGRADE, raised): VEGF response: CRV is new" in page


def test_an_unknown_result_of_an_engine_is_said_in_words(client_as: Browser, beside: Console, synthetic: Case) -> None:
    page = said(client_as("viewer", console=beside).get(f"/why/{synthetic.result(next(iter_results(synthetic)))}"))
    assert page.count("Its ledger does not know it.") == 3


def iter_results(case: Case) -> Iterator[str]:
    return (name for name in case.timeline.names.values() if "vegf" in name)


def test_a_call_says_what_each_neighbour_asks_for_and_why_not(
    client_as: Browser, beside: Console, case_report: Case
) -> None:
    page = said(
        client_as("viewer", console=beside).get(f"/patients/{case_report.chart_id}/why/1/HEMATOLOGIC?rule_set=poems")
    )
    assert "is a candidate, not confirmed: urine immunofixation missing. Nothing is proven (NEH)" in page
    assert "Rule POEMS-H-CRH version 1.0.0 of the rule set poems (POEMS, Mayo style), source DS12-T" in page
    assert "serum and urine immunofixation negative (at most 42 days apart) and marrow without clonal" in page
    assert "not graded: the baseline was not measured as a number (BASELINE_NOT_QUANTIFIED)" in page
    assert "Response, asked just now, says the same" in page


def test_a_call_without_the_engines_is_whole(client_as: Browser, case_report: Case) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}/why/1/VEGF")
    assert answer.status_code == 200
    page = said(answer)
    assert "Complete VEGF response (CRV), confirmed" in page
    assert "not both over 1.5 x the nadir 42.35" in page
    assert "response does not answer" in page


@pytest.mark.parametrize("path", ["2/VEGF", "1/NOTHING"])
def test_a_call_that_is_not_there_is_a_sentence(client_as: Browser, case_report: Case, path: str) -> None:
    answer = client_as("viewer").get(f"/patients/{case_report.chart_id}/why/{path}")
    assert answer.status_code == 404
    assert "There is no such call." in said(answer)


def test_an_alert_cites_its_rule_its_evidence_and_the_axis(
    client_as: Browser, synthetic: Case, read_model: ReadModel
) -> None:
    [watch] = [row for row in read_model.alerts(key=synthetic.patient.key) if row.kind == "HEMATOLOGIC_RISE_WATCH"]
    page = said(client_as("viewer").get(f"/why/{watch.alert}"))
    assert "only a second sample of another date that agrees makes it more" in page
    assert "Rule " in page
    assert "hematologic axis (HEMATOLOGIC), line 1" in page
    assert "M-protein has risen, or the original band may be back (PDH unconfirmed): a second sample decides" in page


def test_what_was_withdrawn_is_struck_through_with_both_values(
    client_as: Browser, synthetic: Case, read_model: ReadModel
) -> None:
    gone = [row for row in read_model.alerts(key=synthetic.patient.key, limit=200) if row.fact_state == "retracted"]
    assert gone
    for row in gone:
        answer = client_as("viewer").get(f"/why/{row.alert}")
        view = read_model.alert(row.alert)
        assert view is not None
        assert "withdrawn" in said(answer)
        assert f"<del>{row.text}</del>" in answer.text
        for change in view.corrections:
            assert f"<del>{change.before}</del>" in answer.text


def test_an_id_that_only_an_engine_knows_is_explained(
    client_as: Browser, beside: Console, case_report: Case, read_model: ReadModel
) -> None:
    course = read_model.course(case_report.patient.key)
    assert course is not None
    page = said(client_as("viewer", console=beside).get(f"/why/{course.event_id}"))
    assert "the engines' ledgers know it" in page
    assert "Line 1, PET: complete PET response (CR-PET), needs no confirmation" in page


def test_an_id_that_nobody_knows_is_a_sentence(client_as: Browser, beside: Console) -> None:
    answer = client_as("viewer", console=beside).get(f"/why/{uuid4()}")
    assert answer.status_code == 404
    assert "Neither the read model nor an engine knows this id." in said(answer)


def test_an_id_is_not_called_unknown_while_an_engine_is_away(client_as: Browser, case_report: Case) -> None:
    assert case_report
    answer = client_as("viewer").get(f"/why/{uuid4()}")
    assert answer.status_code == 503
    assert "not every engine answers" in said(answer)


def test_every_why_is_written_down(client_as: Browser, console: Console, case_report: Case) -> None:
    result = case_report.result("t2-vegf")
    browser = client_as("viewer")
    browser.get(f"/why/{result}")
    browser.get(f"/patients/{case_report.chart_id}/why/1/VEGF")
    looks: list[Any] = console.audit.looks(person="viewer", patient=str(case_report.chart_id))
    assert [(look.what, look.subject) for look in looks] == [("why", "VEGF"), ("why", str(result))]
