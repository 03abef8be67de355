"""The list of patients: found by the beginning of their number, which stays out of every address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from refrain.contracts.events import CareEvent, Engraftment, PatientId
from refrain.contracts.ids import derive
from refrain.contracts.topics import CARE_EVENTS
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.pages import patients
from tests.chart.pages.conftest import Fill
from tests.chart.pages.reading import said
from tests.chart.pages.stories import Case, Published

Browser = Callable[..., TestClient]
FRAGMENT = {"HX-Request": "true"}


def known(*numbers: str) -> Sequence[Published]:
    """Patients of whom one event is known each, in order of time."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        (
            CARE_EVENTS,
            CareEvent(
                patient=PatientId(authority="NORTH", type="MR", id=number), occurred_at=first, key="e",
                recorded_at=first + timedelta(minutes=at), body=Engraftment(on=first.date(), cell="neutrophils"),
            ).identified(),
        )
        for at, number in enumerate(numbers)
    ]  # fmt: skip


def found(browser: TestClient, query: str) -> str:
    return said(browser.post("/patients", data={"query": query}, headers=FRAGMENT))


def test_the_newest_patient_comes_first(client_as: Browser, fill: Fill) -> None:
    fill(known("000731", "000732", "010000"))
    page = said(client_as("viewer").get("/patients"))
    assert page.index("010000") < page.index("000732") < page.index("000731")


def test_the_beginning_of_a_number_finds_it_and_leading_zeros_count(client_as: Browser, fill: Fill) -> None:
    fill(known("000731", "000732", "731"))
    browser = client_as("viewer")
    assert "000731" in found(browser, "00073")
    assert "000732" in found(browser, "00073")
    assert "000731" not in found(browser, "731")


def test_a_number_is_never_part_of_an_address(client_as: Browser, fill: Fill) -> None:
    fill(known("000731"))
    page = client_as("viewer").get("/patients")
    assert f'href="/patients/{derive("patient", "NORTH|MR|000731")}"' in page.text
    assert 'method="post"' in page.text
    assert "query=" not in page.text


def test_what_was_searched_for_is_shown_as_text(client_as: Browser) -> None:
    answer = client_as("viewer").post("/patients", data={"query": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in answer.text
    assert "Numbers that begin with “<script>alert(1)</script>”" in said(answer)


def test_nobody_found_is_a_sentence(client_as: Browser, fill: Fill) -> None:
    assert "No patient yet: the first message of a feed brings one." in said(client_as("viewer").get("/patients"))
    fill(known("000731"))
    assert "No patient's number begins so." in found(client_as("viewer"), "9")


def test_page_follows_page_until_every_patient_was_shown_once(
    client_as: Browser, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patients, "PAGE", 2)
    numbers = ["100", "101", "102", "103", "104"]
    fill(known(*numbers))
    browser, after, shown = client_as("viewer"), "", []
    while True:
        answer = browser.post("/patients", data={"query": "10", "after": after}, headers=FRAGMENT)
        shown += [number for number in numbers if f">{number}</a>" in answer.text]
        if 'name="after"' not in answer.text:
            break
        after = answer.text.split('name="after" value="')[1].split('"')[0]
    assert sorted(shown) == numbers


def test_a_page_that_is_not_ours_is_a_sentence(client_as: Browser) -> None:
    answer = client_as("viewer").post("/patients", data={"after": "nonsense"})
    assert answer.status_code == 400
    assert "Search again." in said(answer)


def test_the_worst_waiting_alert_is_named(client_as: Browser, synthetic: Case) -> None:
    assert "most urgent P1" in found(client_as("viewer"), synthetic.patient.id)


def test_looking_at_the_list_is_written_down(client_as: Browser, console: Console) -> None:
    client_as("viewer").get("/patients")
    [look] = console.audit.looks(person="viewer")
    assert (look.what, look.patient) == ("patients", None)


def test_nobody_sees_it_without_signing_in(client_as: Browser) -> None:
    answer = client_as(None).get("/patients")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/signin")
