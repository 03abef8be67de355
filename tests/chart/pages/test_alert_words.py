"""What pages say of an alert: nothing withdrawn as if it stood, no deadline that is none, no vain silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.domain.views import AlertRow
from services.chart.domain.worklist_words import snoozes, standing
from tests.chart.conftest import sign_in
from tests.chart.pages.conftest import Fill
from tests.chart.pages.notify_beside import Notify, notify
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case, action

Browser = Callable[..., TestClient]
FRAGMENT = {"HX-Request": "true"}
NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("synthetic")


@pytest.fixture
def rows(read_model: ReadModel) -> list[AlertRow]:
    return read_model.alerts(waiting=None, limit=200)


def row_of(rows: list[AlertRow], kind: str) -> AlertRow:
    return next(row for row in rows if row.kind == kind and row.fact_state != "retracted")


def test_a_withdrawn_alert_is_struck_wherever_it_is_named(
    client_as: Browser, rows: list[AlertRow], read_model: ReadModel
) -> None:
    withdrawn = next(row for row in rows if row.fact_state == "retracted")
    view = read_model.alert(withdrawn.alert)
    assert view is not None
    evidence = view.values[-1].evidence
    browser = client_as("viewer")
    name = "<del>VEGF progression confirmed</del>"
    pages = {
        "/?shown=all": re.search(rf'<tr id="alert-{withdrawn.alert}".*?</tr>', browser.get("/?shown=all").text, re.S),
        "alert": re.search(r"<h1>.*?</h1>", browser.get(f"/alerts/{withdrawn.alert}").text, re.S),
        "why": re.search(r"<h1>.*?</h1>", browser.get(f"/why/{withdrawn.alert}").text, re.S),
        "result": re.search(
            r'id="rests-title".*', browser.get(f"/patients/{withdrawn.chart_id}/results/{evidence.result}").text, re.S
        ),
    }
    for page, found in pages.items():
        assert found is not None, page
        assert name in found[0], page
    why = said(browser.get(f"/why/{withdrawn.alert}"))
    assert "This alert is withdrawn." in why
    assert "A rise of VEGF was confirmed by a second sample." not in why


def test_what_is_for_the_digest_does_not_look_forgotten(rows: list[AlertRow]) -> None:
    assert standing(row_of(rows, "MONITORING_GAP")) == "for the next digest"
    assert standing(row_of(rows, "VEGF_PROGRESSION_CONFIRMED")) == "nobody told yet"


def test_a_critical_alert_says_its_value_on_the_list_and_its_time_on_its_page(
    client_as: Browser, rows: list[AlertRow]
) -> None:
    critical = row_of(rows, "CRITICAL_RESULT")
    browser = client_as("clinician")
    row = re.search(rf'<tr id="alert-{critical.alert}".*?</tr>', browser.get("/").text, re.S)
    assert row is not None
    assert critical.text in said(row[0])
    assert "Platelets (PLT)" in said(row[0])
    page = said(browser.get(f"/alerts/{critical.alert}"))
    assert "Critical result: platelets PLT" in page
    assert "Critical: answer and read back within 15 minutes" in page
    assert re.search(r"platelets PLT \d{4}-\d\d-\d\d \d\d:\d\d", page), "when it was taken, to the minute"


def test_when_the_next_contact_is_told_is_no_time_to_answer_by(
    client_as: Browser, synthetic: Case, rows: list[AlertRow], fill: Fill
) -> None:
    """A critical alert is answered within 15 minutes; at 30 the second contact is told (clinical.md 17.2)."""
    critical = row_of(rows, "CRITICAL_RESULT")
    told = {"type": "told", "to": {"person": "ward", "channel": "page", "role": ""}, "occasion": "raised",
            "level": 0, "delivery": str(uuid4())}  # fmt: skip
    due = NOW + timedelta(minutes=30)
    fill([action(synthetic, critical.alert, 1, NOW, kind="CRITICAL_RESULT", tier="P1", state="delivered",
                 due_at=due, body=told)])  # fmt: skip
    browser = client_as("clinician")
    assert "Escalates" in said(browser.get("/"))
    page = said(browser.get(f"/alerts/{critical.alert}"))
    assert "without an answer the next contact is told at 2026-05-04 03:30" in page
    assert "answer by" not in page.lower()


def test_no_silence_is_offered_that_ends_after_the_hour_to_answer_by(rows: list[AlertRow]) -> None:
    confirmed, low = row_of(rows, "VEGF_PROGRESSION_CONFIRMED"), row_of(rows, "IGG_LOW_SAFETY")
    assert (confirmed.due_hours, low.due_hours) == (24, 72)
    assert [words for words, _ in snoozes(confirmed)] == ["1 hour", "4 hours"]
    assert [words for words, _ in snoozes(low)] == ["1 hour", "4 hours", "1 day"]


@pytest.fixture
def beside(tmp_path: Path, synthetic: Case, fill: Fill) -> Iterator[Notify]:
    with notify(tmp_path) as running:
        running.alerts(synthetic.published)
        fill(running.actions(synthetic.published))
        yield running


def test_a_snoozed_alert_says_until_when(
    client_as: Browser, make_console: Callable[..., Console], beside: Notify, synthetic: Case, rows: list[AlertRow],
    read_model: ReadModel, fill: Fill,
) -> None:  # fmt: skip
    row = row_of(rows, "HEMATOLOGIC_RISE_WATCH")
    browser = client_as("clinician", console=make_console(notify=beside.address))
    form = {"csrf_token": browser.csrf, "request_id": str(uuid4()), "minutes": "60"}  # type: ignore[attr-defined]
    assert "Silent until" in browser.post(f"/alerts/{row.alert}/snooze", data=form, headers=FRAGMENT).text
    fill(beside.actions(synthetic.published))
    after = read_model.alert_row(row.alert)
    assert after is not None
    assert after.snoozed_until is not None
    until = f"{after.snoozed_until.astimezone(UTC):%Y-%m-%d %H:%M}"
    page = said(browser.get(f"/alerts/{row.alert}"))
    assert f"snoozed until {until}" in page
    assert f"snoozed, until {until}" in page
    assert f"snoozed until {until}" in said(browser.get("/"))


def test_who_was_first_is_said_in_the_sites_time(
    client_as: Browser, make_console: Callable[..., Console], beside: Notify, rows: list[AlertRow]
) -> None:
    row = row_of(rows, "HEMATOLOGIC_RISE_WATCH")
    console = replace(make_console(notify=beside.address), zone=ZoneInfo("Asia/Kathmandu"))
    one, other = client_as("clinician", console=console), client_as(None, console=console)
    sign_in(console, other, "clinician")
    form = {"csrf_token": one.csrf, "request_id": str(uuid4()), "reason": "will_act"}  # type: ignore[attr-defined]
    one.post(f"/alerts/{row.alert}/acknowledge", data=form)
    before = datetime.now(console.zone) - timedelta(minutes=2)
    late = other.post(
        f"/alerts/{row.alert}/acknowledge",
        data=form | {"csrf_token": other.csrf, "request_id": str(uuid4())},  # type: ignore[attr-defined]
    )
    assert late.status_code == 409
    moments = {f"{before + timedelta(minutes=minute):%H:%M}" for minute in range(6)}
    found = re.search(r"clinician acknowledged this alert at (\d\d:\d\d), before you", late.text)
    assert found is not None
    assert found[1] in moments


def test_an_open_page_hears_that_its_alert_changed_and_of_nothing_else(
    client_as: Browser, synthetic: Case, rows: list[AlertRow], fill: Fill, console: Console
) -> None:
    row, other = row_of(rows, "HEMATOLOGIC_RISE_WATCH"), row_of(rows, "VEGF_PROGRESSION_CONFIRMED")
    browser = client_as("clinician")
    asked = re.search(r'hx-get="(/alerts/[^"]+/newer[^"]+)"', browser.get(f"/alerts/{row.alert}").text)
    assert asked is not None
    looks = len(console.audit.looks())
    taken = {"type": "acknowledged", "reason": "will_act", "comment": "", "override": False}
    actor = {"type": "person", "id": "m.lee", "role": "clinician"}

    def acknowledged(alert: AlertRow) -> None:
        fill([action(synthetic, alert.alert, 1, NOW, kind=alert.kind, state="acknowledged", actor=actor, body=taken)])

    assert "changed" not in browser.get(asked[1], headers=FRAGMENT).text
    acknowledged(other)
    assert "changed" not in browser.get(asked[1], headers=FRAGMENT).text
    acknowledged(row)
    told = browser.get(asked[1], headers=FRAGMENT).text
    assert "This alert changed since the page was made." in told
    assert f'href="/alerts/{row.alert}"' in told
    assert "m.lee" not in told
    assert len(console.audit.looks()) == looks, "it shows nothing, so it is no look"
