"""The feed page: what intake says, who may see what, and a page that stands without intake and notify."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from services.chart.domain.raw_message import PICTURES, lines_of

MESSAGE = b"MSH|^~\\&|LAB|NORTH\rPID|1||000731\rOBX|1|NM|A\rOBX|2|NM|B\x00\r"


def test_without_intake_and_notify_the_page_says_so_and_stands(client_as: Callable[..., TestClient]) -> None:
    page = client_as("laboratory").get("/feed")
    assert page.status_code == 200
    assert "intake does not answer" in page.text
    assert "notify does not answer" in page.text
    assert "Every service could use everything it read" in page.text


def test_raw_messages_and_dead_letters_are_the_laboratorys(client_as: Callable[..., TestClient]) -> None:
    paths = ("/feed/quarantine", f"/feed/quarantine/{uuid4()}", "/feed/dead-letters")
    for role in ("viewer", "clinician"):
        browser = client_as(role)
        assert "Dead letters" not in browser.get("/feed").text
        assert [browser.get(path).status_code for path in paths] == [403, 403, 403]
    laboratory = client_as("laboratory")
    assert [laboratory.get(path).status_code for path in paths] == [200, 503, 200]


def test_a_mapping_needs_an_analyte_and_a_reason(client_as: Callable[..., TestClient]) -> None:
    browser = client_as("laboratory")
    form = {"csrf_token": browser.csrf, "request_id": str(uuid4()), "sender": "LAB", "code": "X"}  # type: ignore[attr-defined]
    assert browser.post("/feed/codes", data=form).status_code == 422
    away = browser.post("/feed/codes", data=form | {"analyte": "VEGF", "reason": "asked the laboratory"})
    assert away.status_code == 503
    assert "It is not certain that it was changed" in away.text


@pytest.mark.parametrize(
    ("place", "marked"),
    [("OBX[2]-5", [4]), ("OBX", [3, 4]), ("PID-3", [2]), ("", []), ("ZZZ[1]", [])],
    ids=["the second of its kind", "every one of its kind", "the only one", "no place", "a segment that is not there"],
)
def test_the_segment_of_the_cause_is_marked(place: str, marked: list[int]) -> None:
    assert [line.number for line in lines_of(MESSAGE, place) if line.marked] == marked


def test_control_characters_and_foreign_bytes_are_shown_not_dropped() -> None:
    lines = lines_of(b"OBX|\x00|\xff\x0b|" + "ü".encode())
    assert [line.text for line in lines] == ["OBX|\u2400|\\xff\u240b|ü"]


@given(st.binary(max_size=400))
def test_no_message_breaks_the_page_or_loses_a_character(raw: bytes) -> None:
    shown = "".join(line.text for line in lines_of(raw))
    assert not set(shown) & {chr(code) for code in PICTURES}
    kept = raw.decode("utf-8", "backslashreplace").replace("\r", "").replace("\n", "").translate(PICTURES)
    assert shown == kept
