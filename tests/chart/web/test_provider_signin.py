"""Signing in at a real OpenID provider, and everything that must not work there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.users import By

from .conftest import CONSOLE, CanailleProcess, at_provider, form_of, walk

Consoles = Callable[..., Console]
Browse = Callable[[Console], TestClient]


def is_signed_in(client: TestClient) -> bool:
    return client.get("/account").status_code == 200


def test_a_nurse_signs_in_as_a_clinician_and_is_taken_where_she_was_going(
    provider_console: Consoles, browse: Browse
) -> None:
    client = browse(provider_console())
    asked = client.get("/account")
    assert (asked.status_code, asked.headers["location"]) == (303, "/signin?next=/account")
    page = client.get(asked.headers["location"])
    assert "/signin/provider?next=/account" in page.text
    back = walk(client, "meera")
    assert (back.status_code, back.headers["location"]) == (303, "/account")
    account = client.get("/account")
    assert "Meera" in account.text
    assert "clinician" in account.text


def test_the_way_there_is_bound_by_state_nonce_and_pkce(provider_console: Consoles, browse: Browse) -> None:
    left = browse(provider_console()).get("/signin/provider")
    asked = parse_qs(urlsplit(left.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{CONSOLE}/signin/callback"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()


def test_signing_in_changes_the_token_of_the_cookie(provider_console: Consoles, browse: Browse) -> None:
    console = provider_console()
    client = browse(console)
    client.get("/signin")
    visit = client.cookies[cookie_name(False)]
    walk(client, "meera")
    assert client.cookies[cookie_name(False)] != visit


def test_somebody_without_a_mapped_role_gets_nowhere(provider_console: Consoles, browse: Browse) -> None:
    console = provider_console()
    client = browse(console)
    back = walk(client, "gerda")
    assert back.status_code == 403
    assert "no role in Refrain" in back.text
    assert not is_signed_in(client)
    assert console.users.all() == []


def test_an_answer_with_another_state_is_refused(provider_console: Consoles, browse: Browse) -> None:
    client = browse(provider_console())
    back = at_provider(client.get("/signin/provider").headers["location"], "meera")
    parts = parse_qs(urlsplit(back).query)
    forged = client.get("/signin/callback?" + urlencode({"code": parts["code"][0], "state": "forged"}))
    assert forged.status_code == 403
    assert not is_signed_in(client)


def test_an_answer_is_taken_once(provider_console: Consoles, browse: Browse) -> None:
    client = browse(provider_console())
    back = at_provider(client.get("/signin/provider").headers["location"], "meera")
    visit = client.cookies[cookie_name(False)]
    assert client.get(back).status_code == 303
    client.cookies.clear()
    client.cookies.set(cookie_name(False), visit)
    assert client.get(back).status_code == 403


def test_an_answer_brought_by_another_browser_is_refused(provider_console: Consoles, browse: Browse) -> None:
    """A sign-in forced upon somebody: the attacker's own answer in the victim's browser."""
    console = provider_console()
    attacker, victim = browse(console), browse(console)
    back = at_provider(attacker.get("/signin/provider").headers["location"], "meera")
    victim.get("/signin")
    assert victim.get(back).status_code == 403
    assert not is_signed_in(victim)


def test_an_answer_that_took_too_long_is_refused(
    provider_console: Consoles, browse: Browse, clock: Callable[[], object]
) -> None:
    client = browse(provider_console(now=clock))
    back = at_provider(client.get("/signin/provider").headers["location"], "meera")
    clock.passes(minutes=11)  # type: ignore[attr-defined]
    assert client.get(back).status_code == 403


def test_a_token_that_is_over_is_refused(provider_console: Consoles, browse: Browse) -> None:
    from datetime import UTC, datetime

    client = browse(provider_console(now=lambda: datetime.now(UTC) + timedelta(days=365)))
    assert walk(client, "meera").status_code == 403
    assert not is_signed_in(client)


def test_a_token_for_another_audience_is_refused(provider_console: Consoles, browse: Browse) -> None:
    client = browse(provider_console(client="stray"))
    assert walk(client, "meera").status_code == 403
    assert not is_signed_in(client)


def test_an_answer_of_another_issuer_is_refused(provider_console: Consoles, browse: Browse) -> None:
    client = browse(provider_console())
    back = at_provider(client.get("/signin/provider").headers["location"], "meera")
    mixed_up = httpx.URL(back).copy_set_param("iss", "https://elsewhere.test")
    assert client.get(str(mixed_up)).status_code == 403


def test_metadata_of_another_issuer_are_not_believed(
    provider_console: Consoles, browse: Browse, canaille: CanailleProcess
) -> None:
    localhost = canaille.issuer.replace("127.0.0.1", "localhost")
    client = browse(provider_console(oidc_issuer=localhost))
    left = client.get("/signin/provider")
    assert left.status_code == 503
    assert "does not answer" in left.text


def test_a_provider_that_is_away_is_a_sentence(provider_console: Consoles, browse: Browse) -> None:
    client = browse(provider_console(oidc_issuer="http://127.0.0.1:9"))
    left = client.get("/signin/provider")
    assert left.status_code == 503
    assert "Try again in a moment" in left.text


def test_somebody_disabled_here_does_not_get_in(provider_console: Consoles, browse: Browse) -> None:
    console = provider_console()
    client = browse(console)
    walk(client, "meera")
    console.users.disable("meera", console.now(), By("test"))
    assert not is_signed_in(client)
    assert walk(client, "meera").status_code == 403


def test_the_role_follows_the_provider(provider_console: Consoles, browse: Browse) -> None:
    first, second = provider_console(), provider_console(oidc_role_map={"ward-nurses": "viewer"})
    walk(browse(first), "meera")
    walk(browse(second), "meera")
    user = second.users.find("meera")
    assert user is not None
    assert user.role is Role.VIEWER


def test_nobody_takes_the_name_of_a_local_person(provider_console: Consoles, browse: Browse) -> None:
    console = provider_console(local_users=True)
    console.users.add(
        "meera", "Another Meera", Role.ADMINISTRATOR, "a long enough phrase", console.now(), By("test"),
        must_change=False,
    )  # fmt: skip
    client = browse(console)
    back = walk(client, "meera")
    assert back.status_code == 403
    assert "belongs to somebody else" in back.text


def test_nobody_takes_the_name_of_another_person_of_the_provider(provider_console: Consoles, browse: Browse) -> None:
    console = provider_console()
    console.users.from_provider("meera", "Meera", Role.VIEWER, "https://before.test|1", console.now())
    assert walk(browse(console), "meera").status_code == 403


def test_a_person_whom_the_provider_calls_otherwise_keeps_the_account(
    provider_console: Consoles, browse: Browse, canaille: CanailleProcess
) -> None:
    console = provider_console()
    before = console.users.from_provider(
        "m.married", "Meera", Role.CLINICIAN, f"{canaille.issuer}|meera", console.now()
    )
    token = console.sessions.begin(before.id, console.now())
    assert walk(browse(console), "meera").status_code == 303
    assert [user.id for user in console.users.all()] == ["meera"]
    assert console.sessions.find(token, console.now(), alive=True) is None
    assert ("renamed", "m.married") in {(event.what, event.detail) for event in console.audit.account_events()}


def test_being_called_otherwise_does_not_undo_being_disabled(
    provider_console: Consoles, browse: Browse, canaille: CanailleProcess
) -> None:
    console = provider_console()
    console.users.from_provider("m.married", "Meera", Role.CLINICIAN, f"{canaille.issuer}|meera", console.now())
    console.users.disable("m.married", console.now(), By("test"))
    assert walk(browse(console), "meera").status_code == 403


def test_signing_out_goes_on_to_the_provider(
    provider_console: Consoles, browse: Browse, canaille: CanailleProcess
) -> None:
    client = browse(provider_console())
    left = client.get("/signin/provider?next=/account")
    browser = httpx.Client()
    client.get(at_provider(left.headers["location"], "meera", browser))
    form = form_of(client.get("/account").text)
    out = client.post("/signout", data=dict(form))
    assert out.status_code == 200
    there = out.headers["refresh"].removeprefix("0; url=")
    assert there.startswith(f"{canaille.issuer}/oauth/end_session?")
    assert not is_signed_in(client)
    gone = browser.get(there)
    assert gone.headers["location"].startswith(f"{CONSOLE}/signin")
    again = browser.get(client.get("/signin/provider").headers["location"])
    assert "/login" in again.headers["location"], "the provider still knows the person"


@pytest.mark.parametrize("wanted", ["https://evil.test/", "//evil.test", "/\\evil.test", "/\t/evil.test", "evil"])
def test_the_way_back_stays_on_the_console(provider_console: Consoles, browse: Browse, wanted: str) -> None:
    client = browse(provider_console())
    left = client.get("/signin/provider", params={"next": wanted})
    back = client.get(at_provider(left.headers["location"], "lars"))
    assert (back.status_code, back.headers["location"]) == (303, "/")
