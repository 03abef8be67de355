"""Recording what happened, through a real intake: what is said arrives, once, and only from those who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from refrain.contracts.events import (
    CareEvent,
    ClinicalFinding,
    Drug,
    LineStarted,
    RepairReviewed,
    RuleSetAssigned,
    SeriesJoined,
)
from refrain.contracts.topics import CARE_EVENTS
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from tests.chart.pages.conftest import Fill
from tests.chart.pages.engines_beside import engines
from tests.chart.pages.intake_beside import Intake, intake
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case

Browser = Callable[..., TestClient]
OPENED = "2026-05-04T08:00:00+00:00"
NOW = datetime(2026, 5, 4, 8, 5, tzinfo=UTC)
DRUG = {"drug": "bevacizumab", "first": "2026-05-02", "dose": "5 mg/kg", "status": "given"}


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Intake]:
    with intake(tmp_path) as running:
        yield running


@pytest.fixture
def recording(make_console: Callable[..., Console], beside: Intake) -> Console:
    return make_console(intake=beside.address, now=lambda: NOW)


@pytest.fixture
def ward(client_as: Browser, recording: Console) -> TestClient:
    return client_as("clinician", console=recording)


@pytest.fixture
def laboratory(client_as: Browser, recording: Console) -> TestClient:
    return client_as("laboratory", console=recording)


def send(browser: TestClient, case: Case, kind: str, /, **filled: str) -> Response:
    form = {"request_id": str(uuid4()), "known_from": OPENED, "key": "", "do": "record"} | filled
    return browser.post(f"/patients/{case.chart_id}/record/{kind}", data=form)


def test_what_is_filled_in_arrives_as_it_was_said(ward: TestClient, beside: Intake, case_report: Case) -> None:
    answer = send(ward, case_report, "drug", **DRUG)
    [event] = beside.recorded
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/patients/{case_report.chart_id}?recorded={event.event_id}"
    assert event.patient == case_report.patient
    assert event.known_from == datetime.fromisoformat(OPENED)
    assert event.body == Drug(drug="bevacizumab", first=date(2026, 5, 2), last=date(2026, 5, 2), dose="5 mg/kg")


@pytest.mark.parametrize(
    ("kind", "filled"),
    [
        ("line_started", {"line": "2", "start": "2026-05-04", "rule_set": "poems", "plan": "bortezomib\ntransplant"}),
        ("rule_set_assigned", {"line": "1", "rule_set": "poems-pumch"}),
        ("line_stopped", {"line": "1", "end": "2026-05-04", "reason": "toxicity"}),
        ("transplant", {"on": "2026-05-04", "kind": "autologous"}),
        ("collection", {"on": "2026-05-04", "cell": "CD34+", "number": "5.03", "unit": "10*6/kg"}),
        ("engraftment", {"on": "2026-05-04", "cell": "neutrophils"}),
        ("infection", {"name": "pneumonia", "onset": "2026-05-01"}),
        ("clinical_finding", {"on": "2026-05-04", "new_feature": "ascites"}),
        ("clone_stated", {"heavy": "IgA", "light": "lambda", "evidence": "serum immunofixation"}),
    ],
)
def test_every_form_of_the_ward_records(
    ward: TestClient, beside: Intake, case_report: Case, kind: str, filled: dict[str, str]
) -> None:
    assert "(needed)" in said(ward.get(f"/patients/{case_report.chart_id}/record/{kind}")) or kind == "clone_stated"
    assert send(ward, case_report, kind, **filled).status_code == 303
    [event] = beside.recorded
    said_back = event.body.model_dump(mode="json")
    assert event.body.type == kind
    for name, text in filled.items():
        assert said_back[name] in (text, text.splitlines(), int(text) if text.isdigit() else text)


def test_a_visit_is_recorded_with_symptoms_and_scores(ward: TestClient, beside: Intake, case_report: Case) -> None:
    filled = {"on": "2026-05-04", "symptom_0": "leg weakness", "course_0": "worse", "score_ONLS": "4",
              "findings": "edema of both legs\nno fever"}  # fmt: skip
    assert send(ward, case_report, "clinical_finding", **filled).status_code == 303
    assert beside.recorded[0].body == ClinicalFinding(
        on=date(2026, 5, 4), symptoms={"leg weakness": "worse"}, scores={"ONLS": Decimal(4)},
        findings=("edema of both legs", "no fever"),
    )  # fmt: skip


def test_two_visits_of_one_day_are_two_events(ward: TestClient, beside: Intake, case_report: Case) -> None:
    for symptom in ("numbness", "weakness"):
        send(ward, case_report, "clinical_finding", on="2026-05-04", symptom_0=symptom, course_0="better")
    assert len({event.key for event in beside.recorded}) == 2


def test_a_form_sent_twice_is_one_event(ward: TestClient, beside: Intake, case_report: Case) -> None:
    request = str(uuid4())
    for _ in range(2):
        send(ward, case_report, "drug", **DRUG, request_id=request)
    assert len({event.event_id for event in beside.recorded}) == 1


def test_the_same_said_in_another_form_is_said_anew(ward: TestClient, beside: Intake, case_report: Case) -> None:
    for _ in range(2):
        send(ward, case_report, "drug", **DRUG)
    assert len({event.event_id for event in beside.recorded}) == 2
    assert len({event.key for event in beside.recorded}) == 1


def test_the_page_says_that_it_is_coming_and_then_that_it_is_there(
    ward: TestClient, beside: Intake, case_report: Case, fill: Fill
) -> None:
    there = send(ward, case_report, "drug", **DRUG).headers["location"]
    assert "Recorded; it will be on the page in a moment." in said(ward.get(there))
    waits = f"/patients/{case_report.chart_id}/recorded/{beside.recorded[0].event_id}"
    assert "it will be on the page in a moment" in said(ward.get(waits))
    fill(beside.published)
    assert "Recorded, and known here." in said(ward.get(waits))
    page = said(ward.get(f"/patients/{case_report.chart_id}"))
    assert "bevacizumab 5 mg/kg" in page
    assert "bevacizumab: acts until 2026-08-10" in page


def test_what_is_missing_is_said_beside_its_input_and_nothing_is_lost(
    ward: TestClient, beside: Intake, case_report: Case
) -> None:
    answer = send(ward, case_report, "drug", drug="bevacizumab", dose="5 mg/kg", status="given")
    assert answer.status_code == 422
    assert 'id="first-wrong"' in answer.text
    assert "Fill this in." in said(answer)
    assert 'value="5 mg/kg"' in answer.text
    assert beside.recorded == []


@pytest.mark.parametrize(
    ("kind", "filled", "field"),
    [
        pytest.param("drug", DRUG | {"last": "2026-05-01"}, "last", id="it ends before it begins"),
        pytest.param("drug", DRUG | {"first": "yesterday"}, "first", id="no date"),
        pytest.param("line_stopped", {"line": "one", "end": "2026-05-04"}, "line", id="no number"),
        pytest.param("clinical_finding", {"on": "2026-05-04", "score_ONLS": "four"}, "scores", id="a score in words"),
        pytest.param("clinical_finding", {"on": "2026-05-04"}, "symptoms", id="a visit that says nothing"),
        pytest.param(
            "clinical_finding", {"on": "2026-05-04", "symptom_0": "numbness"}, "symptoms", id="a symptom without course"
        ),
        pytest.param("clone_stated", {"evidence": "x"}, "heavy", id="no chain at all"),
    ],
)
def test_what_cannot_be_is_said_beside_its_input(
    ward: TestClient, beside: Intake, case_report: Case, kind: str, filled: dict[str, str], field: str
) -> None:
    answer = send(ward, case_report, kind, **filled)
    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert beside.recorded == []


def test_a_line_that_is_recorded_already_is_corrected_not_opened_again(
    ward: TestClient, beside: Intake, case_report: Case
) -> None:
    answer = send(ward, case_report, "line_started", line="1", start="2026-05-04", rule_set="poems")
    assert answer.status_code == 422
    assert "Line 1 is recorded already, from 2025-01-06. Correct that entry instead." in said(answer)
    assert beside.recorded == []


def test_a_recorded_event_is_corrected_under_its_key(
    ward: TestClient, beside: Intake, case_report: Case, read_model: ReadModel, fill: Fill
) -> None:
    key = case_report.patient.key
    known = next(event for event in read_model.care_events(key) if event.body.type == "line_started")
    form = ward.get(f"/patients/{case_report.chart_id}/record/line_started?event={known.event_id}")
    assert f'name="key" value="{known.key}"' in form.text
    assert 'value="2025-01-06"' in form.text
    answer = send(
        ward, case_report, "line_started", key=known.key, line="1", start="2025-01-05", rule_set="poems", plan="DKRd"
    )
    assert answer.status_code == 303
    fill(beside.published)
    [line] = [
        event.body for event in read_model.care_events(case_report.patient.key) if isinstance(event.body, LineStarted)
    ]
    assert (line.start, line.plan) == (date(2025, 1, 5), ("DKRd",))


def test_a_correction_keeps_the_scores_that_the_form_does_not_show(
    ward: TestClient, beside: Intake, case_report: Case, fill: Fill
) -> None:
    first = ClinicalFinding(on=date(2026, 5, 4), scores={"ECOG": Decimal(1), "ONLS": Decimal(4)})
    known = CareEvent(patient=case_report.patient, occurred_at=NOW, recorded_at=NOW, key="visit", body=first)
    fill([(CARE_EVENTS, known.identified())])
    send(ward, case_report, "clinical_finding", key="visit", on="2026-05-04", score_ONLS="3")
    assert beside.recorded[0].body == ClinicalFinding(
        on=date(2026, 5, 4), scores={"ECOG": Decimal(1), "ONLS": Decimal(3)}
    )


def test_an_event_that_never_happened_is_withdrawn_whole(
    ward: TestClient, beside: Intake, case_report: Case, read_model: ReadModel, fill: Fill
) -> None:
    key = case_report.patient.key
    known = next(event for event in read_model.care_events(key) if event.body.type == "collection")
    assert send(ward, case_report, "collection", key=known.key, do="withdraw").status_code == 303
    assert (beside.recorded[0].withdrawn, beside.recorded[0].body) == (True, known.body)
    fill(beside.published)
    assert known.key not in {event.key for event in read_model.care_events(key)}


def test_what_was_withdrawn_meanwhile_is_not_corrected(ward: TestClient, beside: Intake, case_report: Case) -> None:
    answer = send(ward, case_report, "drug", **DRUG, key="gone")
    assert answer.status_code == 409
    assert "withdrawn or changed in the meantime" in said(answer)
    assert beside.recorded == []


def test_while_intake_is_away_nothing_is_lost_and_nothing_promised(
    make_console: Callable[..., Console], client_as: Browser, case_report: Case
) -> None:
    alone = make_console(now=lambda: NOW)
    answer = send(client_as("clinician", console=alone), case_report, "drug", **DRUG)
    assert answer.status_code == 503
    assert "intake does not answer" in said(answer)
    assert "the same form is recorded once only" in said(answer)
    assert 'value="bevacizumab"' in answer.text


def test_while_kafka_is_away_nothing_is_promised(ward: TestClient, beside: Intake, case_report: Case) -> None:
    beside.house.door.away = True
    request = str(uuid4())
    answer = send(ward, case_report, "drug", **DRUG, request_id=request)
    assert answer.status_code == 503
    assert f'name="request_id" value="{request}"' in answer.text
    beside.house.door.away = False
    assert send(ward, case_report, "drug", **DRUG, request_id=request).status_code == 303


@pytest.mark.parametrize("role", ["viewer", "laboratory", "administrator"])
def test_only_the_ward_records(
    client_as: Browser, recording: Console, beside: Intake, case_report: Case, role: str
) -> None:
    browser = client_as(role, console=recording)
    assert send(browser, case_report, "drug", **DRUG).status_code == 403
    assert browser.get(f"/patients/{case_report.chart_id}/record/drug").status_code == 403
    assert beside.recorded == []


def test_nothing_is_recorded_without_the_token_of_a_page(ward: TestClient, beside: Intake, case_report: Case) -> None:
    del ward.headers["X-CSRF-Token"]
    assert send(ward, case_report, "drug", **DRUG).status_code == 403
    assert beside.recorded == []


def test_the_laboratory_decides_on_a_repair(
    laboratory: TestClient, beside: Intake, case_report: Case, recording: Console
) -> None:
    result = case_report.result("t0-igg")
    filled = {"result": str(result), "repair_rule_id": "DQ-01", "decision": "accepted"}
    answer = send(laboratory, case_report, "repair_reviewed", **filled)
    assert answer.headers["location"].startswith(f"/patients/{case_report.chart_id}/results/{result}?recorded=")
    assert beside.recorded[0].body == RepairReviewed(
        result=result, repair_rule_id="DQ-01", decision="accepted", by="laboratory", at=datetime.fromisoformat(OPENED)
    )
    looks = recording.audit.looks(person="laboratory", patient=str(case_report.chart_id))
    assert "recorded repair_reviewed" in {look.what for look in looks}


def test_the_ward_does_not_decide_on_a_repair(ward: TestClient, beside: Intake, case_report: Case) -> None:
    filled = {"result": str(case_report.result("t0-igg")), "repair_rule_id": "DQ-01", "decision": "accepted"}
    assert send(ward, case_report, "repair_reviewed", **filled).status_code == 403
    assert beside.recorded == []


def test_a_repair_of_another_patient_is_not_decided_here(
    laboratory: TestClient, beside: Intake, case_report: Case, synthetic: Case
) -> None:
    filled = {"result": str(case_report.result("t0-igg")), "repair_rule_id": "DQ-01", "decision": "accepted"}
    assert send(laboratory, synthetic, "repair_reviewed", **filled).status_code == 404
    assert beside.recorded == []


def test_a_decision_that_is_none_is_refused(laboratory: TestClient, beside: Intake, case_report: Case) -> None:
    filled = {"result": str(case_report.result("t0-igg")), "repair_rule_id": "DQ-01", "decision": "perhaps"}
    assert send(laboratory, case_report, "repair_reviewed", **filled).status_code == 422
    assert beside.recorded == []


def test_two_series_are_joined_by_the_laboratory(
    laboratory: TestClient, beside: Intake, synthetic: Case, read_model: ReadModel
) -> None:
    names = [view.series for view in read_model.series(synthetic.patient.key, "SFLC_K") if view.series]
    page = laboratory.get(f"/patients/{synthetic.chart_id}/join/SFLC_K")
    assert all(f'value="{name}"' in page.text for name in names)
    first, second = names[:2]
    assert first is not None
    assert second is not None
    assert send(laboratory, synthetic, "series_joined", series=second, into=first).status_code == 303
    assert beside.recorded[0].body == SeriesJoined(
        series=second, into=first, by="laboratory", at=datetime.fromisoformat(OPENED)
    )
    assert send(laboratory, synthetic, "series_joined", series=first, into=first).status_code == 422


def test_rule_sets_are_those_that_response_knows(
    tmp_path: Path, make_console: Callable[..., Console], client_as: Browser, case_report: Case
) -> None:
    path = f"/patients/{case_report.chart_id}/record/line_started"
    with engines(tmp_path, case_report) as addresses:
        form = said(client_as("clinician", console=make_console(**addresses)).get(path))
    assert "POEMS, Mayo style (poems)" in form
    away = said(client_as("clinician").get(path))
    assert "response does not answer" in away
    assert "Write the id of the rule set yourself" in away


def test_a_form_that_is_not_ours_is_refused(ward: TestClient, beside: Intake, case_report: Case) -> None:
    too_old = ({"known_from": "2026-05-03T20:00:00+00:00"}, {"known_from": "0001-01-01T00:00:00+14:00"})
    for wrong in ({"request_id": "x"}, {"known_from": "x"}, {"known_from": "2026-05-04T08:00:00"}, *too_old):
        assert send(ward, case_report, "drug", **DRUG, **wrong).status_code == 422
    assert send(ward, case_report, "nothing").status_code == 404
    assert beside.recorded == []


@pytest.mark.parametrize("opened", ["2027-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00"])
def test_a_form_opened_in_the_future_is_known_from_now(
    ward: TestClient, beside: Intake, case_report: Case, opened: str
) -> None:
    send(ward, case_report, "drug", **DRUG, known_from=opened)
    assert beside.recorded[0].known_from == NOW


def test_who_recorded_what_is_written_down(
    ward: TestClient, recording: Console, beside: Intake, case_report: Case
) -> None:
    send(ward, case_report, "drug", **DRUG)
    looks = recording.audit.looks(person="clinician", patient=str(case_report.chart_id))
    assert ("recorded drug", str(beside.recorded[0].event_id)) in {(look.what, look.subject) for look in looks}


def test_a_rule_set_is_assigned_from_when_the_form_was_opened_and_a_correction_keeps_that(
    ward: TestClient, beside: Intake, case_report: Case, fill: Fill
) -> None:
    assert send(ward, case_report, "rule_set_assigned", line="1", rule_set="poems-pumch").status_code == 303
    [event] = beside.recorded
    assert event.body == RuleSetAssigned(line=1, rule_set="poems-pumch", at=datetime.fromisoformat(OPENED))
    fill(beside.published)
    page = ward.get(f"/patients/{case_report.chart_id}").text
    assert "line 1: poems-pumch" in said(page)
    form = f"/patients/{case_report.chart_id}/record/rule_set_assigned?event={event.event_id}"
    assert f'href="{form}"' in page
    assert f'value="{event.key}"' in ward.get(form).text
    later = {"key": event.key, "known_from": NOW.isoformat()}
    assert send(ward, case_report, "rule_set_assigned", line="1", rule_set="poems", **later).status_code == 303
    corrected = beside.recorded[-1]
    assert corrected.key == event.key
    assert corrected.body == RuleSetAssigned(line=1, rule_set="poems", at=datetime.fromisoformat(OPENED))
    assert send(ward, case_report, "rule_set_assigned", do="withdraw", **later).status_code == 303
    assert beside.recorded[-1].withdrawn


def test_a_rule_set_of_no_line_is_refused_before_it_means_nothing(
    ward: TestClient, beside: Intake, case_report: Case
) -> None:
    answer = send(ward, case_report, "rule_set_assigned", line="7", rule_set="poems")
    assert answer.status_code == 422
    assert "No line 7 is recorded. Record first when it started." in said(answer)
    assert beside.recorded == []
