"""What administrators do: people, tokens, and the audit; each change leaves a row."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.web.audit import ACCOUNT_EVENT_WORDS
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, Role
from services.chart.adapters.web.users import By

ClientAs = Callable[..., TestClient]
PHRASE = "seven quiet herons"


@pytest.fixture
def admin(client_as: ClientAs) -> TestClient:
    return client_as("administrator")


@pytest.fixture
def rosa(console: Console) -> str:
    """A local person."""
    console.users.add("rosa", "Rosa", Role.CLINICIAN, PHRASE, console.now(), By("test"), must_change=False)
    return "rosa"


def secret_of(page: str) -> str:
    found = re.search(r'<code class="secret">([^<]+)</code>', page)
    assert found
    return found[1]


def test_a_person_is_added_with_a_password_that_is_shown_once(admin: TestClient, console: Console) -> None:
    answer = admin.post("/admin/users", data={"id": "Lars", "name": "Lars <L>", "role": "laboratory"})
    assert answer.status_code == 200
    password = secret_of(answer.text)
    user = console.users.find("lars")
    assert user is not None
    assert (user.name, user.role, user.must_change) == ("Lars <L>", Role.LABORATORY, True)
    page = admin.get("/admin/users").text
    assert "Lars &lt;L&gt;" in page
    assert password not in page
    assert console.users.with_password("lars", password, "", console.now()).id == "lars"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"id": "rosa", "role": "viewer"}, "already"),
        ({"id": "två ord", "role": "viewer"}, "small letters"),
        ({"id": "x", "role": "queen"}, "no such role"),
    ],
)
@pytest.mark.usefixtures("rosa")
def test_who_cannot_be_added_is_said(admin: TestClient, form: dict[str, str], said: str) -> None:
    answer = admin.post("/admin/users", data=form)
    assert answer.status_code == 409
    assert said in answer.text


def test_a_role_counts_from_the_next_request_on(admin: TestClient, console: Console, rosa: str) -> None:
    token = console.sessions.begin(rosa, console.now())
    assert admin.post("/admin/users/rosa/role", data={"role": "administrator"}).status_code == 303
    person = console.sessions.find(token, console.now(), alive=True)
    assert person is not None
    assert person.role is Role.ADMINISTRATOR


def test_disabling_and_enabling(admin: TestClient, console: Console, rosa: str) -> None:
    token = console.sessions.begin(rosa, console.now())
    assert admin.post("/admin/users/rosa/disable").status_code == 303
    assert console.sessions.find(token, console.now(), alive=True) is None
    assert "disabled" in admin.get("/admin/users").text
    assert admin.post("/admin/users/rosa/enable").status_code == 303
    assert console.users.with_password("rosa", PHRASE, "", console.now())


def test_a_reset_password_replaces_the_old_one(admin: TestClient, console: Console, rosa: str) -> None:
    token = console.sessions.begin(rosa, console.now())
    password = secret_of(admin.post("/admin/users/rosa/password").text)
    assert console.sessions.find(token, console.now(), alive=True) is None
    user = console.users.with_password("rosa", password, "", console.now())
    assert user.must_change


@pytest.mark.parametrize("path", ["administrator/disable", "administrator/role"])
def test_nobody_locks_themselves_out(admin: TestClient, path: str) -> None:
    answer = admin.post(f"/admin/users/{path}", data={"role": "viewer"})
    assert answer.status_code == 409
    assert "Ask another administrator" in answer.text


def test_the_last_administrator_stays(console: Console, rosa: str) -> None:
    now, by = console.now(), By("test")
    console.users.set_role(rosa, Role.ADMINISTRATOR, now, by)
    with pytest.raises(Exception, match="last administrator"):
        console.users.disable(rosa, now, by)
    with pytest.raises(Exception, match="last administrator"):
        console.users.set_role(rosa, Role.VIEWER, now, by)


@pytest.mark.parametrize("path", ["clinician/role", "clinician/password"])
def test_what_the_provider_keeps_is_not_changed_here(admin: TestClient, client_as: ClientAs, path: str) -> None:
    client_as("clinician")
    answer = admin.post(f"/admin/users/{path}", data={"role": "viewer"})
    assert answer.status_code == 409
    assert "kept where they sign in" in answer.text


@pytest.mark.parametrize("what", ["disable", "enable", "password", "role"])
def test_somebody_who_is_not_there(admin: TestClient, what: str) -> None:
    answer = admin.post(f"/admin/users/nobody/{what}", data={"role": "viewer"})
    assert answer.status_code == 409
    assert "no such person" in answer.text


def test_a_token_is_revoked(admin: TestClient, console: Console) -> None:
    token = console.tokens.add("ehr", Role.VIEWER, None, console.now(), By("test"))
    assert "ehr" in admin.get("/admin/users").text
    assert admin.post("/admin/tokens/ehr/revoke").status_code == 303
    assert console.tokens.find(token, console.now()) is None
    assert admin.post("/admin/tokens/ehr/revoke").status_code == 409


@pytest.mark.usefixtures("rosa")
def test_every_change_is_in_the_audit_with_who_and_in_which_request(admin: TestClient, console: Console) -> None:
    console.tokens.add("ehr", Role.VIEWER, None, console.now(), By("command line"))
    done = {}
    for path, what in (
        ("users/rosa/role", "role"), ("users/rosa/password", "password_reset"), ("users/rosa/disable", "disabled"),
        ("users/rosa/enable", "enabled"), ("tokens/ehr/revoke", "token_revoked"),
    ):  # fmt: skip
        answer = admin.post(f"/admin/{path}", data={"role": "laboratory"})
        done[what] = answer.headers["x-request-id"]
    events = {event.what: event for event in console.audit.account_events() if event.request in done.values()}
    assert {what: event.request for what, event in events.items()} == done
    assert {event.actor for event in events.values()} == {"administrator"}
    page = admin.get("/admin/changes?account=rosa").text
    assert "Password reset" in page
    assert "Token revoked" not in page


def test_every_kind_of_change_has_its_words() -> None:
    from pathlib import Path

    import services.chart.adapters.web as web

    sources = "".join(path.read_text() for path in Path(web.__file__).parent.glob("*.py"))
    assert set(re.findall(r'what="(\w+)"', sources)) <= set(ACCOUNT_EVENT_WORDS)


def test_looks_are_shown_and_filtered_and_paged(admin: TestClient, console: Console) -> None:
    meera = Person("meera", "Meera", Role.CLINICIAN, "console")
    for number in range(150):
        patient = UUID(int=number % 2)
        console.audit.look(meera, console.now(), patient=patient, what="patient", subject="", request=f"r{number}")
    page = admin.get("/admin/looks").text
    assert "<small>r149</small>" in page
    assert "<small>r49</small>" not in page
    (further,) = re.findall(r'href="(/admin/looks\?[^"]*before[^"]*)"', page)
    assert "<small>r49</small>" in admin.get(further.replace("&amp;", "&")).text
    one = admin.get(f"/admin/looks?patient={UUID(int=0)}").text
    assert "<small>r148</small>" in one
    assert "<small>r149</small>" not in one
    assert "No looks were found" in admin.get("/admin/looks?person=nobody").text
    today = console.now().date().isoformat()
    assert "<small>r149</small>" in admin.get(f"/admin/looks?first={today}&last={today}").text
    assert "No looks were found" in admin.get("/admin/looks?last=2020-01-01").text
    wrong = admin.get("/admin/looks?first=yesterday")
    assert wrong.status_code == 422
    assert "2026-05-31" in wrong.text
