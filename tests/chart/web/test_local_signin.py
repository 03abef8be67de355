"""Signing in with a password: right, wrong, too often, and for the first time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.web import passwords, users
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.users import By

from .conftest import form_of

Browse = Callable[[Console], TestClient]
PHRASE = "seven quiet herons"
BY = By("test")


@pytest.fixture
def local(make_console: Callable[..., Console], clock: Any) -> Console:
    """A console with one local person: rosa, a clinician."""
    console = make_console(now=clock)
    console.users.add("rosa", "Rosa", Role.CLINICIAN, PHRASE, clock(), BY, must_change=False)
    return console


def sign_in(client: TestClient, name: str, password: str, after: str = "/account") -> httpx.Response:
    form = form_of(client.get(f"/signin?next={after}").text)
    return client.post("/signin", data={**form, "name": name, "password": password})


def test_the_right_password_signs_in(local: Console, browse: Browse) -> None:
    client = browse(local)
    answer = sign_in(client, " Rosa ", PHRASE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "Rosa" in client.get("/account").text
    assert client.get("/signin").headers["location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("rosa", "wrong"), ("nobody", PHRASE), ("", ""), ("rosa", PHRASE * 20)])
def test_a_wrong_one_does_not_and_says_not_which_was_wrong(
    local: Console, browse: Browse, name: str, password: str
) -> None:
    client = browse(local)
    answer = sign_in(client, name, password)
    assert answer.status_code == 401
    assert "The name or the password is not right" in answer.text
    assert client.get("/account").status_code == 303


def test_a_password_is_compared_for_people_who_do_not_exist_too(
    local: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work, so that the time says nothing."""
    compared: list[str | None] = []
    matches = passwords.matches

    def counted(password: str, stored: str | None) -> bool:
        compared.append(stored)
        return matches(password, stored)

    monkeypatch.setattr(passwords, "matches", counted)
    for name in ("rosa", "nobody"):
        with pytest.raises(users.Refused):
            local.users.with_password(name, "wrong", "10.0.0.1", local.now())
    assert len(compared) == 2
    assert compared[1] is None
    assert not matches("anything", None)


def test_too_many_wrong_ones_are_refused_and_the_right_one_with_them(
    local: Console, browse: Browse, clock: Any
) -> None:
    client = browse(local)
    for _ in range(users.FAILURES_PER_PERSON):
        assert sign_in(client, "rosa", "wrong").status_code == 401
    answer = sign_in(client, "rosa", PHRASE)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text
    clock.passes(minutes=16)
    assert sign_in(client, "rosa", PHRASE).status_code == 303


def test_so_are_too_many_from_one_address_over_many_names(local: Console) -> None:
    def guess(name: str, address: str) -> None:
        local.users.with_password(name, "wrong", address, local.now())

    def stored(password: str, _: str | None) -> bool:
        return password == "never"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "matches", stored)  # fifty real hashes say no more
        for number in range(users.FAILURES_PER_ADDRESS):
            with pytest.raises(users.Refused, match="not right"):
                guess(f"name{number}", "10.0.0.1")
        with pytest.raises(users.TooManyAttempts):
            guess("another", "10.0.0.1")
        with pytest.raises(users.Refused, match="not right"):
            guess("another", "10.0.0.2")


def test_signing_in_forgives_what_went_wrong_before(local: Console, browse: Browse) -> None:
    client = browse(local)
    for _ in range(users.FAILURES_PER_PERSON - 1):
        sign_in(client, "rosa", "wrong")
    assert sign_in(client, "rosa", PHRASE).status_code == 303
    again = browse(local)
    assert sign_in(again, "rosa", "wrong").status_code == 401
    assert sign_in(again, "rosa", PHRASE).status_code == 303


def test_somebody_disabled_does_not_get_in(local: Console, browse: Browse) -> None:
    client = browse(local)
    sign_in(client, "rosa", PHRASE)
    local.users.disable("rosa", local.now(), BY)
    assert client.get("/account").status_code == 303
    assert sign_in(client, "rosa", PHRASE).status_code == 401


def test_signing_in_here_can_be_turned_off(make_console: Callable[..., Console], browse: Browse) -> None:
    console = make_console(local_users=False)
    console.users.add("rosa", "Rosa", Role.CLINICIAN, PHRASE, datetime.now(UTC), BY, must_change=False)
    client = browse(console)
    page = client.get("/signin")
    assert "No way to sign in is set up" in page.text
    assert client.post("/signin", data={"name": "rosa", "password": PHRASE}).status_code == 403
    assert client.get("/account").status_code == 303


def test_a_password_set_by_somebody_else_is_changed_first(local: Console, browse: Browse) -> None:
    given = local.users.reset_password("rosa", local.now(), BY)
    client = browse(local)
    assert sign_in(client, "rosa", PHRASE).status_code == 401
    assert sign_in(client, "rosa", given).status_code == 303
    assert client.get("/").headers["location"] == "/account"
    page = client.get("/account")
    assert "set by somebody else" in page.text
    form = form_of(page.text)
    assert client.post("/admin/users", data={**form, "id": "x"}).status_code == 403
    changed = client.post("/account/password", data={**form, "old": given, "new": PHRASE, "again": PHRASE})
    assert (changed.status_code, changed.headers["location"]) == (303, "/account")
    assert "set by somebody else" not in client.get("/account").text


@pytest.mark.parametrize(
    ("old", "new", "again", "said"),
    [
        (PHRASE, "short", "short", "at least 12"),
        (PHRASE, "other otters row", "other otters", "same way twice"),
        ("wrong", "other otters row", "other otters row", "not right"),
        (PHRASE, PHRASE, PHRASE, "is the old one"),
        (PHRASE, "rosa likes otters", "rosa likes otters", "does not contain"),
    ],
)
def test_a_password_that_cannot_be_taken_is_said_why(
    local: Console, browse: Browse, old: str, new: str, again: str, said: str
) -> None:
    client = browse(local)
    sign_in(client, "rosa", PHRASE)
    form = form_of(client.get("/account").text)
    answer = client.post("/account/password", data={**form, "old": old, "new": new, "again": again})
    assert answer.status_code == 422
    assert said in answer.text
    assert sign_in(browse(local), "rosa", PHRASE).status_code == 303


def test_another_password_ends_the_sessions_elsewhere(local: Console, browse: Browse) -> None:
    here, elsewhere = browse(local), browse(local)
    sign_in(here, "rosa", PHRASE)
    sign_in(elsewhere, "rosa", PHRASE)
    form = form_of(here.get("/account").text)
    new = "other otters row"
    here.post("/account/password", data={**form, "old": PHRASE, "new": new, "again": new})
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303


@pytest.mark.parametrize(
    "password", ["x" * 11, "aaaaaaaaaaaaaa", "qwertyuiopas", "123456789012", "mypassword12345", "x" * 257]
)
def test_a_weak_password_is_not_taken(password: str) -> None:
    assert passwords.problem_of(password, "rosa")


@pytest.mark.parametrize("password", [PHRASE, "Ünïcödé wörds häppen", "x7!kQ_92mmPz"])
def test_a_sane_one_is(password: str) -> None:
    assert passwords.problem_of(password, "rosa") == ""


def test_passwords_are_stored_as_argon2() -> None:
    assert passwords.hash_of(PHRASE).startswith("$argon2id$")


def test_sign_ins_and_refusals_are_audited(local: Console, browse: Browse) -> None:
    client = browse(local)
    sign_in(client, "rosa", "wrong")
    sign_in(client, PHRASE, "rosa")  # typed into the wrong fields
    sign_in(client, "rosa", PHRASE)
    client.post("/signout", data=dict(form_of(client.get("/account").text)))
    events = local.audit.account_events()
    assert [(event.what, event.subject) for event in events] == [
        ("signed_out", "rosa"), ("signed_in", "rosa"), ("signin_refused", users.UNKNOWN), ("signin_refused", "rosa"),
        ("created", "rosa"),
    ]  # fmt: skip
    assert all(PHRASE not in repr(event) for event in events)


ALERT = "/alerts/11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("path", "headers", "after"),
    [
        pytest.param(f"{ALERT}/acknowledge", {}, ALERT, id="a form of an alert"),
        pytest.param("/feed/codes", {}, "/", id="a form whose page is not told"),
        pytest.param(
            f"{ALERT}/acknowledge", {"HX-Request": "true", "HX-Current-URL": "https://console.example/?view=ward"},
            "/?view=ward", id="a form on the work list",
        ),
    ],
)  # fmt: skip
def test_whose_session_was_over_is_told_that_the_form_was_not_recorded(
    local: Console, browse: Browse, path: str, headers: dict[str, str], after: str
) -> None:
    client = browse(local)
    answer = client.post(path, data={"reason": "will_act"}, headers=headers)
    there = answer.headers.get("location") or answer.headers["hx-redirect"]
    page = client.get(there).text
    assert "it was not recorded. Sign in, and send it again." in page
    form = form_of(page)
    signed_in = client.post("/signin", data={**form, "name": "rosa", "password": PHRASE})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, after)


def test_a_part_that_is_asked_for_without_a_session_leads_back_to_its_page(local: Console, browse: Browse) -> None:
    client = browse(local)
    asking = {"HX-Request": "true", "HX-Current-URL": f"https://console.example{ALERT}"}
    there = client.get(f"{ALERT}/newer?seen=0", headers=asking).headers["hx-redirect"]
    assert there == f"/signin?next={ALERT}"
    assert "not recorded" not in client.get(there).text
    elsewhere = {"HX-Request": "true", "HX-Current-URL": "https://console.example//evil.example/"}
    assert sign_in_from(client, client.get("/feed", headers=elsewhere).headers["hx-redirect"]) == "/"


def sign_in_from(client: TestClient, address: str) -> str:
    form = form_of(client.get(address).text)
    return client.post("/signin", data={**form, "name": "rosa", "password": PHRASE}).headers["location"]
