"""What an attacker tries at the gate: names of other hosts, forms that are none, paths that lead elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.sessions import csrf_of
from services.chart.adapters.web.users import By

ClientAs = Callable[..., TestClient]
HOSTS = ("x/account?", "x/account#", "x/static/", "x/fhir/", "x\\fhir", "x/signin?", "console.test@x/fhir/")
"""A framework that joins host and path to an address, and takes it apart again, finds another path in it."""
PART = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--'


@pytest.mark.parametrize("host", HOSTS)
def test_the_name_of_the_host_opens_no_other_door(console: Console, client_as: ClientAs, host: str) -> None:
    token = console.tokens.add("ehr", Role.ADMINISTRATOR, None, console.now(), By("test"))
    machine = {"Host": host, "Authorization": f"Bearer {token}"}
    nobody = client_as(None)
    assert nobody.get("/admin/users", headers=machine).status_code == 303
    assert nobody.get("/patients", headers={"Host": host}).headers["location"].startswith("/signin")
    assert nobody.post("/admin/users", headers=machine, data={"id": "mallory"}).status_code == 303
    assert console.users.find("mallory") is None


@pytest.mark.parametrize("host", HOSTS)
def test_nor_does_it_spare_anybody_a_new_password(console: Console, client_as: ClientAs, host: str) -> None:
    phrase, now = "seven quiet herons", console.now()
    console.users.add("rosa", "Rosa", Role.CLINICIAN, phrase, now, By("test"), must_change=True)
    browser = client_as(None)
    browser.cookies.set(cookie_name(console.settings.https), console.sessions.begin("rosa", now))
    answer = browser.get("/patients", headers={"Host": host})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "a=1&" * 60_000),
        ("multipart/form-data; boundary=b", "--b\r\nnonsense"),
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=b; charset=no-such", PART),
    ],
)  # fmt: skip
def test_what_calls_itself_a_form_and_is_none_is_no_defect(
    client_as: ClientAs, caplog: pytest.LogCaptureFixture, kind: str, body: str
) -> None:
    browser = client_as(None)
    browser.get("/signin")
    answer = browser.post("/signin", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 403)
    assert "a page failed" not in caplog.text


@pytest.mark.parametrize(
    "next_page", ["//evil.test", "/\\evil.test", "https://evil.test", "/\t/evil.test", "/\r\nX: y"]
)
def test_signing_in_leads_nowhere_else(console: Console, client_as: ClientAs, next_page: str) -> None:
    phrase = "seven quiet herons"
    console.users.add("ada", "Ada", Role.VIEWER, phrase, console.now(), By("test"), must_change=False)
    browser = client_as(None)
    browser.get("/signin")
    fixed = browser.cookies[cookie_name(console.settings.https)]
    form = {"name": "ada", "password": phrase, "next": next_page, "csrf_token": csrf_of(fixed)}
    answer = browser.post("/signin", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "x" not in answer.headers
    assert console.sessions.find(fixed, console.now(), alive=True) is None, "who knew the visit knows no session"


@pytest.mark.parametrize(
    "path", ["/patients?x=%00", "/admin/looks?person=a%00", "/a%00b", "/fhir/Patient?identifier=%00"]
)
def test_what_no_database_can_hold_is_refused_before_one_is_asked(client_as: ClientAs, path: str) -> None:
    assert client_as("administrator").get(path).status_code == 400


def test_nor_does_it_come_in_a_form(client_as: ClientAs) -> None:
    browser = client_as("administrator")
    assert browser.post("/patients", data={"query": "7\x00"}).status_code == 400
    assert browser.post("/patients", files={"query": (None, "7\x00")}).status_code == 400
    assert browser.post("/patients", data={"query": "7%00"}).status_code == 200, "that is a percent sign"
