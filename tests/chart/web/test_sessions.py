"""Sessions on the server, on SQLite and on PostgreSQL: how long they last and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.sessions import Sessions, SessionTimes, csrf_of
from services.chart.adapters.web.users import By, Users

TIMES = SessionTimes(idle=timedelta(minutes=15), longest=timedelta(hours=12))
BY = By("test")


@pytest.fixture
def sessions(accounts: Engine, clock: Any) -> Sessions:
    """With one person, meera, who may have sessions."""
    Users(accounts).from_provider("meera", "Meera", Role.CLINICIAN, "there|1", clock())
    return Sessions(accounts, TIMES)


def test_the_token_finds_the_person_and_is_nowhere_in_the_database(
    sessions: Sessions, accounts: Engine, clock: Any
) -> None:
    token = sessions.begin("meera", clock(), id_token="an ID token")
    person = sessions.find(token, clock(), alive=True)
    assert person is not None
    assert (person.id, person.role, person.via) == ("meera", Role.CLINICIAN, "console")
    with accounts.connect() as connection:
        rows = connection.execute(text("select * from sessions")).all()
    assert token not in repr(rows)
    assert csrf_of(token) not in repr(rows)
    assert sessions.find("another", clock(), alive=True) is None


def test_it_ends_when_nobody_asks_anything(sessions: Sessions, clock: Any) -> None:
    token = sessions.begin("meera", clock())
    for _ in range(10):
        clock.passes(minutes=14)
        assert sessions.find(token, clock(), alive=True)
    clock.passes(minutes=15)
    assert sessions.find(token, clock(), alive=True) is None


def test_a_page_that_refreshes_itself_does_not_keep_it_alive(sessions: Sessions, clock: Any) -> None:
    token = sessions.begin("meera", clock())
    for _ in range(14):
        clock.passes(minutes=1)
        assert sessions.find(token, clock(), alive=False)
    clock.passes(minutes=1)
    assert sessions.find(token, clock(), alive=False) is None


def test_it_ends_after_a_shift_however_busy(sessions: Sessions, clock: Any) -> None:
    token = sessions.begin("meera", clock())
    for _ in range(71):
        clock.passes(minutes=10)
        assert sessions.find(token, clock(), alive=True)
    clock.passes(minutes=10)
    assert sessions.find(token, clock(), alive=True) is None


def test_signing_out_ends_it_and_gives_back_the_providers_token_once(sessions: Sessions, clock: Any) -> None:
    token = sessions.begin("meera", clock(), id_token="an ID token")
    assert sessions.end(token, clock()) == "an ID token"
    assert sessions.find(token, clock(), alive=True) is None
    assert sessions.end(token, clock()) == ""


def test_disabling_somebody_ends_all_of_theirs(sessions: Sessions, accounts: Engine, clock: Any) -> None:
    tokens = [sessions.begin("meera", clock()) for _ in range(2)]
    Users(accounts).disable("meera", clock(), BY)
    assert [sessions.find(token, clock(), alive=True) for token in tokens] == [None, None]
    Users(accounts).enable("meera", clock(), BY)
    assert [sessions.find(token, clock(), alive=True) for token in tokens] == [None, None]


def test_signing_in_again_ends_the_one_before(sessions: Sessions, clock: Any) -> None:
    before = sessions.begin("meera", clock())
    after = sessions.begin("meera", clock(), instead_of=before)
    assert sessions.find(before, clock(), alive=True) is None
    assert sessions.find(after, clock(), alive=True)


def test_those_that_are_over_are_forgotten(sessions: Sessions, accounts: Engine, clock: Any) -> None:
    for _ in range(3):
        sessions.begin("meera", clock())
        clock.passes(minutes=16)
    with accounts.connect() as connection:
        assert connection.execute(text("select count(*) from sessions")).scalar_one() == 1


def test_an_open_answer_learns_that_its_session_is_over(sessions: Sessions, clock: Any) -> None:
    token = sessions.begin("meera", clock())
    person = sessions.find(token, clock(), alive=True)
    assert person is not None
    assert sessions.still(person.session, clock())
    sessions.end(token, clock())
    assert not sessions.still(person.session, clock())


def test_an_attempt_is_come_back_to_once_and_in_time(sessions: Sessions, clock: Any) -> None:
    sessions.leave("visit", {"state": "1"}, clock())
    sessions.leave("visit", {"state": "2"}, clock())
    assert sessions.come_back("another", clock()) is None
    assert sessions.come_back("visit", clock()) == {"state": "2"}
    assert sessions.come_back("visit", clock()) is None
    sessions.leave("visit", {"state": "3"}, clock())
    clock.passes(minutes=10)
    assert sessions.come_back("visit", clock()) is None


# --- over the web ---

ClientAs = Callable[..., TestClient]


@pytest.mark.parametrize(
    ("path", "headers"), [("/account", {"X-Refrain-Live": "1"}), ("/events", {"Accept": "text/event-stream"})]
)
def test_what_a_page_asks_by_itself_does_not_count(
    make_console: Callable[..., Console], client_as: ClientAs, clock: Any, path: str, headers: dict[str, str]
) -> None:
    client = client_as("viewer", console=make_console(now=clock), routers=_quick())
    for _ in range(14):
        clock.passes(minutes=1)
        assert client.get(path, headers=headers).status_code == 200
    clock.passes(minutes=1)
    assert client.get(path, headers=headers).status_code in (401, 303)


def test_what_a_person_asks_does(make_console: Callable[..., Console], client_as: ClientAs, clock: Any) -> None:
    client = client_as("viewer", console=make_console(now=clock), routers=_quick())
    for _ in range(30):
        clock.passes(minutes=1)
        assert client.get("/account").status_code == 200


def _quick() -> list[Any]:
    from fastapi import APIRouter, Depends

    from services.chart.adapters.web.roles import may

    router = APIRouter(dependencies=[Depends(may("see"))])
    router.add_api_route("/account", lambda: "here")
    router.add_api_route("/events", lambda: "events")
    return [router]
