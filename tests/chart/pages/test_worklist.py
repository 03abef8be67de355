"""The work list and the page of an alert: what waits, for whom, and answers through a real notify."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.security import LIVE
from services.chart.domain.views import AlertRow
from tests.chart.conftest import sign_in
from tests.chart.pages.conftest import Fill
from tests.chart.pages.notify_beside import Notify, notify
from tests.chart.pages.stories import Case

pytestmark = pytest.mark.usefixtures("synthetic")

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def beside(tmp_path: Path, synthetic: Case, fill: Fill) -> Iterator[Notify]:
    """A notify that knows the synthetic patient's alerts, and has told nobody yet."""
    with notify(tmp_path) as running:
        running.alerts(synthetic.published)
        fill(running.actions(synthetic.published))
        yield running


@pytest.fixture
def answering(make_console: Callable[..., Console], beside: Notify) -> Console:
    return make_console(notify=beside.address)


def the_alert(read_model: ReadModel, kind: str) -> AlertRow:
    return next(row for row in read_model.alerts(waiting=True) if row.kind == kind)


def a_form(browser: TestClient, **fields: Any) -> dict[str, Any]:
    return {"csrf_token": browser.csrf, "request_id": str(uuid4())} | fields  # type: ignore[attr-defined]


def test_what_waits_for_the_ward_is_listed_most_urgent_first_and_without_the_laboratorys(
    client_as: Callable[..., TestClient], synthetic: Case, read_model: ReadModel
) -> None:
    page = client_as("clinician").get("/")
    assert page.status_code == 200
    shown = re.findall(r'id="alert-([0-9a-f-]+)"', page.text)
    waiting = [str(row.alert) for row in read_model.alerts(waiting=True, tiers=("P1", "P2"))]
    assert shown == waiting
    assert waiting
    assert synthetic.patient.id in page.text
    questions = [str(row.alert) for row in read_model.alerts(waiting=True, tiers=("DQ",))]
    assert questions
    assert not set(questions) & set(shown)
    laboratory = client_as("laboratory").get("/")
    assert re.findall(r'id="alert-([0-9a-f-]+)"', laboratory.text) == questions


def test_only_those_who_may_answer_get_a_button(client_as: Callable[..., TestClient]) -> None:
    assert "/answer" in client_as("clinician").get("/?view=ward").text
    for role in ("viewer", "laboratory", "administrator"):
        assert "/answer" not in client_as(role).get("/?view=ward").text


def test_the_list_is_paged_and_an_address_of_somebody_else_is_refused(
    client_as: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chart.adapters.web.pages.worklist.PAGE", 1)
    browser = client_as("viewer")
    seen: list[str] = []
    address = "/?shown=all"
    while address:
        page = browser.get(address).text
        seen += re.findall(r'id="alert-([0-9a-f-]+)"', page)
        found = re.search(r'class="button" href="([^"]+)">More', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) > 2
    assert browser.get("/?after=nonsense").status_code == 400


def test_a_list_that_refreshes_itself_is_one_look(client_as: Callable[..., TestClient], console: Console) -> None:
    browser = client_as("clinician")
    browser.get("/")
    browser.get("/", headers=FRAGMENT | {LIVE: "1"})
    assert [look.what for look in console.audit.looks()] == ["work list"]


def test_an_alert_shows_what_it_rests_on_and_its_look_is_written_down(
    client_as: Callable[..., TestClient], synthetic: Case, console: Console, read_model: ReadModel
) -> None:
    retracted = next(row for row in read_model.alerts(waiting=None) if row.fact_state == "retracted")
    page = client_as("viewer").get(f"/alerts/{retracted.alert}")
    assert page.status_code == 200
    assert "This alert is withdrawn" in page.text
    assert "<del>" in page.text
    view = read_model.alert(retracted.alert)
    assert view is not None
    assert view.corrections
    for change in view.corrections:
        assert change.before in page.text
    assert [(look.what, look.patient) for look in console.audit.looks()] == [("alert", str(synthetic.chart_id))]
    assert client_as("viewer").get(f"/alerts/{uuid4()}").status_code == 404


def test_an_alert_is_acknowledged_in_place_and_the_read_model_follows(
    client_as: Callable[..., TestClient], answering: Console, beside: Notify, synthetic: Case,
    read_model: ReadModel, fill: Fill,
) -> None:  # fmt: skip
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician", console=answering)
    form = browser.get(f"/alerts/{row.alert}/answer", headers=FRAGMENT)
    assert "I will act on it" in form.text
    assert "M. Lee" in form.text
    fields = a_form(browser, reason="will_act", comment="repeat ordered")
    first = browser.post(f"/alerts/{row.alert}/acknowledge", data=fields, headers=FRAGMENT)
    assert "Acknowledged by clinician: I will act on it." in first.text
    again = browser.post(f"/alerts/{row.alert}/acknowledge", data=fields, headers=FRAGMENT)
    assert "Acknowledged by clinician" in again.text
    fill(beside.actions(synthetic.published))
    after = read_model.alert_row(row.alert)
    assert after is not None
    assert (after.state, after.waiting, after.acknowledged_by) == ("acknowledged", False, "clinician")
    page = browser.get(f"/alerts/{row.alert}").text
    assert page.count("acknowledged: I will act on it") == 1
    assert "repeat ordered" in page


def test_of_two_people_the_second_is_told_who_was_first(
    client_as: Callable[..., TestClient], answering: Console, read_model: ReadModel
) -> None:
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    one, other = client_as("clinician", console=answering), client_as(None, console=answering)
    sign_in(answering, other, "clinician")
    one.post(f"/alerts/{row.alert}/acknowledge", data=a_form(one, reason="will_act"))
    late = other.post(f"/alerts/{row.alert}/acknowledge", data=a_form(other, reason="expected"))
    assert late.status_code == 409
    assert "clinician acknowledged this alert" in late.text


@pytest.mark.parametrize(
    ("fields", "says"),
    [({}, "Choose a reason"), ({"reason": "other"}, "needs a comment"), ({"reason": "made_up"}, "Choose a reason")],
    ids=["none", "other without a comment", "not of the list"],
)
def test_a_reason_is_needed_and_what_was_filled_in_stays(
    client_as: Callable[..., TestClient], answering: Console, read_model: ReadModel,
    fields: dict[str, str], says: str,
) -> None:  # fmt: skip
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician", console=answering)
    refused = browser.post(f"/alerts/{row.alert}/acknowledge", data=a_form(browser, **fields))
    assert refused.status_code == 422
    assert says in refused.text
    beside_it = browser.post(f"/alerts/{row.alert}/acknowledge", data=a_form(browser, **fields), headers=FRAGMENT)
    assert says in beside_it.text
    assert "<form" not in beside_it.text


def test_a_critical_alert_is_read_back_in_full_or_not_at_all(
    client_as: Callable[..., TestClient], answering: Console, beside: Notify, synthetic: Case,
    read_model: ReadModel, fill: Fill,
) -> None:  # fmt: skip
    row = the_alert(read_model, "CRITICAL_RESULT")
    browser = client_as("clinician", console=answering)
    url = f"/alerts/{row.alert}/read-back"
    half = browser.post(url, data=a_form(browser, by="ward 4", name="yes", identifier="yes"))
    assert half.status_code == 422
    done = browser.post(url, data=a_form(browser, by="ward 4", name="yes", identifier="yes", result="yes", back="/"))
    assert (done.status_code, done.headers["location"]) == (303, "/")
    fill(beside.actions(synthetic.published))
    after = read_model.alert_row(row.alert)
    assert after is not None
    assert (after.state, after.waiting) == ("read_back", False)


def test_an_alert_is_silenced_and_passed_on(
    client_as: Callable[..., TestClient], answering: Console, beside: Notify, synthetic: Case,
    read_model: ReadModel, fill: Fill,
) -> None:  # fmt: skip
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician", console=answering)
    passed = browser.post(
        f"/alerts/{row.alert}/reassign", data=a_form(browser, to="a.roy", reason="leave"), headers=FRAGMENT
    )
    assert "It is with a.roy now" in passed.text
    silent = browser.post(f"/alerts/{row.alert}/snooze", data=a_form(browser, minutes="60"), headers=FRAGMENT)
    assert "Silent until" in silent.text
    assert "not offered" in browser.post(
        f"/alerts/{row.alert}/snooze", data=a_form(browser, minutes="99999"), headers=FRAGMENT
    ).text  # fmt: skip
    fill(beside.actions(synthetic.published))
    after = read_model.alert_row(row.alert)
    assert after is not None
    assert (after.state, after.assigned_to) == ("snoozed", "a.roy")


def test_data_questions_are_the_laboratorys_and_alerts_the_wards(
    client_as: Callable[..., TestClient], answering: Console, read_model: ReadModel
) -> None:
    question = next(row for row in read_model.alerts(waiting=True, tiers=("DQ",)))
    alert = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    for role, row in (("clinician", question), ("laboratory", alert), ("administrator", alert), ("viewer", alert)):
        browser = client_as(role, console=answering)
        answer = browser.post(f"/alerts/{row.alert}/acknowledge", data=a_form(browser, reason="will_act"))
        assert answer.status_code == 403, role
    laboratory = client_as("laboratory", console=answering)
    done = laboratory.post(
        f"/alerts/{question.alert}/acknowledge", data=a_form(laboratory, reason="data_problem_solved")
    )
    assert done.status_code == 303


def test_without_notify_the_list_is_readable_and_nothing_is_pretended(
    client_as: Callable[..., TestClient], read_model: ReadModel
) -> None:
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician")
    assert browser.get("/").status_code == 200
    assert "notify does not answer" in browser.get(f"/alerts/{row.alert}").text
    answer = browser.post(f"/alerts/{row.alert}/acknowledge", data=a_form(browser, reason="will_act"))
    assert answer.status_code == 503
    assert "It is not certain that your answer was recorded." in answer.text


def test_a_form_that_comes_back_refused_is_the_same_form_when_it_is_sent_again(
    client_as: Callable[..., TestClient], read_model: ReadModel
) -> None:
    row = the_alert(read_model, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician")
    form = a_form(browser, reason="will_act", comment="seen")
    page = browser.post(f"/alerts/{row.alert}/acknowledge", data=form).text
    acknowledge = page[page.index(f'action="/alerts/{row.alert}/acknowledge"') :]
    assert form["request_id"] in acknowledge[: acknowledge.index("</form>")]
    assert page.count(form["request_id"]) == 1, "an answer of another kind is another request"


def test_open_pages_hear_of_a_change_and_of_nothing_else(
    client_as: Callable[..., TestClient], synthetic: Case, console: Console, read_model: ReadModel
) -> None:
    browser = client_as("viewer")
    session = browser.cookies
    assert session
    with browser.stream("GET", "/events", headers={"accept": "text/event-stream"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        first = [next(lines) for _ in range(3)]
        assert first == ["retry: 3000", "event: change", f"data: {read_model.newest_change()}"]
        console.sessions.end(str(next(iter(session.values()))), console.now())  # so that the stream ends by itself
        rest = "\n".join(lines)
    assert "event: over" in rest
    assert synthetic.patient.id not in rest
