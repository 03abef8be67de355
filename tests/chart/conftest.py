"""The console over an empty database, and a browser that somebody of a role is signed in with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.building import build_console
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.pages import ROUTERS
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.sessions import csrf_of
from services.chart.settings import Settings

MIGRATIONS = "services.chart.adapters:migrations"

ClientAs = Callable[..., TestClient]


@pytest.fixture
def chart_url(tmp_path: Path) -> str:
    """URL of an empty SQLite at this program's revision, of a Kafka that was looked at and held nothing."""
    url = f"sqlite:///{tmp_path}/chart.db"
    upgrade(url, "chart", MIGRATIONS)
    engine = open_database(url, "chart")
    Projection(engine).settle_on("cluster/1", {}, {})
    engine.dispose()
    return url


@pytest.fixture
def chart_engine(chart_url: str) -> Iterator[Engine]:
    """The same database, for a test that fills it."""
    engine = open_database(chart_url, "chart")
    yield engine
    engine.dispose()


@pytest.fixture
def make_console(chart_url: str, chart_engine: Engine) -> Callable[..., Console]:
    """Builds a console over the empty database; keywords are settings, ``now`` a clock of the test's own."""

    def make(now: Callable[[], datetime] = lambda: datetime.now(UTC), **settings: Any) -> Console:
        wanted = Settings(**{"ledger": chart_url, "local_users": True} | settings)
        return build_console(wanted, chart_engine, ReadModel(chart_engine), now)

    return make


@pytest.fixture
def console(make_console: Callable[..., Console]) -> Console:
    """With the default settings; no other service is there."""
    return make_console()


@pytest.fixture
def client_as(console: Console) -> Iterator[ClientAs]:
    """``client_as("clinician")``: a browser with somebody of that role signed in (their id is the role's name).

    ``client_as(None)`` is nobody. ``client_as("viewer", console=other)`` for a console of the test's own. The CSRF
    token is a header of every request, as htmx sends it, and ``client.csrf`` for forms. ``routers`` are served in place
    of the console's own pages.
    """
    with ExitStack() as stack:

        def client(
            role: str | None, *, console: Console = console, routers: Iterable[APIRouter] = ROUTERS
        ) -> TestClient:
            made = TestClient(
                create_application(console, routers), base_url="http://console.test", raise_server_exceptions=False,
                follow_redirects=False,
            )  # fmt: skip
            if role is not None:
                sign_in(console, made, role)
            return stack.enter_context(made)

        yield client


def sign_in(console: Console, client: TestClient, role: str) -> None:
    """As if the sign-in had just happened: a person, a session, its cookie."""
    now = console.now()
    console.users.from_provider(role, role.title(), Role(role), f"https://provider.test|{role}", now)
    token = console.sessions.begin(role, now)
    client.cookies.set(cookie_name(console.settings.https), token)
    client.headers["X-CSRF-Token"] = csrf_of(token)
    client.csrf = csrf_of(token)  # type: ignore[attr-defined]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    """For ``make_console(now=clock)``."""
    return Clock()
